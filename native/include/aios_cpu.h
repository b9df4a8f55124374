/*
 * aios_cpu.h - the CPU as a device: memory, in-order streams on one shared pool of workers, events and copies.
 *
 * Streams are drained by the pool's workers, one worker per stream at a time; a kernel spreads its tasks over the
 * workers that are idle. A stream that waits for an event occupies no worker, so streams never block each other.
 * Everything named `_async`, and every launcher of aios_kernels.h, only enqueues. When a stream's queue is full
 * the enqueue waits for room.
 * An error inside enqueued work sticks to its stream: the following work of that stream is skipped, and every later
 * synchronize returns it.
 */
#ifndef AIOS_CPU_H
#define AIOS_CPU_H

#include "aios.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the CPU device is made of. */
typedef struct aios_cpu_info {
  char name[128];       /**< Processor name as the machine reports it, zero-terminated. */
  char isa[32];         /**< Instruction set of the kernels in use, such as "avx512bf16", zero-terminated. */
  int32_t threads;      /**< Workers of the pool. */
  int32_t cores;        /**< Processors this process may run on. */
  int64_t memory_bytes; /**< Physical memory of the machine, in bytes. */
  int64_t l1_bytes;     /**< First-level data cache of one core, in bytes; 0 when unknown. */
  int64_t l2_bytes;     /**< Second-level cache of one core, in bytes; 0 when unknown. */
  int64_t l3_bytes;     /**< Third-level cache, in bytes; 0 when unknown. */
  double quota;         /**< Processors' worth of time that the control groups leave this process; 0 without a limit. */
} aios_cpu_info;

/**
 * Describes the device. The instruction set is the best one the processor supports, or the one that the environment
 * variable AIOS_CPU_ISA named when the library was loaded: avx512bf16 (with the dot products of bf16 and int8),
 * avx512vnni (of int8), avx512, avx2vnni (of int8), avx2 or portable on x86-64; neon on aarch64.
 * Fails with AIOS_STATUS_INVALID_ARGUMENT when AIOS_CPU_ISA is none of these or the processor lacks it,
 * or when AIOS_CPU_THREADS is not a number of workers.
 */
AIOS_API aios_status aios_cpu_get_info(aios_cpu_info *info);

/**
 * Sets the number of workers, 1 to 1024. The default is the value of AIOS_CPU_THREADS, or else the number of processors
 * this process may use: its affinity mask, the container's quota, and its share where a launcher says that other ranks
 * of the job use the same processors (AIOS_LOCAL_RANKS, LOCAL_WORLD_SIZE, OMPI_COMM_WORLD_LOCAL_SIZE or
 * MPI_LOCALNRANKS). Workers that outnumber the share never spin. Waits until all enqueued work has run. Results never
 * depend on the number of workers.
 */
AIOS_API aios_status aios_cpu_set_threads(int32_t threads);

/**
 * Allocates `bytes` (at least 1) bytes of memory aligned to 64 bytes. Large blocks are aligned to 2 MiB and ask the
 * system for huge pages. The contents are undefined. Fails with AIOS_STATUS_OUT_OF_MEMORY.
 */
AIOS_API aios_status aios_cpu_alloc(void **memory, int64_t bytes);

/** Frees a block of `aios_cpu_alloc`; `bytes` is the size it was allocated with. Null is ignored. */
AIOS_API aios_status aios_cpu_free(void *memory, int64_t bytes);

/**
 * Reserves a range of `bytes` addresses that starts at a multiple of 2 MiB. It takes no memory until parts of it are
 * committed, and touching any other part ends the process. Here and in the next three calls sizes and starts of parts
 * are multiples of 2 MiB. Fails with AIOS_STATUS_OUT_OF_MEMORY when the process may not have so many addresses.
 */
AIOS_API aios_status aios_cpu_reserve(void **range, int64_t bytes);

/**
 * Gives a part of a reserved range memory, in huge pages where the system has them. The contents are undefined. Memory
 * is taken from the system page by page when it is touched. Fails with AIOS_STATUS_OUT_OF_MEMORY.
 */
AIOS_API aios_status aios_cpu_commit(void *part, int64_t bytes);

/** Gives the memory of a committed part back to the system; the addresses stay reserved. */
AIOS_API aios_status aios_cpu_decommit(void *part, int64_t bytes);

/** Ends a reservation, committed or not; `bytes` is the size it was made with. Null is ignored. */
AIOS_API aios_status aios_cpu_release(void *range, int64_t bytes);

/** Writes how many bytes of memory the system could give out now without writing any to disk. */
AIOS_API aios_status aios_cpu_available_memory(int64_t *bytes);

/** Creates a stream. */
AIOS_API aios_status aios_cpu_stream_create(aios_stream *stream);

/** Waits for the stream's work, then destroys it. Null is ignored. */
AIOS_API aios_status aios_cpu_stream_destroy(aios_stream stream);

/** Waits for all work enqueued so far; returns the stream's sticky error, whose text becomes `aios_last_error`. */
AIOS_API aios_status aios_cpu_stream_synchronize(aios_stream stream);

/** AIOS_STATUS_OK when all enqueued work has run, AIOS_STATUS_NOT_READY otherwise, or the sticky error. Never waits. */
AIOS_API aios_status aios_cpu_stream_query(aios_stream stream);

/**
 * Makes the work enqueued from now on wait for what `event` recorded last before this call. An event that was never
 * recorded is no reason to wait.
 */
AIOS_API aios_status aios_cpu_stream_wait_event(aios_stream stream, aios_event event);

/** Creates an event that was never recorded. */
AIOS_API aios_status aios_cpu_event_create(aios_event *event);

/** Destroys an event; work that waits for it still does. Null is ignored. */
AIOS_API aios_status aios_cpu_event_destroy(aios_event event);

/** Enqueues the recording of the event: it completes when all earlier work of the stream has run. */
AIOS_API aios_status aios_cpu_event_record(aios_event event, aios_stream stream);

/** Waits until the last recording has completed; returns at once when there was none. */
AIOS_API aios_status aios_cpu_event_synchronize(aios_event event);

/** AIOS_STATUS_OK when the last recording has completed or there was none, AIOS_STATUS_NOT_READY otherwise. */
AIOS_API aios_status aios_cpu_event_query(aios_event event);

/**
 * Writes the milliseconds between two completed recordings. Fails with AIOS_STATUS_NOT_READY while one is running and
 * with AIOS_STATUS_INVALID_ARGUMENT when one was never recorded.
 */
AIOS_API aios_status aios_cpu_event_elapsed(float *milliseconds, aios_event start, aios_event end);

/** Enqueues a copy of `bytes` bytes between blocks that do not overlap. */
AIOS_API aios_status aios_cpu_memcpy_async(aios_stream stream, void *destination, const void *source, int64_t bytes);

/** Enqueues the setting of `bytes` bytes to `value` (0 to 255). */
AIOS_API aios_status aios_cpu_memset_async(aios_stream stream, void *destination, int32_t value, int64_t bytes);

#ifdef __cplusplus
}
#endif

#endif

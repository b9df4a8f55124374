/*
 * aios_cpu.h - the CPU as a device: memory, in-order streams on one shared pool of workers, events, copies and graphs.
 *
 * Streams are drained by the pool's workers, one worker per stream at a time; a kernel spreads its tasks over the
 * workers that are idle. A stream that waits for an event occupies no worker, so streams never block each other.
 * Everything named `_async`, and every launcher of aios_kernels.h, only enqueues. When a stream's queue is full
 * the enqueue waits for room.
 * An error inside enqueued work sticks to its stream: the following work of that stream is skipped, and every later
 * synchronize returns it. Its text begins with the name of the function that enqueued the work.
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
 * when AIOS_CPU_THREADS is not a number of workers, or AIOS_CPU_ADVERSARY not a seed.
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

/** How urgent a stream's work is: which of the streams with work a free worker takes. Nobody waits forever. */
enum {
  AIOS_CPU_PRIORITY_HIGH = -1,  /**< Before all others; a worker leaves other streams for it between two commands. */
  AIOS_CPU_PRIORITY_NORMAL = 0, /**< The usual. */
  AIOS_CPU_PRIORITY_LOW = 1     /**< When nothing else is to be done, and now and then. */
};

/** Creates a stream with one of AIOS_CPU_PRIORITY_*. */
AIOS_API aios_status aios_cpu_stream_create(aios_stream *stream, int32_t priority);

/** Writes the stream's number, which no other stream of the process has or had. Traces name streams by it. */
AIOS_API aios_status aios_cpu_stream_get_number(aios_stream stream, int64_t *number);

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

/**
 * What a stream calls. `status` is AIOS_STATUS_OK or the stream's sticky error, and `message` that error's text,
 * zero-terminated. A result other than AIOS_STATUS_OK becomes the stream's error unless it has one; its text, at most
 * 511 bytes, is then what the function has left in `message`.
 */
typedef aios_status (*aios_cpu_callback)(void *user, aios_status status, char *message);

/**
 * Enqueues a call of a function of the host. It is called in the stream's order exactly once, also when the stream has
 * failed, on a worker: it must be short and must not wait for any stream.
 */
AIOS_API aios_status aios_cpu_stream_callback(aios_stream stream, aios_cpu_callback function, void *user);

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
 * Has a function of the host called, once, when the last recording has completed: at once, by the calling thread, when
 * it has or there was none. `status` and `message` are those of the stream of the recording; the result is ignored.
 * Otherwise as `aios_cpu_stream_callback`.
 */
AIOS_API aios_status aios_cpu_event_callback(aios_event event, aios_cpu_callback function, void *user);

/**
 * Writes the milliseconds between two completed recordings. Fails with AIOS_STATUS_NOT_READY while one is running and
 * with AIOS_STATUS_INVALID_ARGUMENT when one was never recorded.
 */
AIOS_API aios_status aios_cpu_event_elapsed(float *milliseconds, aios_event start, aios_event end);

/** Enqueues a copy of `bytes` bytes between blocks that do not overlap. */
AIOS_API aios_status aios_cpu_memcpy_async(aios_stream stream, void *destination, const void *source, int64_t bytes);

/** Enqueues the setting of `bytes` bytes to `value` (0 to 255). */
AIOS_API aios_status aios_cpu_memset_async(aios_stream stream, void *destination, int32_t value, int64_t bytes);

/**
 * Begins to capture: what is enqueued to the stream from now on does not run but becomes the nodes of a graph. An event
 * that is recorded here draws each stream that waits for it into the capture; such a stream has to be joined by an
 * event that goes back before the end. A stream that is being captured cannot be waited for or asked.
 */
AIOS_API aios_status aios_cpu_stream_begin_capture(aios_stream stream);

/**
 * Ends the capture that began with this stream, for all its streams, and writes the graph. Fails, and discards what
 * was captured, with AIOS_STATUS_INVALID_ARGUMENT when a stream was not joined.
 */
AIOS_API aios_status aios_cpu_stream_end_capture(aios_stream stream, aios_graph *graph);

/** Writes how many nodes the capture (or the update) that the stream takes part in has so far; -1 when there is none.
 */
AIOS_API aios_status aios_cpu_stream_get_capture(aios_stream stream, int64_t *nodes);

/**
 * Begins an update: what is enqueued to the stream until `aios_cpu_stream_end_update` does not run but replaces the
 * nodes `first` to `first + count - 1` of the graph: the same functions with other pointers and numbers. A function
 * that is not that of the node fails, naming the node. Launches made before the end of the update keep the old values.
 */
AIOS_API aios_status aios_cpu_stream_begin_update(aios_stream stream, aios_graph graph, int64_t first, int64_t count);

/** Ends an update. Fails, and changes nothing, when one of its calls failed or there were not `count` of them. */
AIOS_API aios_status aios_cpu_stream_end_update(aios_stream stream);

/**
 * Enqueues the work of the graph: one command when it was captured from one stream, else a command for each stretch
 * between two events, the streams that were drawn in each having a queue of their own. Launches of a graph run one
 * after the other, on whatever streams. Its nodes fail as other work does, to the stream of the launch.
 */
AIOS_API aios_status aios_cpu_graph_launch(aios_graph graph, aios_stream stream);

/** Destroys a graph; launches that were enqueued still run. Null is ignored. */
AIOS_API aios_status aios_cpu_graph_destroy(aios_graph graph);

/** What a graph is made of. */
typedef struct aios_cpu_graph_info {
  int64_t nodes;    /**< Commands, in the order of the capture. */
  int64_t edges;    /**< Waits between branches. */
  int64_t commands; /**< What a launch enqueues. */
  int64_t branches; /**< Streams that took part. */
} aios_cpu_graph_info;

/** Describes a graph. */
AIOS_API aios_status aios_cpu_graph_get_info(aios_graph graph, aios_cpu_graph_info *info);

/** One node of a graph. */
typedef struct aios_cpu_graph_node {
  char name[64];  /**< The function that enqueued it, zero-terminated, such as "aios_gemm". */
  int64_t branch; /**< 0 for the stream that began the capture, then in the order of joining. */
} aios_cpu_graph_node;

/** Describes a node. */
AIOS_API aios_status aios_cpu_graph_get_node(aios_graph graph, int64_t index, aios_cpu_graph_node *node);

/**
 * From now on errors of what the calling thread enqueues say that it was enqueued at `site`, a text that lives as long
 * as the process; null for saying nothing.
 */
AIOS_API aios_status aios_cpu_set_call_site(const char *site);

/**
 * Makes streams behave as badly as they may: commands are delayed, free workers take any stream that has work, and a
 * stream is held back, for milliseconds, until somebody waits for it. Work that counts on an order nobody asked for
 * then fails. Equal seeds make equal decisions as far as threads allow; 0 ends it. The environment variable
 * AIOS_CPU_ADVERSARY is the seed at the start.
 */
AIOS_API aios_status aios_cpu_set_adversary(uint64_t seed);

/** One command that has run while a trace was recorded. Times are nanoseconds of CLOCK_MONOTONIC. */
typedef struct aios_cpu_trace_record {
  char name[64];       /**< The function that enqueued it, zero-terminated; empty when that had no name. */
  int64_t stream;      /**< Number of the stream; for a node of a graph that of the stream of the launch. */
  int64_t branch;      /**< Of a node of a graph; 0 otherwise. */
  int64_t thread;      /**< The system's number of the thread that enqueued it; 0 for a node of a graph. */
  int64_t enqueued_ns; /**< When it was enqueued; 0 when that was before the trace, and for a node of a graph. */
  int64_t start_ns;    /**< When it began to run. */
  int64_t end_ns;      /**< When it had run. */
  int64_t bytes;       /**< Bytes that a copy or a fill writes; 0 for other work. */
} aios_cpu_trace_record;

/**
 * Begins to record a trace, into memory for `capacity` (at least 1) records that is taken now; what is more is counted
 * but not recorded. Fails when a trace is being recorded.
 */
AIOS_API aios_status aios_cpu_trace_start(int64_t capacity);

/**
 * Ends the trace, and writes how many records there are and how many there was no room for. Commands that are running
 * are not recorded.
 */
AIOS_API aios_status aios_cpu_trace_stop(int64_t *records, int64_t *dropped);

/** Writes record `index` of the trace that was stopped last. */
AIOS_API aios_status aios_cpu_trace_read(int64_t index, aios_cpu_trace_record *record);

#ifdef __cplusplus
}
#endif

#endif

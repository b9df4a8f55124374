// What a profiler does that listens to NVTX: a program loads it by NVTX_INJECTION64_PATH and calls
// InitializeInjectionNvtx2. It writes what it is told to the file NVTX_TOOL_LOG. With NVTX_TOOL_REFUSES it will not
// listen, and with NVTX_TOOL_DEAF it listens to nothing. It does the same for a program that is compiled with NVIDIA's
// header (nvtx3/nvToolsExt.h).
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void (*function)(void);

typedef struct callbacks {
  size_t bytes;
  int (*module)(int module, function ***table, unsigned *size);
} callbacks;

typedef struct version_info {
  size_t bytes;
  uint32_t version, reserved;
  void (*set_tool_version)(uint32_t version);
} version_info;

enum { CALLBACKS = 1, VERSION_INFO = 3, MODULES = 6, CORE = 1, RANGE_START = 5, RANGE_END = 7 };

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static uint64_t ranges;
static FILE *log_file;

static uint64_t start(const char *name) {
  pthread_mutex_lock(&gate);
  const uint64_t range = ++ranges;
  fprintf(log_file, "start %" PRIu64 " %s\n", range, name);
  fflush(log_file);
  pthread_mutex_unlock(&gate);
  return range;
}

static void end(uint64_t range) {
  pthread_mutex_lock(&gate);
  fprintf(log_file, "end %" PRIu64 "\n", range);
  fflush(log_file);
  pthread_mutex_unlock(&gate);
}

__attribute__((visibility("default"))) int InitializeInjectionNvtx2(const void *(*export_table)(uint32_t)) {
  const char *path = getenv("NVTX_TOOL_LOG");
  if (path == NULL || (log_file = fopen(path, "a")) == NULL)
    return 0;
  const version_info *version = export_table(VERSION_INFO);
  const callbacks *all = export_table(CALLBACKS);
  fprintf(log_file, "version %u, modules", (unsigned)version->version);
  version->set_tool_version(1);
  for (int module = 0; module <= MODULES + 1; ++module) {
    function **table = NULL;
    unsigned size = 0;
    if (!all->module(module, &table, &size))
      continue;
    fprintf(log_file, " %d:%u", module, size);
    // Places from 1 on, each with memory of its own; nothing before the first and behind the last.
    for (unsigned place = 0; place <= size; ++place)
      if ((table[place] == NULL) != (place == 0 || place == size) ||
          (place > 1 && place < size && table[place] == table[place - 1]))
        fprintf(log_file, "!");
  }
  fprintf(log_file, "\n");
  fflush(log_file);
  if (getenv("NVTX_TOOL_REFUSES") != NULL)
    return 0;
  function **core = NULL;
  if (getenv("NVTX_TOOL_DEAF") == NULL && all->module(CORE, &core, NULL)) {
    *core[RANGE_START] = (function)start;
    *core[RANGE_END] = (function)end;
  }
  return 1;
}

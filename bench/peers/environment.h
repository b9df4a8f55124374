/*
 * environment.h - what the C library knows of the process and other libraries go by: variables, which setting them in
 * .NET does not change, and the processors that a thread may use.
 */
#ifndef AIOS_BENCH_ENVIRONMENT_H
#define AIOS_BENCH_ENVIRONMENT_H

/** Sets a variable of the process; returns 0, or -1 when it cannot. */
int setenv(const char *name, const char *value, int overwrite);

/** Writes the processors that a thread (0: the calling one) may use as a bit mask; returns 0, or -1 when it cannot. */
int sched_getaffinity(int thread, unsigned long bytes, void *mask);

/** Sets the processors that a thread (0: the calling one) may use; returns 0, or -1 when it cannot. */
int sched_setaffinity(int thread, unsigned long bytes, const void *mask);

#endif

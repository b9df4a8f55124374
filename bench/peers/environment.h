/*
 * environment.h - the C library's environment: what libraries read that are loaded later. Setting a variable in .NET
 * does not change it.
 */
#ifndef AIOS_BENCH_ENVIRONMENT_H
#define AIOS_BENCH_ENVIRONMENT_H

/** Sets a variable of the process; returns 0, or -1 when it cannot. */
int setenv(const char *name, const char *value, int overwrite);

#endif

/* watch: a running collector seen from outside: its CPU time, its memory, and what its sinks have committed.
 */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdint.h>

/* User and kernel time of the process so far, microseconds. */
uint64_t watch_cpu_us(int pid);

/* RssAnon, KiB. */
uint64_t watch_rss_anon_kb(int pid);

/* The sum of a metric over its labels, from /metrics on a loopback port; 0 if it cannot be read. */
uint64_t watch_metric(uint16_t admin_port, const char *name);

#endif

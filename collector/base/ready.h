/* Readiness: named conditions that /readyz answers from. One table for the process, behind a mutex; any
 * thread. A collector of which nothing has reported yet is not ready. */
#ifndef COLLECTOR_BASE_READY_H
#define COLLECTOR_BASE_READY_H

#include <stdbool.h>

#include "text.h"

/* The state of `component` (copied, at most 31 bytes) from now on. `reason`, copied and cut at 127
 * bytes, says in words why it is not ok; ignored when it is. At most READY_COMPONENTS_MAX names; one
 * more is a programmer's error. */
void ready_set(const char *component, bool ok, const char *reason);

/* Whether every component is ok. Appends one line `component: ok` or `component: reason` each. */
bool ready_check(struct text *out);

/* Forgets every component: a stopped collector, and tests. */
void ready_reset(void);

enum { READY_COMPONENTS_MAX = 48 };

#endif

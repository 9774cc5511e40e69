/* Every piece of memory that libwadi and the libraries linked statically ask for. */
#ifndef CRASH_MEMORY_SHIM_H
#define CRASH_MEMORY_SHIM_H

#include <stdbool.h>
#include <stdint.h>

/* Asked before each; false: there is none. Also for threads and eventfds. NULL: there always is. */
extern bool (*memory_before)(const char *name);

extern _Atomic int64_t memory_live; /* pieces taken and not freed */

#endif

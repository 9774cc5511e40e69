/* Random bytes from the kernel: parent and forked child, and clones once they run, never share them. Any
 * thread. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

/* False: the kernel has none to give (it lacks getrandom). Waits for the kernel's pool after boot. */
__attribute__((warn_unused_result)) bool base_random(void *out, size_t n);

#endif

/* Directories of a test's own, and their end. */
#ifndef CRASH_WORKPLACE_H
#define CRASH_WORKPLACE_H

#include <stdbool.h>

#define WORKPLACE_BYTES 64u

bool workplace_make(char dir[WORKPLACE_BYTES]);
void workplace_remove(const char *dir);

/* As system(3), without a shell: true when it exits with 0. Silent. */
bool workplace_run(const char *const *command);

#endif

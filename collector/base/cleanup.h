/* The collector's one way to release what a function holds: the cleanup attribute.
 *
 *     CLEANUP_FREE char *path = NULL;
 *     CLEANUP_CLOSE int fd = -1;
 *     CLEANUP(config_fini) struct collector_config config = {0};
 *
 * Each destructor accepts the zeroed (for descriptors: negative) object. */
#ifndef COLLECTOR_BASE_CLEANUP_H
#define COLLECTOR_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(destructor) __attribute__((cleanup(destructor)))
#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)
#define CLEANUP_FILE CLEANUP(cleanup_file)

/* `pointer` is the address of the variable, whatever it points to; void ** would not fit them all. */
static inline void cleanup_free(void *pointer) { free(*(void **)pointer); }

static inline void cleanup_close(const int *fd) {
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_file(FILE **file) {
    if (*file)
        fclose(*file);
}

#endif

/* How the collector starts a thread: named, and deaf to signals, which belong to the main thread. A
 * blocked SIGPIPE also means that a write to a closed connection is an error and nothing worse. */
#ifndef COLLECTOR_BASE_THREAD_H
#define COLLECTOR_BASE_THREAD_H

#include <pthread.h>

/* `name`: at most 15 bytes, shown by ps and gdb. Answers 0, or the error number of pthread_create. The
 * caller joins `ret_thread`. */
int thread_start(const char *name, void *(*run)(void *), void *argument, pthread_t *ret_thread);

#endif

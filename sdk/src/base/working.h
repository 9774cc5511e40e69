/* A lock that a thread holds while it works, and lets go of where it waits for something slow: by code that
 * is also called by threads which do not hold it. */
#ifndef BASE_WORKING_H
#define BASE_WORKING_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Lets go of the error-checking `lock`, if this thread holds it, and says whether it did; then it has to be
 * locked again. NULL: nobody holds it. Does not wait. */
static inline bool base_working_leave(pthread_mutex_t *lock) {
    static const struct timespec at_once = {.tv_sec = 0}; /* long ago */
    if (lock == NULL)
        return false;
    /* Asked this way, since to unlock what is not locked is an error to who watches over locks. */
    int rc = pthread_mutex_timedlock(lock, &at_once);
    if (rc == 0)
        pthread_mutex_unlock(lock); /* nobody held it */
    return rc == EDEADLK && pthread_mutex_unlock(lock) == 0;
}

#endif

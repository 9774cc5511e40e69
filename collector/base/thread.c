#include "thread.h"

#include <signal.h>

int thread_start(const char *name, void *(*run)(void *), void *argument, pthread_t *ret_thread) {
    sigset_t all, before;
    sigfillset(&all);
    /* A thread inherits the mask of its maker, so that there is no moment in which it has another. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(ret_thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed == 0)
        pthread_setname_np(*ret_thread, name);
    return failed;
}

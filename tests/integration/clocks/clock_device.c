/* A device that records with several threads until SIGTERM, and then uploads all of it. Every event says when
 * it was recorded in truth: the kernel's own clock is asked, whatever is preloaded for libwadi to see. */
#include <wadi/wadi.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS 2
#define PAUSE_US 2000
#define POLL_US 20000
#define POLLS_MAX 2500
#define CLOSE_MS 5000

static wadi *w;
static int64_t launch;
static _Atomic int stopping;

static int64_t truth_us(void) {
    struct timespec ts;
    if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts) != 0)
        abort();
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* `returned`: when the thread's call before this one was over; its event was recorded before that. */
static void *thread_run(void *number) {
    int64_t n = 1, returned_us = 0;
    const struct timespec pause = {.tv_nsec = PAUSE_US * 1000L};
    while (!atomic_load(&stopping)) {
        const wadi_prop props[] = {WADI_INT("launch", launch), WADI_INT("thread", (int64_t)(intptr_t)number),
                                   WADI_INT("n", n), WADI_INT("truth", truth_us()),
                                   WADI_INT("returned", returned_us)};
        if (wadi_track(w, "tick", props, sizeof props / sizeof *props) == WADI_OK)
            n++;
        returned_us = truth_us();
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static int finish(void) {
    wadi_ticket last = 0;
    wadi_event end = WADI_EVENT_INIT;
    end.name = "end";
    if (wadi_track_ex(w, &end, &last) != WADI_OK)
        return 1;
    wadi_err err = wadi_flush(w);
    const struct timespec pause = {.tv_nsec = POLL_US * 1000L};
    /* It asks and does not wait: a wait ends by the kernel's clock, which did not sleep when ours did. */
    for (int i = 0; i < POLLS_MAX && (err = wadi_wait(w, last, WADI_ACKED, 0)) == WADI_ERR_TIMEOUT; i++)
        nanosleep(&pause, NULL);
    if (err != WADI_OK)
        fprintf(stderr, "not acknowledged: %s\n", wadi_strerror(err));
    return err == WADI_OK ? 0 : 1;
}

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

int main(int argc, char **argv) {
    sigset_t ends;
    int signal_number;
    pthread_t threads[THREADS];
    if (argc != 5)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = argv[1];
    opt.endpoint = argv[2];
    opt.ca_file = argv[3];
    launch = strtoll(argv[4], NULL, 10);
    opt.flush_ms = 50;
    opt.retry_max_ms = 500;
    opt.diag = diag_print;
    opt.diag_level = WADI_DIAG_WARN;
    if (wadi_open(&opt, &w) != WADI_OK)
        return 3;
    for (intptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread_run, (void *)i) != 0) // NOLINT
            return 4;
    sigwait(&ends, &signal_number);
    atomic_store(&stopping, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    int status = finish();
    wadi_close(w, CLOSE_MS);
    return status;
}

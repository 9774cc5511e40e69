#include "sdk/tools/sender.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t sender_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

wadi_err sender_track(sender *s, const wadi_event *event) {
    static const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t until_ms = sender_now_ms() + s->timeout_ms;
    wadi_err err;
    while ((err = wadi_track_ex(s->w, event, &s->last)) == WADI_ERR_FULL && !s->stuck) {
        if (wadi_flush(s->w) != WADI_OK)
            break;
        nanosleep(&pause, NULL);
        s->stuck = sender_now_ms() >= until_ms;
    }
    return err;
}

void sender_refuse(sender *s, uint64_t line, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (line > 0)
        fprintf(stderr, "wadi-send: line %llu: ", (unsigned long long)line);
    else
        fprintf(stderr, "wadi-send: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    s->bad++;
}

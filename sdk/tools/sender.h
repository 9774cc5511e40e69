/* sender: records events, and waits where the ring is full. */
#ifndef TOOLS_SENDER_H
#define TOOLS_SENDER_H

#include <stdbool.h>

#include <wadi/wadi.h>

#define SENDER_PROPS_MAX 256u

typedef struct sender {
    wadi *w;
    wadi_ticket last; /* 0: nothing recorded yet */
    uint64_t bad;     /* lines of input that were not taken */
    uint32_t timeout_ms;
    bool stuck; /* the store took nothing for that long: no line waits any more */
} sender;

uint64_t sender_now_ms(void);

/* Records one event; blocks while the ring is full, for the background thread to make room, and gives up
 * after timeout_ms. */
wadi_err sender_track(sender *s, const wadi_event *event);

/* Says on standard error what is wrong with a line of the input (0: not with a line), and counts it. */
__attribute__((format(printf, 3, 4))) void sender_refuse(sender *s, uint64_t line, const char *format, ...);

#endif

#include "places.h"

#include <stdio.h>
#include <string.h>

#define OPERATION_NOT_ATTEMPTED 55 /* since another partition of the request was refused */

/* How many of them are of the first one's topic. */
static size_t topic_run(const cluster_place *places, size_t n) {
    size_t i = 1;
    while (i < n && strcmp(places[i].topic, places[0].topic) == 0)
        i++;
    return i;
}

void places_put(frame *f, const cluster_place *places, size_t n) {
    size_t count_at = f->n;
    int32_t topics = 0;
    frame_put_i32(f, 0);
    for (size_t i = 0, run; i < n; i += run, topics++) {
        run = topic_run(places + i, n - i);
        frame_put_string(f, places[i].topic);
        frame_put_i32(f, (int32_t)run);
        for (size_t j = 0; j < run; j++)
            frame_put_i32(f, places[i + j].partition);
    }
    frame_patch_i32(f, count_at, topics);
}

int16_t places_added(answer *a, char ret_topic[TOPIC_NAME_SIZE], size_t *ret_n) {
    int16_t worst = 0;
    *ret_n = 0;
    answer_i32(a); /* throttled */
    for (int32_t topics = answer_count(a, 6); topics > 0; topics--) {
        answer_text topic = answer_string(a);
        for (int32_t left = answer_count(a, 6); left > 0; left--) {
            answer_i32(a);
            int16_t code = answer_i16(a);
            *ret_n += code == 0 && !a->bad;
            if (code == 0 || (worst != 0 && worst != OPERATION_NOT_ATTEMPTED))
                continue;
            worst = code;
            snprintf(ret_topic, TOPIC_NAME_SIZE, "%.*s", (int)topic.n, topic.data ? topic.data : "");
        }
    }
    return worst;
}

/* refusals: topics that the cluster refused lately, for sinks that set their events aside meanwhile. Pure;
 * one thread. */
#ifndef SINKS_KAFKA_REFUSALS_H
#define SINKS_KAFKA_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "topic_name.h"

#define REFUSALS_MAX 64u
#define REFUSALS_US UINT64_C(300000000) /* then the topic is tried again */

typedef struct refusals {
    size_t n;
    struct refusal {
        char topic[TOPIC_NAME_SIZE];
        uint64_t until_us;
    } all[REFUSALS_MAX];
} refusals;

/* Of more than REFUSALS_MAX the one that ends first is forgotten. */
void refusals_add(refusals *r, const char *topic, uint64_t now_us);
bool refusals_has(refusals *r, const char *topic, uint64_t now_us);

#endif

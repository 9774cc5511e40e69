/* topic_name: the topic of an event. Pure. */
#ifndef SINKS_KAFKA_TOPIC_NAME_H
#define SINKS_KAFKA_TOPIC_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define TOPIC_NAME_MAX 249u /* the longest that Kafka takes */
#define TOPIC_NAME_SIZE (TOPIC_NAME_MAX + 1u)

/* Whether the template differs from event to event. */
bool topic_name_varies(const char *pattern);

/* The template with `{name}` replaced by the event's name, of which everything but A-Z a-z 0-9 _ - becomes
 * `_`: a dot too, since a cluster that has `a.b` refuses `a_b`. What is longer than TOPIC_NAME_MAX ends in a
 * checksum of the whole event name instead of its end, so that long names stay apart. */
void topic_name_make(const char *pattern, const char *event, size_t event_n, char ret_topic[TOPIC_NAME_SIZE]);

#endif

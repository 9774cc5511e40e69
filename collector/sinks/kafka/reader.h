/* reader: reads the checkpoint topic from its beginning, only what is committed, as far as it is asked to.
 * Inside this folder only. One thread. Blocks for the brokers; an error is said in link->message. */
#ifndef SINKS_KAFKA_READER_H
#define SINKS_KAFKA_READER_H

#include "client.h"
#include "records.h"

typedef struct reader reader;

/* Makes the topic if that is allowed and it is not there; refuses one that forgets, one of several
 * partitions, and to make one anew behind the back of an owner. */
sink_err reader_open(kafka_link *link, reader **ret_reader);
/* Accepts NULL. */
void reader_close(reader *r);
static inline void reader_cleanup(reader **r) { reader_close(*r); }

/* Reads what is committed now. What somebody has begun and not ended hides what comes after it. */
sink_err reader_look(reader *r);
/* Reads to the end that the partition has now, and waits for what hides it to be ended. */
sink_err reader_catch_up(reader *r);
/* Reads until `owner` is the newest owner: then nothing older than its record can be missing, even if the
 * broker that was asked for the end did not know the newest. */
sink_err reader_await_owner(reader *r, const char *owner);

/* What has been read so far. */
const records *reader_records(const reader *r);

#endif

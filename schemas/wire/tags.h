/* The tags of an Event, one byte each: number << 3 | wire type. Internal to wire. */
#ifndef WIRE_TAGS_H
#define WIRE_TAGS_H

enum {
    TAG_NAME = 0x08,
    TAG_AT_US = 0x10,
    TAG_CONTEXT = 0x18,
    TAG_KEYS = 0x22,
    TAG_STRINGS = 0x2a,
    TAG_INTS = 0x32,
    TAG_DOUBLES = 0x3a,
    TAG_BLOBS = 0x42,
    TAG_INLINED = 0x4a,
    TAG_TIME_US = 0x50,
    TAG_PRIORITY = 0x58,
    TAG_BATCH_EVENT = 0x7a, /* Batch.events */
};

#endif

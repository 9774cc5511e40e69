/* The bounds of wire version 1, for whoever writes and whoever reads; schemas/README.md lists them too. */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

#define WIRE_VERSION 1u
#define WIRE_ID_BYTES 16u           /* installation, stream, boot */
#define WIRE_EVENT_BYTES_MAX 32768u /* one encoded Event */
#define WIRE_PROPS_MAX 256u         /* properties of one event */
#define WIRE_TEXT_BYTES_MAX 255u    /* a name or property key */
#define WIRE_BATCH_NUMBERS_MAX 10000u
#define WIRE_DEFINITIONS_MAX 4096u /* of one batch */
#define WIRE_CONTEXTS_MAX 256u
#define WIRE_ATTRIBUTES_MAX 64u
#define WIRE_DROPPED_MAX 1024u
#define WIRE_ACK_BYTES_MAX 512u
#define WIRE_NAME_ID_MAX 536870911u   /* ids of definitions: key_id << 3 | type fits 32 bits */
#define WIRE_VALUE_BYTES_MAX 1024u    /* user, session, the value of an attribute */
#define WIRE_CONTEXT_BYTES_MAX 32768u /* one encoded Context */
#define WIRE_SDK_BYTES_MAX 63u

/* Every time and duration lies between the years 1 and 9999, so that sums of a few cannot overflow. The
 * device's wall clock alone may be beyond: readers bring it back to the bound. */
#define WIRE_US_MAX INT64_C(253402300799999999)
#define WIRE_US_MIN (-INT64_C(62135596800000000))

#endif

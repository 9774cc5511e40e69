/* record_schema: schemas/wadi/v1/record.proto as it was when the collector was built, for those who have to
 * hand it on. It imports nothing, and Record is its first message: [0] is its message index. */
#ifndef SINKS_RECORD_SCHEMA_H
#define SINKS_RECORD_SCHEMA_H

extern const char record_schema_text[]; /* terminated */

#endif

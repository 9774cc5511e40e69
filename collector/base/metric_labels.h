/* The labels of metrics.def and every value that each can take. A value's index is its place in the list:
 * METRIC_PROTOCOL_BATCHES, METRIC_CODE_503, METRIC_DROP_AGE … */
#ifndef COLLECTOR_BASE_METRIC_LABELS_H
#define COLLECTOR_BASE_METRIC_LABELS_H

#define METRIC_VALUES_PROTOCOL(X) X(PROTOCOL, BATCHES, "batches") X(PROTOCOL, OTHER, "other")

#define METRIC_VALUES_CODE(X) \
    X(CODE, OTHER, "other")   \
    X(CODE, 200, "200")       \
    X(CODE, 400, "400")       \
    X(CODE, 401, "401")       \
    X(CODE, 403, "403")       \
    X(CODE, 404, "404")       \
    X(CODE, 405, "405")       \
    X(CODE, 408, "408")       \
    X(CODE, 409, "409")       \
    X(CODE, 411, "411")       \
    X(CODE, 413, "413")       \
    X(CODE, 415, "415")       \
    X(CODE, 429, "429")       \
    X(CODE, 431, "431")       \
    X(CODE, 500, "500")       \
    X(CODE, 501, "501")       \
    X(CODE, 503, "503")       \
    X(CODE, 505, "505")

#define METRIC_VALUES_RETRY_CODE(X) X(RETRY_CODE, 429, "429") X(RETRY_CODE, 503, "503")

/* In the order of DropReason in schemas/wadi/v1/event.proto. */
#define METRIC_VALUES_DROP(X)         \
    X(DROP, OTHER, "other")           \
    X(DROP, DISK_QUOTA, "disk_quota") \
    X(DROP, AGE, "age")               \
    X(DROP, REFUSED, "refused")       \
    X(DROP, CORRUPT, "corrupt")       \
    X(DROP, CONSENT, "consent")       \
    X(DROP, TOO_LARGE, "too_large")   \
    X(DROP, STORE_LOST, "store_lost")

#define METRIC_VALUES_CONFLICT(X) \
    X(CONFLICT, REWIND, "rewind") \
    X(CONFLICT, FORK, "fork")     \
    X(CONFLICT, UNVERIFIED, "unverified")

#define METRIC_VALUES_SINK_ERROR(X)         \
    X(SINK_ERROR, IO, "io")                 \
    X(SINK_ERROR, NO_SPACE, "no_space")     \
    X(SINK_ERROR, ENCODE, "encode")         \
    X(SINK_ERROR, CHECKPOINT, "checkpoint") \
    X(SINK_ERROR, JOURNAL, "journal")       \
    X(SINK_ERROR, BUSY, "busy")             \
    X(SINK_ERROR, FENCED, "fenced")

#define METRIC_VALUES_S3_RESULT(X)             \
    X(S3_RESULT, OK, "ok")                     \
    X(S3_RESULT, ABSENT, "absent")             \
    X(S3_RESULT, CONFLICT, "conflict")         \
    X(S3_RESULT, REFUSED, "refused")           \
    X(S3_RESULT, SLOW_DOWN, "slow_down")       \
    X(S3_RESULT, SERVER_ERROR, "server_error") \
    X(S3_RESULT, NETWORK, "network")

#define METRIC_VALUES_DEAD_LETTER(X)       \
    X(DEAD_LETTER, TOO_LARGE, "too_large") \
    X(DEAD_LETTER, REFUSED, "refused")

#define METRIC_VALUES_TRANSACTION(X)       \
    X(TRANSACTION, COMMITTED, "committed") \
    X(TRANSACTION, ABORTED, "aborted")     \
    X(TRANSACTION, REFUSED, "refused")     \
    X(TRANSACTION, FENCED, "fenced")       \
    X(TRANSACTION, UNKNOWN, "unknown")

#define METRIC_VALUES_PLANE(X) \
    X(PLANE, DIRECT, "direct") \
    X(PLANE, LIBRDKAFKA, "librdkafka")

/* Every label with a fixed list, and the name it is shown by. Two more are filled at start:
 * VERSION, by metrics_version_set, and SINK, by metrics_sink_add. */
#define METRIC_LABELS(X)     \
    X(PROTOCOL, "protocol")  \
    X(CODE, "code")          \
    X(RETRY_CODE, "code")    \
    X(DROP, "reason")        \
    X(CONFLICT, "status")    \
    X(SINK_ERROR, "reason")  \
    X(S3_RESULT, "result")   \
    X(DEAD_LETTER, "reason") \
    X(TRANSACTION, "result") \
    X(PLANE, "plane")

#define METRIC_VALUE_ENUMERATOR(label, name, text) METRIC_##label##_##name,
#define METRIC_LABEL_ENUM(label, shown) \
    enum { METRIC_VALUES_##label(METRIC_VALUE_ENUMERATOR) METRIC_##label##_VALUES };
METRIC_LABELS(METRIC_LABEL_ENUM)
#undef METRIC_LABEL_ENUM
#undef METRIC_VALUE_ENUMERATOR

enum { METRIC_NONE_VALUES = 1, METRIC_VERSION_VALUES = 1, METRIC_SINK_VALUES = 16 };

#endif

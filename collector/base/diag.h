/* Diagnostics: logfmt lines on standard error, for people and for journald.
 *
 *     diag_info("listening", DIAG_STR("address", text), DIAG_UINT("threads", n));
 *     ts=2026-11-20T08:52:38.000000Z level=info msg=listening address=[::]:8443 threads=2
 *
 * One write(2) a line, so that threads never mix theirs; no allocation; lines are cut at
 * DIAG_LINE_MAX. A call site that repeats itself says at most DIAG_SITE_LINES_MAX lines in 10 seconds
 * and adds `suppressed=N` to its next one. Any thread. Blocks as long as standard error does. */
#ifndef COLLECTOR_BASE_DIAG_H
#define COLLECTOR_BASE_DIAG_H

#include <stdatomic.h>
#include <stdint.h>

enum diag_level { DIAG_DEBUG, DIAG_INFO, DIAG_WARN, DIAG_ERROR };

enum { DIAG_LINE_MAX = 1024, DIAG_SITE_LINES_MAX = 10 };

struct diag_field {
    const char *key; /* NULL ends a list */
    enum diag_type { DIAG_TYPE_STR, DIAG_TYPE_INT, DIAG_TYPE_UINT, DIAG_TYPE_ID } type;
    union {
        const char *string; /* NULL shows as an empty string */
        int64_t integer;
        uint64_t natural;
        const uint8_t *id;
    } value;
};

#define DIAG_STR(k, v) ((struct diag_field){.key = (k), .type = DIAG_TYPE_STR, .value.string = (v)})
#define DIAG_INT(k, v) ((struct diag_field){.key = (k), .type = DIAG_TYPE_INT, .value.integer = (v)})
#define DIAG_UINT(k, v) ((struct diag_field){.key = (k), .type = DIAG_TYPE_UINT, .value.natural = (v)})
/* A 16-byte id, in hex. */
#define DIAG_ID(k, v) ((struct diag_field){.key = (k), .type = DIAG_TYPE_ID, .value.id = (v)})
#define DIAG_END ((struct diag_field){0})

/* What a call site remembers to notice that it repeats itself. */
struct diag_site {
    _Atomic uint64_t window;
    _Atomic uint32_t lines;
    _Atomic uint32_t suppressed;
};

#define diag_debug(...) DIAG_AT(DIAG_DEBUG, __VA_ARGS__, DIAG_END)
#define diag_info(...) DIAG_AT(DIAG_INFO, __VA_ARGS__, DIAG_END)
#define diag_warn(...) DIAG_AT(DIAG_WARN, __VA_ARGS__, DIAG_END)
#define diag_error(...) DIAG_AT(DIAG_ERROR, __VA_ARGS__, DIAG_END)

#define DIAG_AT(level, msg, ...)                                                               \
    do {                                                                                       \
        static struct diag_site diag_site_here;                                                \
        diag_write(&diag_site_here, (level), (msg), (const struct diag_field[]){__VA_ARGS__}); \
    } while (0)

/* Lines below `level` are dropped from now on; DIAG_INFO at first. */
void diag_level_set(enum diag_level level);

/* Where lines go instead of standard error: a descriptor that is borrowed. For tests. */
void diag_fd_set(int fd);

/* The function behind the macros. `fields` ends with DIAG_END. */
void diag_write(struct diag_site *site, enum diag_level level, const char *message,
                const struct diag_field *fields);

#endif

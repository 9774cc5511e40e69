/* wadi.h: record behavioral events that survive crashes, power cuts and weeks offline, and reach the
 * collector exactly once, in order, or are accounted for.
 *
 *     wadi_options opt = WADI_OPTIONS_INIT;
 *     opt.dir = "/var/lib/app/wadi";
 *     opt.endpoint = "https://collector.example:8443";
 *     wadi *w = NULL;
 *     if (wadi_open(&opt, &w) != WADI_OK) return 1;
 *     WADI_TRACK(w, "page_view", WADI_STR("path", "/pricing"), WADI_INT("status", 200));
 *     wadi_close(w, 500);
 *
 * Threads: every function may be called from any thread at any time between wadi_open and wadi_close;
 * only wadi_track* may be called from signal handlers.
 *
 * Fork: a child that does not exec may go on with the handle; the parent notices nothing. The child's first
 * call but wadi_close gives the handle a lane of its own there, with a ring, a store and a thread, and with
 * the user and the attributes set before the fork. That one call allocates, waits for the disk, may fail as
 * wadi_open may, and must not come from a signal handler (wadi_flush is as good a first call as any). What it
 * could not record is counted as refused_full; calls answer the same until a second has passed, and then it
 * is tried again. Tickets of before the fork are the parent's: a child must not wait for them. A child that
 * calls nothing costs nothing, and may end as it likes. fork() waits until the background thread pauses for a
 * moment: for its work, never for the network, and for the disk only where a store whose disk had failed is
 * read again. In a child `diag` is also called by the thread whose call opens the lane. Past the C library's
 * handlers (clone, _Fork) calls answer WADI_ERR_FORKED.
 *
 * Durability has levels. When wadi_track returns WADI_OK the kernel has the event: it survives the end
 * of the process by any means. It survives a power cut once it is on disk (WADI_DISK), at the latest
 * options.flush_ms after the call. It is safe for good once the collector has acknowledged it (WADI_ACKED).
 * No call waits for another one. But a thread that the system does not run while it is inside wadi_track
 * keeps what is recorded behind it from the disk until it goes on; at most a ring full, then calls answer
 * WADI_ERR_FULL.
 *
 * Strings are UTF-8, terminated; they are copied before a call returns. No function prints, raises a
 * signal, installs a handler, or calls back into the application except `diag`, from the background thread.
 */
#ifndef WADI_WADI_H
#define WADI_WADI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <initializer_list>
extern "C" {
#endif

#if defined(__GNUC__)
#define WADI_API __attribute__((visibility("default")))
#define WADI_NODISCARD __attribute__((warn_unused_result))
#else
#define WADI_API
#define WADI_NODISCARD
#endif

#define WADI_VERSION "0.1.0"

/* Every outcome: symbol, stable name for metrics, text. Values are stable; new ones are appended. */
#define WADI_ERR_TABLE(X)                                                                   \
    X(WADI_OK, 0, "ok", "ok")                                                               \
    X(WADI_ERR_INVALID, 1, "invalid", "an argument is missing, malformed or out of range")  \
    X(WADI_ERR_FULL, 2, "ring_full", "the ring is full: the event was refused and counted") \
    X(WADI_ERR_TOO_LARGE, 3, "too_large", "the event is larger than 32 KiB")                \
    X(WADI_ERR_CLOSED, 4, "closed", "the handle is being closed")                           \
    X(WADI_ERR_FORKED, 5, "forked", "forked without the C library's handlers")              \
    X(WADI_ERR_BUSY, 6, "busy", "all lanes of this store are held")                         \
    X(WADI_ERR_IO, 7, "io", "the store's disk failed")                                      \
    X(WADI_ERR_DISK_FULL, 8, "disk_full", "no space left for the store")                    \
    X(WADI_ERR_CORRUPT, 9, "corrupt", "the store is damaged")                               \
    X(WADI_ERR_TIMEOUT, 10, "timeout", "the time given was over first")                     \
    X(WADI_ERR_DROPPED, 11, "dropped", "the event was dropped; the ledger says why")        \
    X(WADI_ERR_NO_MEMORY, 12, "no_memory", "out of memory")                                 \
    X(WADI_ERR_TLS, 13, "tls", "the TLS files could not be used")                           \
    X(WADI_ERR_PERMISSION, 14, "permission", "the store's directory may not be written")    \
    X(WADI_ERR_SYSTEM, 15, "system", "the system refused a thread, a mapping or a descriptor")

typedef enum wadi_err {
#define WADI_ERR_ENUM_(symbol, value, name, text) symbol = value,
    WADI_ERR_TABLE(WADI_ERR_ENUM_)
#undef WADI_ERR_ENUM_
} wadi_err;

/* The text, and the stable lower-case name. Never NULL; static. */
WADI_API const char *wadi_strerror(wadi_err err);
WADI_API const char *wadi_err_name(wadi_err err);

/* One device's (one application's) way to its collector. Opaque. */
typedef struct wadi wadi;

/* ---- opening and closing ---------------------------------------------------------------------- */

typedef enum wadi_diag_level {
    WADI_DIAG_ERROR = 0,
    WADI_DIAG_WARN,
    WADI_DIAG_INFO,
    WADI_DIAG_DEBUG
} wadi_diag_level;

/* Called from the background thread (or from wadi_open, or a child's first call) with a line for people, no
 * newline. Must not call libwadi. */
typedef void (*wadi_diag_fn)(void *context, wadi_diag_level level, const char *line);

/* Zero means default. Everything is copied by wadi_open. */
typedef struct wadi_options {
    size_t struct_size; /* set by WADI_OPTIONS_INIT */
    const char *dir; /* required: the store; made with mode 0700 if missing (its parent must exist). Taken as
                        it leads when wadi_open is called, whatever becomes of the working directory or of
                        symlinks */
    const char *endpoint;  /* "https://host[:port][/prefix]"; NULL: record only, never upload. http:// only
                              to loopback */
    const char *ca_file;   /* PEM roots to trust; NULL: the system's */
    const char *cert_file; /* PEM client certificate and key, for collectors that require one */
    const char *key_file;
    const char *api_key; /* sent as "Authorization: Bearer …"; never in diagnostics */
    const char *app;     /* context of every event: application name and version */
    const char *app_version;
    uint32_t flush_ms; /* default 1000, 10 … 3,600,000: an event is on disk, and its upload begins, after at
                          most this */
    uint32_t ring_bytes;         /* default 1 MiB, 64 KiB … 64 MiB, rounded up to a power of two */
    uint64_t disk_bytes_max;     /* default 64 MiB, at least 1 MiB: no lane's LMDB file grows beyond */
    uint32_t batch_bytes_max;    /* default 128 KiB, 4 KiB … 1 MiB: one batch before compression; at most an
                                    eighth of disk_bytes_max */
    uint32_t connect_timeout_ms; /* default 10,000: name look-up, connection and handshake together */
    uint32_t request_timeout_ms; /* default 30,000: one whole exchange */
    uint32_t retry_min_ms;       /* default 500: first back-off; doubles, full jitter after the cap */
    uint32_t retry_max_ms;       /* default 300,000 */
    wadi_diag_fn diag;
    void *diag_context;
    wadi_diag_level diag_level; /* least important level to report; default WADI_DIAG_ERROR (0) */
    uint32_t reserved;          /* 0: an older header has padding here */
    uint32_t lanes_max; /* default 16, 1 … 256: handles that may hold lanes of this directory at a time,
                           besides lanes of dead processes that another one is delivering */
    /* NULL: the installation id is random, and copies of the directory share it. "machine-id": it is made
       from /etc/machine-id and what the directory has at random, so that machines started from one image,
       whose machine ids differ, are installations of their own. It never reveals the machine's id. With
       another machine-id the installation is another one at the next wadi_open. A machine without an id
       counts as NULL, with a warning to diag. Give the same in all processes of a directory. */
    const char *installation_from;
    uint32_t max_age_s; /* default 2,592,000 (30 days); UINT32_MAX: never. What was recorded longer ago is
                           dropped (WADI_DROP_AGE), at the latest a minute after, or on waking up. Judged by
                           the boot clock and the collector's, never by the wall clock: see sdk/LIMITS.md */
    uint64_t upload_bytes_per_day_max; /* default 0: no limit; of one lane. Uploads pause when not even one
                                          event fits any more, until 24 hours are proven to have passed since
                                          the day's first, over restarts too. WADI_CRITICAL waits like all
                                          others, since numbers go out in order */
} wadi_options;
#define WADI_OPTIONS_INIT                                                                                  \
    {                                                                                                      \
        sizeof(wadi_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (wadi_diag_level)0, 0, \
            0, 0, 0, 0                                                                                     \
    }

/* Opens a lane of the store, recovers what an earlier process left in it, and starts the background thread.
 * A lane is one handle's own corner of the directory, with a ring and a disk quota of its own: several
 * processes, and several handles of one, may use a directory at a time. A lane that nobody holds any more is
 * taken, with all that it owes, before a new one is made; lanes are never deleted. A handle with an endpoint
 * also delivers what lanes owe that nobody holds: it looks for them when it opens, and later when it is awake
 * for another reason, at most once a minute, or once a second for wadi_flush; offline it tries again after
 * one minute to sixteen. Of what it delivers so it drops nothing: disk_bytes_max and max_age_s are for the
 * lane that a handle records in. Blocks for the disk, never for the network. WADI_ERR_BUSY: lanes_max lanes
 * are held. A store that is full of what no collector has had yet opens: until some is delivered, wadi_track,
 * wadi_identify and wadi_set_context answer WADI_ERR_FULL. On success the caller owns *ret_w and ends it with
 * wadi_close. */
WADI_API WADI_NODISCARD wadi_err wadi_open(const wadi_options *opt, wadi **ret_w);

/* Moves what is recorded to disk, uploads until everything is acknowledged or the time is over, and
 * frees the handle in any case. Offline it does not wait. What was not acknowledged stays in the store and
 * goes out after the next wadi_open. Accepts NULL. No other call may be running or follow.
 * WADI_ERR_TIMEOUT: events remain in the store. What the store's disk says (WADI_ERR_DISK_FULL, _IO,
 * _PERMISSION …): events remain in the ring, and the next wadi_open takes them up from there, unless a power
 * cut takes them. */
WADI_API wadi_err wadi_close(wadi *w, uint32_t timeout_ms);

/* ---- recording -------------------------------------------------------------------------------- */

typedef enum wadi_type {
    WADI_TYPE_STRING = 0,
    WADI_TYPE_INT,
    WADI_TYPE_DOUBLE,
    WADI_TYPE_BOOL,
    WADI_TYPE_BYTES
} wadi_type;

/* One property. Borrows until the call returns. `key`: 1 to 255 bytes. */
typedef struct wadi_prop {
    const char *key;
    wadi_type type;
    uint32_t size; /* of `bytes`; for a string 0 means: up to its terminator */
    union {
        const char *string;
        int64_t integer;
        double number;
        int boolean;
        const void *bytes;
    } value;
} wadi_prop;

/* A ring position: names one recorded event within this handle. 0: none. */
typedef uint64_t wadi_ticket;

typedef enum wadi_priority { WADI_NORMAL = 0, WADI_LOW = 1, WADI_HIGH = 2, WADI_CRITICAL = 3 } wadi_priority;

/* Records an event: up to 256 properties, 32 KiB encoded and at most a quarter of the ring. Never blocks,
 * allocates or waits. Three things make system calls, once each: a thread's first event (gettid); an event
 * that wakes the background thread where that sleeps (futex): the first after an idle period, one that is
 * critical, one that finds the ring half full; and the first event after more than two seconds in which that
 * thread slept, which asks whether the file system lives (madvise). That one, and one that is the first to
 * write to a page of the ring since the kernel wrote that to the disk, may wait for the file system, as any
 * write to a file may; the background thread asks for the pages ahead of time, so that this is rare. Needs 5
 * KiB of stack for up to 24 properties, 13 KiB for more. WADI_ERR_FULL: the ring is full; the event never had
 * a number; wadi_stats counts it as refused. WADI_ERR_IO: the store's file system is dead, and to write to
 * the ring would be a SIGBUS; counted as refused, and tried again every second. WADI_ERR_CORRUPT: the store
 * was found damaged; nothing is recorded until the handle is opened again. Async-signal-safe. */
WADI_API wadi_err wadi_track(wadi *w, const char *name, const wadi_prop *props, size_t n);

typedef struct wadi_event {
    size_t struct_size; /* set by WADI_EVENT_INIT */
    const char *name;   /* 1 to 255 bytes */
    const wadi_prop *props;
    size_t n_props;
    int64_t time_us; /* explicit event time, Unix microseconds, used when has_time is not 0 */
    int has_time;
    wadi_priority priority; /* WADI_CRITICAL is synced to disk at once, in the background */
} wadi_event;
#define WADI_EVENT_INIT \
    { sizeof(wadi_event), 0, 0, 0, 0, 0, WADI_NORMAL }

/* As wadi_track; ret_ticket may be NULL. */
WADI_API wadi_err wadi_track_ex(wadi *w, const wadi_event *ev, wadi_ticket *ret_ticket);

/* Typed properties: WADI_TRACK(w, "play", WADI_STR("title", t), WADI_F64("volume", 0.8)); and, without
 * properties, WADI_TRACK0(w, "stop"). */
#ifndef __cplusplus
#define WADI_STR(k, v) ((wadi_prop){.key = (k), .type = WADI_TYPE_STRING, .value = {.string = (v)}})
#define WADI_INT(k, v) ((wadi_prop){.key = (k), .type = WADI_TYPE_INT, .value = {.integer = (v)}})
#define WADI_F64(k, v) ((wadi_prop){.key = (k), .type = WADI_TYPE_DOUBLE, .value = {.number = (v)}})
#define WADI_BOOL(k, v) ((wadi_prop){.key = (k), .type = WADI_TYPE_BOOL, .value = {.boolean = (v)}})
#define WADI_BIN(k, p, n) \
    ((wadi_prop){.key = (k), .type = WADI_TYPE_BYTES, .size = (n), .value = {.bytes = (p)}})
#define WADI_TRACK(w, name, ...)                              \
    wadi_track((w), (name), (const wadi_prop[]){__VA_ARGS__}, \
               sizeof((const wadi_prop[]){__VA_ARGS__}) / sizeof(wadi_prop))
#define WADI_TRACK0(w, name) wadi_track((w), (name), NULL, 0)
#endif

/* ---- durability ------------------------------------------------------------------------------- */

typedef enum wadi_level {
    WADI_DISK = 1,  /* on the device's disk, synced */
    WADI_ACKED = 2, /* on the collector's disk */
} wadi_level;

/* Blocks until the event of the ticket, and all before it, have reached the level. WADI_ERR_DROPPED: dropped
 * instead; WADI_ERR_TIMEOUT; or why the store does not get it: WADI_ERR_DISK_FULL, _IO, _PERMISSION …, which
 * it goes on trying, once a second. timeout_ms 0 only asks. */
WADI_API WADI_NODISCARD wadi_err wadi_wait(wadi *w, wadi_ticket ticket, wadi_level level,
                                           uint32_t timeout_ms);

/* Starts to store and upload everything recorded so far at once, whatever flush_ms says; does not wait. */
WADI_API WADI_NODISCARD wadi_err wadi_flush(wadi *w);

/* ---- context ---------------------------------------------------------------------------------- */

/* Events recorded from now on carry this user; NULL or "": nobody. At most 255 bytes. */
WADI_API WADI_NODISCARD wadi_err wadi_identify(wadi *w, const char *user);

/* Events recorded from now on carry this attribute; value NULL removes it. At most 32 attributes of 255-byte
 * keys and values. */
WADI_API WADI_NODISCARD wadi_err wadi_set_context(wadi *w, const char *key, const char *value);

/* ---- statistics ------------------------------------------------------------------------------- */

typedef enum wadi_drop {
    WADI_DROP_DISK_QUOTA = 1,
    WADI_DROP_AGE = 2,
    WADI_DROP_REFUSED = 3,
    WADI_DROP_CORRUPT = 4,
    WADI_DROP_CONSENT = 5,
    WADI_DROP_TOO_LARGE = 6,
    WADI_DROP_STORE_LOST = 7, /* its place in a damaged store could not be read */
    WADI_DROP_COUNT = 8,
} wadi_drop;

/* Counters of this handle, and the state of its lane's store; other lanes of the directory have their own.
 * assigned = acked + dropped[…] + pending once the ring
 * is empty, over the life of the store. */
typedef struct wadi_stats {
    size_t struct_size;       /* set by WADI_STATS_INIT */
    uint64_t accepted;        /* wadi_track returned OK, this handle; counted when it leaves the ring */
    uint64_t refused_full;    /* WADI_ERR_FULL; in a child, also what found no lane */
    uint64_t refused_invalid; /* WADI_ERR_INVALID, WADI_ERR_TOO_LARGE */
    uint64_t assigned;        /* numbers given, over the store's life */
    uint64_t pending;         /* numbers in the store: not acknowledged yet, tombstones among them */
    uint64_t acked;           /* delivered: acknowledged by a collector */
    uint64_t dropped[WADI_DROP_COUNT];
    uint64_t
        ring_lost;  /* bytes of the ring that were unreadable after a power cut, or whose store was damaged */
    uint64_t forks; /* the stream was another device's too, and was left */
    uint64_t resent;                 /* possible duplicates: sent again where comparison was not possible */
    uint64_t uploads, upload_errors; /* exchanges with the collector */
    uint64_t upload_bytes;           /* bodies as sent */
    uint64_t disk_bytes;             /* of the store's LMDB file in use */
    uint64_t quarantined;            /* stores set aside as damaged */
    int64_t offset_us;               /* collector clock minus boot clock, valid if offset_error_us is not 0 */
    uint64_t offset_error_us;
    uint64_t refused_io;       /* WADI_ERR_IO of wadi_track */
    uint64_t store_errors;     /* attempts of this handle to write or read the store that failed */
    uint64_t store_error;      /* the last attempt's outcome, a wadi_err; WADI_OK: the store is well */
    uint64_t upload_day_bytes; /* spent of upload_bytes_per_day_max; 0 without it */
} wadi_stats;
#define WADI_STATS_INIT \
    { sizeof(wadi_stats), 0, 0, 0, 0, 0, 0, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

WADI_API WADI_NODISCARD wadi_err wadi_stats_get(wadi *w, wadi_stats *ret_stats);

/* The store's installation id: 32 hexadecimal digits and a terminator. */
WADI_API WADI_NODISCARD wadi_err wadi_installation(wadi *w, char ret_hex[33]);

/* Gives the store's directory another installation id, at random: for a copy that is to be counted apart, or
 * a device that changes hands. It is on disk when the call returns; blocks for the disk. The id is a label:
 * what is sent from now on carries the new one, events that wait in the store too, and nothing is lost or
 * repeated by it; what was delivered keeps the old one, and a collector counts what is left of a stream under
 * the id that began it. Other processes and handles that have the directory open change over at their next
 * wadi_open. After an error, and after a crash, it is the old id or the new one. WADI_ERR_DISK_FULL,
 * WADI_ERR_PERMISSION, WADI_ERR_IO. */
WADI_API WADI_NODISCARD wadi_err wadi_reset_installation(wadi *w);

#ifdef __cplusplus
} /* extern "C" */

/* In C++ an initializer list takes the place of the compound literal:
 * wadi_track(w, "play", {wadi_str("title", t), wadi_f64("volume", 0.8)}); */
inline wadi_prop wadi_str(const char *k, const char *v) {
    wadi_prop p = {k, WADI_TYPE_STRING, 0, {}};
    p.value.string = v;
    return p;
}
inline wadi_prop wadi_int(const char *k, int64_t v) {
    wadi_prop p = {k, WADI_TYPE_INT, 0, {}};
    p.value.integer = v;
    return p;
}
inline wadi_prop wadi_f64(const char *k, double v) {
    wadi_prop p = {k, WADI_TYPE_DOUBLE, 0, {}};
    p.value.number = v;
    return p;
}
inline wadi_prop wadi_bool(const char *k, bool v) {
    wadi_prop p = {k, WADI_TYPE_BOOL, 0, {}};
    p.value.boolean = v ? 1 : 0;
    return p;
}
inline wadi_prop wadi_bin(const char *k, const void *data, uint32_t n) {
    wadi_prop p = {k, WADI_TYPE_BYTES, n, {}};
    p.value.bytes = data;
    return p;
}
inline wadi_err wadi_track(wadi *w, const char *name, std::initializer_list<wadi_prop> props) {
    return wadi_track(w, name, props.begin(), props.size());
}
#endif
#endif

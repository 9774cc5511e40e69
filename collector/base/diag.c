#include "diag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rfc3339.h"
#include "text.h"

static const uint64_t site_window_s = 10;

static _Atomic int level_least = DIAG_INFO;
static _Atomic int output_fd = STDERR_FILENO;

void diag_level_set(enum diag_level level) {
    atomic_store_explicit(&level_least, (int)level, memory_order_relaxed);
}

void diag_fd_set(int fd) { atomic_store_explicit(&output_fd, fd, memory_order_relaxed); }

static const char *level_name(enum diag_level level) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

/* Whether the site may speak. A race between threads at a window's edge lets a line more or less
 * through, and that is all it does. */
static bool site_admits(struct diag_site *site, uint64_t now_s, uint32_t *ret_suppressed) {
    uint64_t window = now_s / site_window_s + 1;
    if (atomic_exchange_explicit(&site->window, window, memory_order_relaxed) != window)
        atomic_store_explicit(&site->lines, 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&site->lines, 1, memory_order_relaxed) >= DIAG_SITE_LINES_MAX) {
        atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed);
    return true;
}

/* A bare value must not hold what logfmt takes for a separator. */
static bool value_is_bare(const char *value) {
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == '=' || *c == '"' || *c == '\\' || *c == 0x7f)
            return false;
    return *value != '\0';
}

static void value_put(struct text *line, const char *value) {
    if (value_is_bare(value)) {
        text_put(line, value);
        return;
    }
    text_put(line, "\"");
    text_put_escaped(line, value);
    text_put(line, "\"");
}

static void field_put(struct text *line, const struct diag_field *field) {
    text_printf(line, " %s=", field->key);
    switch (field->type) {
    case DIAG_TYPE_STR:
        value_put(line, field->value.string ? field->value.string : "");
        break;
    case DIAG_TYPE_INT:
        text_printf(line, "%" PRId64, field->value.integer);
        break;
    case DIAG_TYPE_UINT:
        text_printf(line, "%" PRIu64, field->value.natural);
        break;
    case DIAG_TYPE_ID:
        text_put_hex(line, field->value.id, 16);
        break;
    }
}

/* A line that cannot be written has nowhere to be reported. */
static void line_write(const struct text *line) {
    int fd = atomic_load_explicit(&output_fd, memory_order_relaxed);
    ssize_t written;
    do
        written = write(fd, line->data, line->length);
    while (written < 0 && errno == EINTR);
}

void diag_write(struct diag_site *site, enum diag_level level, const char *message,
                const struct diag_field *fields) {
    if ((int)level < atomic_load_explicit(&level_least, memory_order_relaxed))
        return;
    int errno_kept = errno;
    struct timespec mono, wall;
    uint32_t suppressed = 0;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &mono);
    if (site_admits(site, (uint64_t)mono.tv_sec, &suppressed)) {
        char buffer[DIAG_LINE_MAX], ts[RFC3339_US_SIZE];
        struct text line;
        clock_gettime(CLOCK_REALTIME, &wall);
        base_rfc3339_us(ts, (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000);
        text_init(&line, buffer, sizeof buffer - 1);
        text_printf(&line, "ts=%s level=%s msg=", ts, level_name(level));
        value_put(&line, message);
        if (suppressed > 0)
            text_printf(&line, " suppressed=%" PRIu32, suppressed);
        for (; fields->key; fields++)
            field_put(&line, fields);
        line.capacity++; /* the byte kept back, so that a cut line ends like any other */
        text_put(&line, "\n");
        line_write(&line);
    }
    errno = errno_kept;
}

#include "sdk/src/transport/http_response.h"

#include "sdk/src/base/civil.h"

#include <string.h>
#include <strings.h>

void wdi_http_init(wdi_http_response *r) { memset(r, 0, sizeof *r); }

static void response_fail(wdi_http_response *r, const char *error) {
    r->state = WDI_HTTP_ERROR;
    r->error = error;
}

/* ---- values --------------------------------------------------------------------------------------- */

/* Digits only. Above `max` it is taken as max. */
static bool decimal_parse(const char *text, size_t n, uint64_t max, uint64_t *ret_value) {
    uint64_t value = 0;
    if (n == 0 || n > 20)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value > max ? value : value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_value = value > max ? max : value;
    return true;
}

static bool field_parse(const char *text, size_t n, uint64_t least, uint64_t most, int64_t *ret_value) {
    uint64_t value = 0;
    if (!decimal_parse(text, n, most + 1, &value) || value < least || value > most)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

static bool month_parse(const char *text, int64_t *ret_month) {
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (size_t i = 0; i < 12; i++)
        if (memcmp(text, names + i * 3, 3) == 0) {
            *ret_month = (int64_t)i + 1;
            return true;
        }
    return false;
}

bool wdi_http_date_parse(const char *text, size_t n, int64_t *ret_s) {
    int64_t day = 0, month = 0, year = 0, hour = 0, minute = 0, second = 0;
    if (n != 29 || memcmp(text + 3, ", ", 2) != 0 || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
        text[19] != ':' || text[22] != ':' || memcmp(text + 25, " GMT", 4) != 0)
        return false;
    if (!field_parse(text + 5, 2, 1, 31, &day) || !month_parse(text + 8, &month) ||
        !field_parse(text + 12, 4, 1970, 9999, &year) || !field_parse(text + 17, 2, 0, 23, &hour) ||
        !field_parse(text + 20, 2, 0, 59, &minute) || !field_parse(text + 23, 2, 0, 60, &second))
        return false;
    *ret_s = ((base_days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    return true;
}

bool wdi_http_retry_after_ms(const wdi_http_response *r, int64_t wall_s, uint64_t *ret_ms) {
    int64_t wait_s = r->retry_after_s;
    if (!r->has_retry_after_s && !r->has_retry_at)
        return false;
    if (r->has_retry_at)
        wait_s = r->retry_at_s - (r->has_date ? r->date_s : wall_s);
    if (wait_s < 0)
        wait_s = 0;
    if (wait_s > (int64_t)WDI_HTTP_RETRY_AFTER_S_MAX)
        wait_s = (int64_t)WDI_HTTP_RETRY_AFTER_S_MAX;
    *ret_ms = (uint64_t)wait_s * 1000;
    return true;
}

/* ---- lines ---------------------------------------------------------------------------------------- */

static void status_line_take(wdi_http_response *r) {
    const char *line = r->line;
    uint64_t status = 0;
    if (r->line_n < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
        line[8] != ' ' || !decimal_parse(line + 9, 3, 999, &status) || status < 100 ||
        (r->line_n > 12 && line[12] != ' ')) {
        response_fail(r, "not an HTTP/1.1 answer");
        return;
    }
    r->status = (unsigned)status;
    r->keep_alive = line[7] == '1';
    r->state = WDI_HTTP_HEADER;
}

static bool name_is_token(const char *name, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return n > 0;
}

static bool text_is(const char *text, size_t n, const char *literal) {
    return n == strlen(literal) && strncasecmp(text, literal, n) == 0;
}

static void length_take(wdi_http_response *r, const char *value, size_t n) {
    if (r->has_length || r->chunked || !decimal_parse(value, n, UINT64_MAX / 20, &r->length))
        response_fail(r, "Content-Length is not one number, or stands beside chunks");
    r->has_length = true;
}

static void encoding_take(wdi_http_response *r, const char *value, size_t n) {
    if (r->has_length || r->chunked || !text_is(value, n, "chunked"))
        response_fail(r, "a Transfer-Encoding other than one \"chunked\"");
    r->chunked = true;
}

/* A list of tokens; only "close" and "keep-alive" mean something. */
static void connection_take(wdi_http_response *r, const char *value, size_t n) {
    while (n > 0) {
        const char *comma = memchr(value, ',', n);
        size_t token_n = comma != NULL ? (size_t)(comma - value) : n,
               rest = token_n + (comma != NULL ? 1 : 0);
        const char *token = value;
        while (token_n > 0 && (*token == ' ' || *token == '\t')) {
            token++;
            token_n--;
        }
        while (token_n > 0 && (token[token_n - 1] == ' ' || token[token_n - 1] == '\t'))
            token_n--;
        if (text_is(token, token_n, "close"))
            r->keep_alive = false;
        value += rest;
        n -= rest;
    }
}

static void retry_after_take(wdi_http_response *r, const char *value, size_t n) {
    uint64_t seconds = 0;
    if (decimal_parse(value, n, WDI_HTTP_RETRY_AFTER_S_MAX, &seconds)) {
        r->has_retry_after_s = true;
        r->retry_after_s = (uint32_t)seconds;
    } else {
        r->has_retry_at = wdi_http_date_parse(value, n, &r->retry_at_s);
    }
}

static void header_take(wdi_http_response *r, const char *name, size_t name_n, const char *value, size_t n) {
    if (text_is(name, name_n, "content-length"))
        length_take(r, value, n);
    else if (text_is(name, name_n, "transfer-encoding"))
        encoding_take(r, value, n);
    else if (text_is(name, name_n, "connection"))
        connection_take(r, value, n);
    else if (text_is(name, name_n, "retry-after"))
        retry_after_take(r, value, n);
    else if (text_is(name, name_n, "date"))
        r->has_date = wdi_http_date_parse(value, n, &r->date_s);
}

/* A header's line is "name: value". Of one that is longer than the buffer only the name is sure. */
static void header_line_take(wdi_http_response *r) {
    const char *colon = memchr(r->line, ':', r->line_n);
    size_t name_n = colon != NULL ? (size_t)(colon - r->line) : 0;
    if (!name_is_token(r->line, name_n)) {
        response_fail(r, "a header line without a name");
        return;
    }
    const char *value = colon + 1;
    size_t n = r->line_n - name_n - 1;
    while (n > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        n--;
    }
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (r->line_total > r->line_n &&
        (text_is(r->line, name_n, "content-length") || text_is(r->line, name_n, "transfer-encoding") ||
         text_is(r->line, name_n, "connection"))) {
        response_fail(r, "a header is too long");
        return;
    }
    header_take(r, r->line, name_n, value, n);
}

/* The head is over: what follows? */
static void head_end(wdi_http_response *r) {
    if (r->status == 101) {
        response_fail(r, "it switches protocols, which nobody asked for");
    } else if (r->status < 200) {
        r->state = WDI_HTTP_STATUS_LINE; /* interim; WDI_HTTP_HEAD_BYTES_MAX bounds how many */
        r->has_length = r->chunked = false;
    } else if (r->status == 204 || r->status == 304) {
        r->state = WDI_HTTP_DONE;
    } else if (r->chunked) {
        r->state = WDI_HTTP_CHUNK_SIZE;
    } else if (r->has_length) {
        r->left = r->length;
        r->state = r->left > 0 ? WDI_HTTP_BODY_LENGTH : WDI_HTTP_DONE;
        if (r->length > WDI_HTTP_BODY_BYTES_MAX)
            response_fail(r, "the answer is too large");
    } else {
        r->keep_alive = false;
        r->state = WDI_HTTP_BODY_TO_END;
    }
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void chunk_size_take(wdi_http_response *r) {
    size_t i = 0;
    uint64_t size = 0;
    for (; i < r->line_n && i < 8 && hex_digit(r->line[i]) >= 0; i++)
        size = size * 16 + (uint64_t)hex_digit(r->line[i]);
    if (i == 0 || (i < r->line_n && r->line[i] != ';' && r->line[i] != ' ' && r->line[i] != '\t')) {
        response_fail(r, "a chunk's size is not a number");
        return;
    }
    r->left = size;
    r->state = size > 0 ? WDI_HTTP_CHUNK_DATA : WDI_HTTP_TRAILER;
}

static void line_take(wdi_http_response *r) {
    switch (r->state) {
    case WDI_HTTP_STATUS_LINE:
        status_line_take(r);
        break;
    case WDI_HTTP_HEADER:
        if (r->line_total == 0)
            head_end(r);
        else
            header_line_take(r);
        break;
    case WDI_HTTP_CHUNK_SIZE:
        chunk_size_take(r);
        break;
    case WDI_HTTP_CHUNK_END:
        r->state = WDI_HTTP_CHUNK_SIZE;
        if (r->line_total > 0)
            response_fail(r, "a chunk is longer than its size");
        break;
    case WDI_HTTP_TRAILER:
        if (r->line_total == 0)
            r->state = WDI_HTTP_DONE;
        break;
    case WDI_HTTP_BODY_LENGTH:
    case WDI_HTTP_BODY_TO_END:
    case WDI_HTTP_CHUNK_DATA:
    case WDI_HTTP_DONE:
    case WDI_HTTP_ERROR:
        break; /* no lines there */
    }
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

static void line_byte_take(wdi_http_response *r, char c) {
    if (++r->head_total > WDI_HTTP_HEAD_BYTES_MAX) {
        response_fail(r, "the answer's head is too large");
    } else if (r->seen_cr != (c == '\n')) {
        response_fail(r, "a line does not end with CR LF");
    } else if (c == '\n') {
        r->seen_cr = false;
        line_take(r);
        r->line_n = r->line_total = 0;
    } else if (c == '\r') {
        r->seen_cr = true;
    } else if (c == '\0') {
        response_fail(r, "a zero byte in the head");
    } else {
        if (r->line_n < sizeof r->line)
            r->line[r->line_n++] = c;
        r->line_total++;
    }
}

/* Keeps what fits of the body; r->left bounds it but where only the stream's end does. */
static size_t body_take(wdi_http_response *r, const uint8_t *data, size_t n) {
    if (r->state != WDI_HTTP_BODY_TO_END) {
        n = n < r->left ? n : (size_t)r->left;
        r->left -= n;
    }
    size_t room = sizeof r->body - r->body_n, kept = n < room ? n : room;
    memcpy(r->body + r->body_n, data, kept);
    r->body_n += kept;
    r->body_total += n;
    if (r->body_total > WDI_HTTP_BODY_BYTES_MAX)
        response_fail(r, "the answer is too large");
    else if (r->left == 0 && r->state == WDI_HTTP_BODY_LENGTH)
        r->state = WDI_HTTP_DONE;
    else if (r->left == 0 && r->state == WDI_HTTP_CHUNK_DATA)
        r->state = WDI_HTTP_CHUNK_END;
    return n;
}

static bool state_is_body(wdi_http_state state) {
    return state == WDI_HTTP_BODY_LENGTH || state == WDI_HTTP_BODY_TO_END || state == WDI_HTTP_CHUNK_DATA;
}

size_t wdi_http_feed(wdi_http_response *r, const uint8_t *data, size_t n) {
    size_t taken = 0;
    while (taken < n && r->state != WDI_HTTP_DONE && r->state != WDI_HTTP_ERROR) {
        r->started = true;
        if (state_is_body(r->state))
            taken += body_take(r, data + taken, n - taken);
        else
            line_byte_take(r, (char)data[taken++]);
    }
    return taken;
}

void wdi_http_end(wdi_http_response *r) {
    if (r->state == WDI_HTTP_BODY_TO_END)
        r->state = WDI_HTTP_DONE;
    else if (r->state != WDI_HTTP_DONE && r->state != WDI_HTTP_ERROR)
        response_fail(r, "the answer was cut off");
}

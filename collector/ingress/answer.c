#include "collector/ingress/answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *status_text(uint16_t status) {
    static const struct {
        uint16_t status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Unknown"; /* the text is for people only */
}

static const char *connection_header(const struct answer *answer) {
    if (answer->close)
        return "Connection: close\r\n";
    return answer->keep_alive_1_0 ? "Connection: keep-alive\r\n" : "";
}

static size_t answer_format(const struct answer *answer, uint32_t retry_after_s, const char *type,
                            const void *body, size_t body_n, char out[ANSWER_BYTES_MAX]) {
    char retry_after[32] = "";
    if (retry_after_s != 0)
        snprintf(retry_after, sizeof retry_after, "Retry-After: %u\r\n", retry_after_s);
    int n = snprintf(out, ANSWER_BYTES_MAX,
                     "HTTP/1.1 %u %s\r\n%s%s%sContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s\r\n",
                     answer->status, status_text(answer->status), answer->date ? "Date: " : "",
                     answer->date ? answer->date : "", answer->date ? "\r\n" : "", type, body_n,
                     answer->headers ? answer->headers : "", retry_after, connection_header(answer));
    assert(n > 0 && (size_t)n + body_n < ANSWER_BYTES_MAX);
    if (answer->head_only)
        return (size_t)n;
    memcpy(out + n, body, body_n);
    return (size_t)n + body_n;
}

size_t answer_format_ack(const struct answer *answer, const wire_ack *ack, char out[ANSWER_BYTES_MAX]) {
    uint8_t body[WIRE_ACK_BYTES_MAX];
    size_t n = 0;
    wire_err err = wire_ack_encode(ack, body, sizeof body, &n);
    assert(err == WIRE_OK); /* its text fields are bounded */
    (void)err;
    /* Whole seconds, not below one: the Ack has the finer figure. */
    uint32_t retry_after_s = ack->retry_after_ms / 1000;
    if (ack->retry_after_ms != 0 && retry_after_s == 0)
        retry_after_s = 1;
    return answer_format(answer, retry_after_s, "application/x-protobuf", body, n, out);
}

size_t answer_format_text(const struct answer *answer, const char *message, char out[ANSWER_BYTES_MAX]) {
    char body[sizeof((struct fault *)0)->message + 1];
    int n = snprintf(body, sizeof body, "%s\n", message);
    assert(n > 0);
    size_t body_n = (size_t)n < sizeof body ? (size_t)n : sizeof body - 1;
    return answer_format(answer, 0, "text/plain; charset=utf-8", body, body_n, out);
}

wire_ack answer_fault_ack(const struct fault *fault, const char *collector, uint32_t retry_after_ms) {
    wire_ack ack = {.status = fault_wire_status(fault), .refused_seq = fault->refused_seq};
    if (ack.status == WIRE_STATUS_RETRY)
        ack.retry_after_ms = retry_after_ms;
    snprintf(ack.collector, sizeof ack.collector, "%s", collector);
    snprintf(ack.message, sizeof ack.message, "%s", fault->message);
    return ack;
}

void answer_date_format(int64_t unix_s, char ret_date[ANSWER_DATE_BYTES]) {
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)unix_s;
    struct tm utc = {0};
    gmtime_r(&seconds, &utc);
    /* Not strftime: its names follow the locale. */
    snprintf(ret_date, ANSWER_DATE_BYTES, "%s, %02u %s %04u %02u:%02u:%02u GMT", days[utc.tm_wday % 7],
             (unsigned)utc.tm_mday % 32, months[utc.tm_mon % 12], (unsigned)(utc.tm_year + 1900) % 10000,
             (unsigned)utc.tm_hour % 24, (unsigned)utc.tm_min % 60, (unsigned)utc.tm_sec % 61);
}

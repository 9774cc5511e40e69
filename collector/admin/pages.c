#include "pages.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ledger_json.h"
#include "metrics.h"
#include "ready.h"
#include "rfc3339.h"

static const char type_plain[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";
static const char type_json[] = "application/json";
static const char type_html[] = "text/html; charset=utf-8";

struct request {
    const struct admin_options *options;
    const char *query;
};

/* ---- for machines ---- */

static void metrics_page(const struct request *request, struct page *page) {
    (void)request;
    page->content_type = type_metrics;
    metrics_render(&page->body);
}

/* Alive is whoever can answer. */
static void healthz_page(const struct request *request, struct page *page) {
    (void)request;
    text_put(&page->body, "ok\n");
}

static void readyz_page(const struct request *request, struct page *page) {
    (void)request;
    page->status = ready_check(&page->body) ? 200 : 503;
}

static void ledger_page(const struct request *request, struct page *page) {
    static const int statuses[] = {[LEDGER_OK] = 200, [LEDGER_UNAVAILABLE] = 503, [LEDGER_BAD_QUERY] = 400};
    page->content_type = type_json;
    page->status = statuses[ledger_json(request->options, request->query, &page->body)];
}

/* ---- for people ---- */

static void count_row(struct text *out, const char *name, uint64_t value) {
    text_printf(out, "<tr><th>%s</th><td>%" PRIu64 "</td></tr>\n", name, value);
}

static void ledger_put(struct text *out, const struct admin_options *options) {
    ledger total = {0};
    text_put(out, "<h2>Ledger</h2>\n");
    if (options->ops->ledger_total(options->context, &total) != ADMIN_OK) {
        text_put(out, "<p class=\"bad\">cannot be read now</p>\n");
        return;
    }
    text_put(out, "<table>\n");
    count_row(out, "numbers", total.numbers);
    count_row(out, "delivered", total.delivered);
    for (unsigned i = 0; i < LEDGER_REASONS; i++)
        if (total.dropped[i] > 0) {
            char name[64];
            snprintf(name, sizeof name, "dropped: %s", metric_drop_name(i));
            count_row(out, name, total.dropped[i]);
        }
    count_row(out, "gap", total.gap);
    count_row(out, "pending on devices", total.pending);
    count_row(out, "duplicates seen", total.duplicates);
    count_row(out, "resent", total.resent);
    count_row(out, "streams", total.streams);
    text_printf(out, "</table>\n<p class=\"%s</p>\n",
                ledger_balances(&total) ? "good\">balanced" : "bad\">does not balance");
}

static void sink_row(struct text *out, unsigned sink) {
    char watermark[RFC3339_US_SIZE];
    base_rfc3339_us(watermark, metric_get(METRIC_WATERMARK, sink));
    text_put(out, "<tr><th>");
    text_put_html(out, metrics_sink_name(sink));
    text_printf(out,
                "</th><td>%" PRId64 "</td><td>%" PRId64 "</td><td>%" PRId64 "</td><td>%s</td><td>%" PRId64
                "</td></tr>\n",
                metric_get(METRIC_SINK_EVENTS, sink), metric_get(METRIC_LATE_EVENTS, sink),
                metric_get(METRIC_SINK_EPOCHS, sink), watermark, metric_get(METRIC_SINK_LAG_EVENTS, sink));
}

static void sinks_put(struct text *out) {
    text_put(out, "<h2>Sinks</h2>\n<table>\n<tr><th></th><th>events</th><th>late</th><th>epochs</th>"
                  "<th>watermark</th><th>behind</th></tr>\n");
    for (unsigned sink = 0; metrics_sink_name(sink); sink++)
        sink_row(out, sink);
    text_put(out, "</table>\n");
}

static void readiness_put(struct text *out) {
    char buffer[8192];
    struct text lines;
    text_init(&lines, buffer, sizeof buffer);
    bool ready = ready_check(&lines);
    text_printf(out, "<h2 class=\"%s</h2>\n<pre>", ready ? "good\">Ready" : "bad\">Not ready");
    text_put_html(out, buffer);
    text_put(out, "</pre>\n");
}

static void status_page(const struct request *request, struct page *page) {
    struct text *out = &page->body;
    page->content_type = type_html;
    text_put(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta http-equiv=\"refresh\" content=\"5\"><title>wadi-collector</title>\n<style>"
                  "body{font:15px/1.4 sans-serif;margin:2em;max-width:60em}th{text-align:left;"
                  "font-weight:normal;padding-right:2em}td{text-align:right;padding-right:1em;"
                  "font-variant-numeric:tabular-nums}.bad{color:#b00020}.good{color:#1b6e3a}</style>"
                  "</head><body>\n<h1>");
    text_put_html(out, request->options->collector);
    text_put(out, "</h1>\n<p>wadi-collector ");
    text_put_html(out, request->options->version);
    text_put(out, " · <a href=\"/metrics\">metrics</a> · <a href=\"/ledger\">ledger</a> · "
                  "<a href=\"/readyz\">readyz</a></p>\n");
    readiness_put(out);
    ledger_put(out, request->options);
    sinks_put(out);
    text_put(out, "</body></html>\n");
}

static void missing_page(const struct request *request, struct page *page) {
    (void)request;
    page->status = 404;
    text_put(&page->body, "not found; there are / /metrics /healthz /readyz /ledger\n");
}

/* ---- which is which ---- */

static const struct {
    const char *path;
    void (*make)(const struct request *request, struct page *page);
} routes[] = {
    {"/", status_page},       {"/metrics", metrics_page}, {"/healthz", healthz_page},
    {"/readyz", readyz_page}, {"/ledger", ledger_page},
};

void page_make(const struct admin_options *options, const char *path, const char *query,
               struct page *ret_page) {
    struct request request = {options, query};
    void (*make)(const struct request *, struct page *) = missing_page;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(routes[i].path, path) == 0)
            make = routes[i].make;
    *ret_page = (struct page){.status = 200, .content_type = type_plain};
    text_init_growing(&ret_page->body, PAGE_BYTES_MAX);
    make(&request, ret_page);
    if (ret_page->body.cut)
        ret_page->status = 500; /* half a page is worse than none */
}

void page_fini(struct page *page) { text_fini(&page->body); }

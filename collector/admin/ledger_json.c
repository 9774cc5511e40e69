#include "ledger_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "metrics.h"

enum { ROWS_DEFAULT = 100, QUERY_BYTES_MAX = 512 };

struct ledger_query {
    ledger_row after; /* zero to begin */
    bool has_after;
    size_t rows_max;
};

/* ---- the query ---- */

/* A cursor is the installation and the tenant behind it, in hex: opaque to whoever pages. */
static void cursor_put(struct text *out, const ledger_row *row) {
    text_put_hex(out, row->installation, sizeof row->installation);
    text_put_hex(out, (const uint8_t *)row->tenant, strlen(row->tenant));
}

static bool cursor_parse(const char *digits, ledger_row *ret_row) {
    enum { INSTALLATION = sizeof ret_row->installation };
    uint8_t bytes[INSTALLATION + LEDGER_TENANT_BYTES - 1];
    size_t length = strlen(digits), n = length / 2;
    if (n < INSTALLATION || n > sizeof bytes || !hex_decode(bytes, n, digits, length))
        return false;
    *ret_row = (ledger_row){0};
    memcpy(ret_row->installation, bytes, INSTALLATION);
    memcpy(ret_row->tenant, bytes + INSTALLATION, n - INSTALLATION);
    return true;
}

static bool limit_parse(const char *digits, size_t *ret_limit) {
    size_t limit = 0;
    const char *c = digits;
    for (; *c >= '0' && *c <= '9' && limit <= ADMIN_PAGE_ROWS_MAX; c++)
        limit = limit * 10 + (size_t)(*c - '0');
    *ret_limit = limit;
    return c > digits && *c == '\0' && limit >= 1 && limit <= ADMIN_PAGE_ROWS_MAX;
}

static bool query_parse(const char *query, struct ledger_query *ret_query) {
    char buffer[QUERY_BYTES_MAX];
    char *rest = NULL;
    *ret_query = (struct ledger_query){.rows_max = ROWS_DEFAULT};
    if (!query)
        return true;
    if ((size_t)snprintf(buffer, sizeof buffer, "%s", query) >= sizeof buffer)
        return false;
    for (char *part = strtok_r(buffer, "&", &rest); part; part = strtok_r(NULL, "&", &rest)) {
        if (strncmp(part, "after=", 6) == 0 && cursor_parse(part + 6, &ret_query->after))
            ret_query->has_after = true;
        else if (strncmp(part, "limit=", 6) != 0 || !limit_parse(part + 6, &ret_query->rows_max))
            return false;
    }
    return true;
}

/* ---- JSON ---- */

static void sums_put(struct text *out, const ledger *sums) {
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {
        {"numbers", sums->numbers}, {"delivered", sums->delivered},   {"gap", sums->gap},
        {"pending", sums->pending}, {"duplicates", sums->duplicates}, {"resent", sums->resent},
        {"refused", sums->refused}, {"streams", sums->streams},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        text_printf(out, "\"%s\":%" PRIu64 ",", fields[i].name, fields[i].value);
    text_put(out, "\"dropped\":{");
    for (unsigned i = 0; i < METRIC_DROP_VALUES; i++)
        text_printf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", metric_drop_name(i), sums->dropped[i]);
    text_printf(out, "},\"balanced\":%s", ledger_balances(sums) ? "true" : "false");
}

static void rows_put(struct text *out, const ledger_row *rows, size_t count) {
    text_put(out, "\"installations\":[");
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s{\"tenant\":\"", i > 0 ? "," : "");
        text_put_escaped(out, rows[i].tenant);
        text_put(out, "\",\"installation\":\"");
        text_put_hex(out, rows[i].installation, sizeof rows[i].installation);
        text_put(out, "\",");
        sums_put(out, &rows[i].sums);
        text_put(out, "}");
    }
    text_put(out, "]");
}

static void next_put(struct text *out, const ledger_row *rows, size_t count, size_t rows_max) {
    if (count < rows_max) {
        text_put(out, ",\"next\":null");
        return;
    }
    text_put(out, ",\"next\":\"");
    cursor_put(out, &rows[count - 1]);
    text_put(out, "\"");
}

static enum ledger_result error_put(struct text *out, enum ledger_result result, const char *message) {
    text_printf(out, "{\"error\":\"%s\"}\n", message);
    return result;
}

enum ledger_result ledger_json(const struct admin_options *options, const char *query, struct text *out) {
    struct ledger_query wanted;
    ledger total = {0};
    size_t count = 0;
    if (!query_parse(query, &wanted))
        return error_put(out, LEDGER_BAD_QUERY,
                         "expected ?after=<next of the page before>&limit=<1 to 1000>");
    CLEANUP_FREE ledger_row *rows = calloc(wanted.rows_max, sizeof *rows);
    bool read =
        rows && (wanted.has_after || options->ops->ledger_total(options->context, &total) == ADMIN_OK) &&
        options->ops->ledger_page(options->context, &wanted.after, wanted.rows_max, rows, &count) == ADMIN_OK;
    if (!read)
        return error_put(out, LEDGER_UNAVAILABLE, "the ledger cannot be read now");
    text_put(out, "{\"collector\":\"");
    text_put_escaped(out, options->collector);
    text_put(out, "\",");
    if (!wanted.has_after) {
        text_put(out, "\"total\":{");
        sums_put(out, &total);
        text_put(out, "},");
    }
    rows_put(out, rows, count);
    next_put(out, rows, count, wanted.rows_max);
    text_put(out, "}\n");
    return LEDGER_OK;
}

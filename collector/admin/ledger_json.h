/* The ledger as JSON and as rows of HTML. No network. One thread. */
#ifndef COLLECTOR_ADMIN_LEDGER_JSON_H
#define COLLECTOR_ADMIN_LEDGER_JSON_H

#include <stdbool.h>

#include "admin.h"
#include "text.h"

enum ledger_result { LEDGER_OK, LEDGER_UNAVAILABLE, LEDGER_BAD_QUERY };

/* Appends one page of installations, from `?after=<cursor>&limit=<rows>`; without `after` also the total.
 * `next` is the cursor of the following page, null on the last. On failure `out` says why, as JSON. */
enum ledger_result ledger_json(const struct admin_options *options, const char *query, struct text *out);

#endif

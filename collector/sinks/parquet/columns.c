#include "columns.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool parquet_column_type(const char *text, column_type *ret_type) {
    for (int type = 0; type < COLUMN_TYPES; type++)
        if (strcmp(text, column_type_name((column_type)type)) == 0) {
            *ret_type = (column_type)type;
            return true;
        }
    return false;
}

const char *parquet_column_refusal(const char *property) {
    /* As in event_table.c. */
    static const char *const taken[] = {"name",   "time", "time_quality", "received_at", "installation",
                                        "stream", "seq",  "run",          "tenant",      "late",
                                        "resent", "user", "session",      "context",     "properties"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcasecmp(property, taken[i]) == 0)
            return "every event has a column of this name";
    return NULL;
}

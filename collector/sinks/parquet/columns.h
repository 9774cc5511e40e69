/* columns: which columns a setting may ask for. Apart from the rest, because the configuration's checks need
 * it too. Pure; any thread. */
#ifndef PARQUET_COLUMNS_H
#define PARQUET_COLUMNS_H

#include <stdbool.h>

#include "../column_type.h"

/* "string", "int64", "double", "bool". */
bool parquet_column_type(const char *text, column_type *ret_type);

/* Why a property cannot have a column by that name: an event has one already. NULL: it can. Large and small
 * letters are alike to some readers, and so here. */
const char *parquet_column_refusal(const char *property);

#endif

/* value: a property's value as text, as the JSON line has it but for the quotes: integers in digits, doubles
 * so that they read back the same, NaN, Infinity, -Infinity, true, false, bytes in base64, texts repaired to
 * UTF-8. Pure. */
#ifndef PARQUET_VALUE_H
#define PARQUET_VALUE_H

#include "bytes.h"
#include "wire.h"

/* The text lies in the property or in the scratch, until that is used again. Memory that runs out shows in
 * the scratch. */
wire_span value_text(const wire_prop_view *prop, bytes *scratch);

/* The same for a text by itself. */
wire_span value_repaired(wire_span text, bytes *scratch);

#endif

/* Internal to wire. */
#ifndef WIRE_CONTEXT_H
#define WIRE_CONTEXT_H

#include "schemas/wire/reader.h"

/* Only the id of a Context message, its first field. */
wire_err context_id(wire_span message, uint32_t *ret_id);

#endif

/* rfc3339: "2015-05-17T10:05:03.25+02:00" to Unix microseconds. Pure. */
#ifndef TOOLS_RFC3339_H
#define TOOLS_RFC3339_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* T, t or a space between date and time; a zone is required; finer than a microsecond is cut. */
bool rfc3339_parse(const char *text, size_t n, int64_t *ret_us);

#endif

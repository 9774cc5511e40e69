/* xml: the little that S3's answers need: the text of elements by their name. No attributes, no namespaces'
 * prefixes, no DTDs. What comes is a server's: anything that is not found is just not there. Pure; any
 * thread. */
#ifndef S3_XML_H
#define S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

typedef struct xml_span {
    const char *at;
    size_t n;
} xml_span;

/* The inside of the next <element>; *rest moves behind it. Elements of the same name do not nest in S3. */
bool xml_next(xml_span *rest, const char *element, xml_span *ret_inside);

/* Replaces *out by the text of the first <element>, with entities decoded. false: not there, or it does not
 * fit. */
bool xml_text(xml_span inside, const char *element, struct text *out);

/* Appends the string as the text of an element. */
void xml_text_put(struct text *out, const char *string);

#endif

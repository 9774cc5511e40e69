#include "xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_MAX 64u

static const char *find(xml_span in, const char *tag) { return memmem(in.at, in.n, tag, strlen(tag)); }

static xml_span behind(xml_span whole, const char *at) {
    return (xml_span){at, whole.n - (size_t)(at - whole.at)};
}

/* Behind the `>` of the next <element …>; NULL: none. */
static const char *start_tag_end(xml_span in, const char *element) {
    char tag[TAG_MAX];
    snprintf(tag, sizeof tag, "<%s", element);
    for (const char *at; (at = find(in, tag)) != NULL;) {
        in = behind(in, at + strlen(tag));
        if (in.n == 0)
            return NULL;
        if (*in.at == '>')
            return in.at + 1;
        const char *close = memchr(in.at, '>', in.n);
        if (*in.at == ' ' && close && close[-1] != '/')
            return close + 1;
    }
    return NULL;
}

bool xml_next(xml_span *rest, const char *element, xml_span *ret_inside) {
    char tag[TAG_MAX];
    snprintf(tag, sizeof tag, "</%s>", element);
    const char *begin = start_tag_end(*rest, element);
    if (!begin)
        return false;
    const char *end = find(behind(*rest, begin), tag);
    if (!end)
        return false;
    *ret_inside = (xml_span){begin, (size_t)(end - begin)};
    *rest = behind(*rest, end + strlen(tag));
    return true;
}

/* The character that `&…;` stands for; 0: none that is wanted. Keys and ids of uploads are ASCII. */
static char entity_char(const char *at, size_t n) {
    static const struct {
        const char *text;
        char c;
    } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strlen(named[i].text) == n && memcmp(named[i].text, at, n) == 0)
            return named[i].c;
    if (n < 2 || *at != '#')
        return 0;
    unsigned long code = at[1] == 'x' ? strtoul(at + 2, NULL, 16) : strtoul(at + 1, NULL, 10);
    return code > 0 && code < 128 ? (char)code : (char)0;
}

bool xml_text(xml_span inside, const char *element, struct text *out) {
    xml_span text;
    if (!xml_next(&inside, element, &text))
        return false;
    out->length = 0;
    for (size_t i = 0; i < text.n; i++) {
        const char *end = text.at[i] == '&' ? memchr(text.at + i, ';', text.n - i) : NULL;
        char c = end ? entity_char(text.at + i + 1, (size_t)(end - text.at) - i - 1) : (char)0;
        text_append(out, c ? &c : text.at + i, 1);
        if (c)
            i = (size_t)(end - text.at);
    }
    return !out->cut;
}

void xml_text_put(struct text *out, const char *string) {
    for (; *string; string++)
        if (strchr("&<>\"", *string))
            text_printf(out, "&#%d;", *string);
        else
            text_append(out, string, 1);
}

#include "errors.h"

#include <stdlib.h>

void errors_add(struct config_errors *errors, struct tree_place place, const char *key, const char *format,
                ...) {
    if (errors->count++ >= CONFIG_ERRORS_MAX)
        return;
    struct config_error *error = &errors->kept[errors->count - 1];
    struct text text;
    va_list arguments;
    error->place = place;
    text_init(&text, error->text, sizeof error->text);
    text_put_escaped(&text, key); /* it may come from the file, line ends and all */
    text_put(&text, ": ");
    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
}

static int error_compare(const void *a, const void *b) {
    const struct tree_place *x = &((const struct config_error *)a)->place;
    const struct tree_place *y = &((const struct config_error *)b)->place;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

void errors_write(struct config_errors *errors, const char *name, FILE *out) {
    size_t kept = errors->count < CONFIG_ERRORS_MAX ? errors->count : CONFIG_ERRORS_MAX;
    qsort(errors->kept, kept, sizeof errors->kept[0], error_compare);
    for (size_t i = 0; i < kept; i++)
        fprintf(out, "%s:%zu:%zu: %s\n", name, errors->kept[i].place.line, errors->kept[i].place.column,
                errors->kept[i].text);
    if (errors->count > kept)
        fprintf(out, "%s: and %zu more errors\n", name, errors->count - kept);
}

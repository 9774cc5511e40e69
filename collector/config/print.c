/* The options table shown: as the effective configuration, as help, as the reference page. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "option.h"

/* ---- the effective configuration ---- */

enum { INDENT_BYTES = 64 };

static void table_print(const struct option_table *table, const void *object, const char *indent,
                        struct text *out);

static void list_print(const struct option_spec *option, const char *items, size_t count, const char *indent,
                       struct text *out) {
    char deeper[INDENT_BYTES];
    snprintf(deeper, sizeof deeper, "%s    ", indent);
    for (size_t i = 0; i < count; i++) {
        size_t start = out->length;
        table_print(option->element, items + i * option->element->object_bytes, deeper, out);
        /* The entry's first line carries its dash in the last two columns of the indentation. */
        if (out->length > start + strlen(deeper))
            out->data[start + strlen(deeper) - 2] = '-';
    }
}

/* The keys are another program's: what its manual calls so is not to be shown. */
static bool key_is_secret(const char *key) {
    static const char *const words[] = {"password", "secret", "token", "pem", "oauthbearer.config"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(key, words[i]))
            return true;
    return false;
}

static void map_print(const struct option_spec *option, const struct config_pair *pairs, size_t count,
                      const char *indent, struct text *out) {
    const struct option_spec *parts = option->element->options;
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s  ", indent);
        option_format(&parts[0], &pairs[i], out);
        text_put(out, ": ");
        if (key_is_secret(pairs[i].key))
            text_put(out, "\"redacted\"");
        else
            option_format(&parts[1], &pairs[i], out);
        text_put(out, "\n");
    }
}

static void several_print(const struct option_spec *option, const void *object, const char *key,
                          const char *indent, struct text *out) {
    size_t count;
    const void *items = option_list_items(option, object, &count);
    bool map = option->type == OPTION_MAP;
    text_printf(out, "%s%s:%s\n", indent, key, count > 0 ? "" : map ? " {}" : " []");
    if (map)
        map_print(option, items, count, indent, out);
    else if (option->type == OPTION_LIST)
        list_print(option, items, count, indent, out);
    for (size_t i = 0; option->type == OPTION_TEXTS && i < count; i++) {
        text_printf(out, "%s  - ", indent);
        option_format(option->element->options, (const struct config_text *)items + i, out);
        text_put(out, "\n");
    }
}

static void option_print(const struct option_spec *option, const void *object, const char *key,
                         const char *indent, struct text *out) {
    if (option_is_list(option)) {
        several_print(option, object, key, indent, out);
    } else if (option_has_value(option, object)) {
        text_printf(out, "%s%s: ", indent, key);
        option_format(option, object, out);
        text_put(out, "\n");
    }
}

/* One past the options behind `from` that are in the same section; their paths begin at `skip`. */
static size_t section_end(const struct option_table *table, size_t from, size_t skip) {
    const char *path = table->options[from].path;
    size_t length = skip + strcspn(path + skip, ".") + 1, end = from + 1;
    while (end < table->count && strncmp(table->options[end].path, path, length) == 0)
        end++;
    return end;
}

/* The options from … to-1, without the first `skip` bytes of their paths. Recursion as deep as sections are.
 */
static void options_print(const struct option_table *table, size_t from, size_t to, size_t skip,
                          const void *object, const char *indent, struct text *out) {
    while (from < to) {
        const struct option_spec *option = &table->options[from];
        const char *path = option->path + skip;
        size_t length = strcspn(path, "."), end = from + 1, start = out->length;
        if (path[length] == '\0') {
            if (option_applies(table, option, object))
                option_print(option, object, path, indent, out);
        } else {
            char deeper[INDENT_BYTES];
            snprintf(deeper, sizeof deeper, "%s  ", indent);
            end = section_end(table, from, skip);
            text_printf(out, "%s%.*s:\n", indent, (int)length, path);
            size_t headed = out->length;
            options_print(table, from, end, skip + length + 1, object, deeper, out);
            if (out->length == headed) { /* nothing in it */
                out->length = start;
                out->data[start] = '\0';
            }
        }
        from = end;
    }
}

static void table_print(const struct option_table *table, const void *object, const char *indent,
                        struct text *out) {
    options_print(table, 0, table->count, 0, object, indent, out);
}

void config_print(const struct collector_config *config, struct text *out) {
    table_print(&option_root, config, "", out);
}

/* ---- help and reference ---- */

/* What is shown of one setting; `path` carries the list that it is in. */
typedef void option_shower(const struct option_spec *option, const char *path, struct text *out);

static void table_show(const struct option_table *table, const char *prefix, option_shower *show,
                       struct text *out) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        char path[96];
        snprintf(path, sizeof path, "%s%s%s", prefix, option->path, option->type == OPTION_LIST ? "[]" : "");
        show(option, path, out);
        if (option->type == OPTION_LIST) {
            snprintf(path, sizeof path, "%s%s[].", prefix, option->path);
            table_show(option->element, path, show, out);
        }
    }
}

static void default_put(const struct option_spec *option, struct text *out) {
    if (option->flags & OPTION_REQUIRED)
        text_put(out, "required");
    else
        text_put(out, option->default_text ? option->default_text : "none");
}

static void wrapped_put(const char *words, struct text *out) {
    enum { WIDTH = 88 };
    while (strlen(words) > WIDTH) {
        size_t length = WIDTH;
        while (length > 0 && words[length] != ' ')
            length--;
        text_printf(out, "      %.*s\n", (int)length, words);
        words += length + 1;
    }
    text_printf(out, "      %s\n", words);
}

static void help_show(const struct option_spec *option, const char *path, struct text *out) {
    text_printf(out, "  %s  (%s", path, option_type_name(option));
    if (option->values || option->most > 0) {
        text_put(out, ": ");
        option_range_format(option, out);
    }
    text_put(out, option->flags & OPTION_REQUIRED ? "; " : "; default: ");
    default_put(option, out);
    text_put(out, ")\n");
    wrapped_put(option->help, out);
}

void config_help(struct text *out) { table_show(&option_root, "", help_show, out); }

static void reference_show(const struct option_spec *option, const char *path, struct text *out) {
    text_printf(out, "| `%s` | %s | ", path, option_type_name(option));
    if (option->flags & OPTION_REQUIRED || !option->default_text)
        default_put(option, out);
    else
        text_printf(out, "`%s`", option->default_text);
    text_put(out, " | ");
    option_range_format(option, out);
    text_printf(out, " | %s |\n", option->help);
}

void config_reference(struct text *out) {
    text_put(out,
             "# Settings of wadi-collector\n\n"
             "Made from `options.def` by `wadi-collector --reference`; change it there.\n\n"
             "The configuration is one YAML file. `a.b` is the key `b` in the section `a`; `a[].b` is the "
             "key `b` of each entry of the list `a`.\nDurations take `us`, `ms`, `s`, `m`, `h`, `d`; sizes "
             "`B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) and `KiB`, `MiB`, `GiB`, `TiB` (powers of "
             "1024). Both are a whole number and its unit.\nRelative paths are relative to the "
             "directory in which the collector is started.\n\n"
             "| setting | type | default | allowed | meaning |\n|---|---|---|---|---|\n");
    table_show(&option_root, "", reference_show, out);
}

/* One value of a setting: text to field, and back. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "option.h"

struct unit {
    const char *name;
    uint64_t factor;
};

/* Largest first: a value is shown in the largest unit that it is a multiple of. */
static const struct unit duration_units[] = {{"d", 86400000000}, {"h", 3600000000}, {"m", 60000000},
                                             {"s", 1000000},     {"ms", 1000},      {"us", 1}};

/* The units that sizes are shown in come first; the decimal ones are read only. */
static const struct unit size_units[] = {
    {"TiB", 1ull << 40},   {"GiB", 1ull << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1},
    {"TB", 1000000000000}, {"GB", 1000000000},  {"MB", 1000000},  {"KB", 1000},
};

enum { DURATION_UNITS = sizeof duration_units / sizeof *duration_units };
enum { SIZE_UNITS = sizeof size_units / sizeof *size_units };

static bool number_parse(const char *text, uint64_t *ret_number, const char **ret_rest) {
    uint64_t number = 0;
    const char *c = text;
    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *ret_number = number;
    *ret_rest = c;
    return c > text;
}

static bool quantity_parse(const char *text, const struct unit *units, size_t units_count,
                           uint64_t *ret_value) {
    uint64_t number;
    const char *rest;
    if (!number_parse(text, &number, &rest))
        return false;
    for (size_t i = 0; i < units_count; i++)
        if (strcmp(rest, units[i].name) == 0) {
            if (number > UINT64_MAX / units[i].factor)
                return false;
            *ret_value = number * units[i].factor;
            return true;
        }
    /* Nothing needs no unit. */
    *ret_value = 0;
    return number == 0 && *rest == '\0';
}

static void quantity_format(uint64_t value, const struct unit *units, struct text *out) {
    while (value % units->factor != 0)
        units++;
    text_printf(out, "%" PRIu64 "%s", value == 0 ? 0 : value / units->factor, value == 0 ? "" : units->name);
}

/* Thousandths. `0.9`, `0.25`, `1`, at most three digits after the point. */
static bool fraction_parse(const char *text, uint64_t *ret_thousandths) {
    uint64_t whole, thousandths = 0, place = 100;
    const char *rest;
    if (!number_parse(text, &whole, &rest) || whole > 1)
        return false;
    if (*rest == '.')
        for (rest++; *rest >= '0' && *rest <= '9' && place > 0; rest++, place /= 10)
            thousandths += (uint64_t)(*rest - '0') * place;
    *ret_thousandths = whole * 1000 + thousandths;
    return *rest == '\0' && rest[-1] != '.';
}

/* A value of one of the types that have a range, in the unit of `least` and `most`. */
static void ranged_format(const struct option_spec *option, uint64_t value, struct text *out) {
    if (value == UINT64_MAX && (option->flags & OPTION_OR_NEVER))
        text_put(out, "never");
    else if (option->type == OPTION_DURATION)
        quantity_format(value, duration_units, out);
    else if (option->type == OPTION_SIZE)
        quantity_format(value, size_units, out);
    else if (option->type == OPTION_FRACTION)
        text_printf(out, "%g", (double)value / 1000);
    else
        text_printf(out, "%" PRIu64, value);
}

void option_range_format(const struct option_spec *option, struct text *out) {
    if (option->values) {
        for (const char *const *value = option->values; *value; value++)
            text_printf(out, "%s%s", value == option->values ? "" : ", ", *value);
        return;
    }
    if (option->most == 0)
        return;
    ranged_format(option, option->least, out);
    text_put(out, " to ");
    ranged_format(option, option->most, out);
    if (option_is_string(option))
        text_put(out, " bytes");
    if (option_is_list(option))
        text_put(out, " entries");
    if (option->flags & OPTION_OR_ZERO)
        text_put(out, ", or 0");
    if (option->flags & OPTION_OR_NEVER)
        text_put(out, ", or never");
}

static bool range_holds(const struct option_spec *option, uint64_t value, const char *text,
                        struct text *why) {
    bool zero = value == 0 && (option->flags & OPTION_OR_ZERO);
    if (zero || (value >= option->least && value <= option->most))
        return true;
    text_printf(why, "%s is out of range: ", text);
    option_range_format(option, why);
    return false;
}

static bool type_expected(const char *expected, const char *text, struct text *why) {
    text_printf(why, "expected %s, got \"", expected);
    text_put_escaped(why, text);
    text_put(why, "\"");
    return false;
}

static bool ranged_parse(const struct option_spec *option, const char *text, uint64_t *ret_value,
                         struct text *why) {
    const char *rest;
    uint64_t value = 0;
    if ((option->flags & OPTION_OR_NEVER) && strcmp(text, "never") == 0) {
        *ret_value = UINT64_MAX;
        return true;
    }
    if (option->type == OPTION_DURATION) {
        if (!quantity_parse(text, duration_units, DURATION_UNITS, &value))
            return type_expected("a duration such as 250ms, 2s, 5m, 24h or 30d", text, why);
    } else if (option->type == OPTION_SIZE) {
        if (!quantity_parse(text, size_units, SIZE_UNITS, &value))
            return type_expected("a size such as 512B, 64KB, 16MiB or 1GiB", text, why);
    } else if (option->type == OPTION_FRACTION) {
        if (!fraction_parse(text, &value))
            return type_expected("a number between 0 and 1 such as 0.9", text, why);
    } else if (!number_parse(text, &value, &rest) || *rest != '\0') {
        return type_expected("a whole number", text, why);
    }
    if (!range_holds(option, value, text, why))
        return false;
    *ret_value = value;
    return true;
}

static bool enum_parse(const struct option_spec *option, const char *text, int *ret_value, struct text *why) {
    for (int i = 0; option->values[i]; i++)
        if (strcmp(option->values[i], text) == 0) {
            *ret_value = i;
            return true;
        }
    text_put(why, "\"");
    text_put_escaped(why, text);
    text_put(why, "\" is not one of ");
    option_range_format(option, why);
    const char *near = nearest_name(text, option->values);
    if (near)
        text_printf(why, "; did you mean \"%s\"?", near);
    return false;
}

static bool name_is_plain(const char *text) {
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool string_parse(const struct option_spec *option, const char *text, char **ret_string,
                         struct text *why) {
    struct net_address address;
    if (option->type == OPTION_NAME && !name_is_plain(text))
        return type_expected("a name of a-z, 0-9 and -", text, why);
    if (option->type == OPTION_ADDRESS && !net_address_parse(text, &address))
        return type_expected("a numeric address and port such as 127.0.0.1:9464 or [::]:8443", text, why);
    size_t length = strlen(text);
    if (option->most > 0 && (length < option->least || length > option->most)) {
        text_printf(why, "%zu bytes long; allowed: ", length);
        option_range_format(option, why);
        return false;
    }
    *ret_string = strdup(text);
    if (!*ret_string)
        text_put(why, "out of memory");
    return *ret_string != NULL;
}

static bool string_store(const struct option_spec *option, const char *text, void *field, struct text *why) {
    char *string, *before;
    if (!string_parse(option, text, &string, why))
        return false;
    memcpy(&before, field, sizeof before);
    free(before);
    memcpy(field, &string, sizeof string);
    return true;
}

static bool enum_store(const struct option_spec *option, const char *text, void *field, struct text *why) {
    int value;
    if (!enum_parse(option, text, &value, why))
        return false;
    memcpy(field, &value, sizeof value);
    return true;
}

static bool ranged_store(const struct option_spec *option, const char *text, void *field, struct text *why) {
    uint64_t value;
    if (!ranged_parse(option, text, &value, why))
        return false;
    double fraction = (double)value / 1000;
    if (option->type == OPTION_FRACTION)
        memcpy(field, &fraction, sizeof fraction);
    else
        memcpy(field, &value, sizeof value);
    return true;
}

bool option_parse(const struct option_spec *option, const char *text, void *object, struct text *why) {
    char *field = (char *)object + option->offset;
    if (option_is_string(option))
        return string_store(option, text, field, why);
    if (option->type == OPTION_ENUM)
        return enum_store(option, text, field, why);
    if (option->type != OPTION_SHA256)
        return ranged_store(option, text, field, why);
    /* What was given may be the key itself, so it is not repeated. */
    if (!hex_decode((uint8_t *)field, 32, text, strlen(text))) {
        text_put(why, "expected 64 hex digits");
        return false;
    }
    return true;
}

bool option_has_value(const struct option_spec *option, const void *object) {
    const char *string;
    memcpy(&string, (const char *)object + option->offset, sizeof string);
    return !option_is_string(option) || string != NULL;
}

static void quoted_put(const char *string, struct text *out) {
    text_put(out, "\"");
    text_put_escaped(out, string);
    text_put(out, "\"");
}

void option_format(const struct option_spec *option, const void *object, struct text *out) {
    const char *field = (const char *)object + option->offset;
    const char *string;
    uint64_t value;
    double fraction;
    int index;
    if (option->flags & OPTION_SECRET) {
        quoted_put("redacted", out);
    } else if (option_is_string(option)) {
        memcpy(&string, field, sizeof string);
        quoted_put(string, out);
    } else if (option->type == OPTION_ENUM) {
        memcpy(&index, field, sizeof index);
        quoted_put(option->values[index], out);
    } else if (option->type == OPTION_FRACTION) {
        memcpy(&fraction, field, sizeof fraction);
        text_printf(out, "%g", fraction);
    } else {
        memcpy(&value, field, sizeof value);
        ranged_format(option, value, out);
    }
}

const char *option_type_name(const struct option_spec *option) {
    switch (option->type) {
    case OPTION_NAME:
        return "name";
    case OPTION_TEXT:
        return "text";
    case OPTION_ADDRESS:
        return "address";
    case OPTION_COUNT:
        return "number";
    case OPTION_FRACTION:
        return "fraction";
    case OPTION_DURATION:
        return "duration";
    case OPTION_SIZE:
        return "size";
    case OPTION_ENUM:
        return "choice";
    case OPTION_SHA256:
        return "hash";
    case OPTION_LIST:
        return "list";
    case OPTION_TEXTS:
        return "list of texts";
    case OPTION_MAP:
        return "map";
    }
    return "";
}

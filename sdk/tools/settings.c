#include "sdk/tools/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { KIND_text, KIND_number, KIND_wait } kind;

static const struct {
    const char *name;
    kind kind;
    const char *value, *text;
} table[SETTINGS_N] = {
#define SETTING(name, kind, value, text) {#name, KIND_##kind, value, text},
#include "sdk/tools/settings.def"
#undef SETTING
};

const char *setting_name(setting_id id) { return table[id].name; }

void setting_name_dashed(setting_id id, char ret_name[SETTING_NAME_BYTES_MAX]) {
    snprintf(ret_name, SETTING_NAME_BYTES_MAX, "%s", table[id].name);
    for (char *c = ret_name; *c != '\0'; c++)
        *c = *c == '_' ? '-' : *c;
}

static char name_char(char c) { return c == '-' ? '_' : c; }

setting_id setting_find(const char *name, size_t n) {
    for (int id = 0; id < SETTINGS_N; id++) {
        size_t i = 0;
        while (i < n && table[id].name[i] != '\0' && name_char(name[i]) == table[id].name[i])
            i++;
        if (i == n && table[id].name[i] == '\0')
            return (setting_id)id;
    }
    return SETTINGS_N;
}

/* Digits, and K, M or G for powers of 1024. */
static bool number_parse(const char *text, uint64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    unsigned shift = 0;
    if (!isdigit((unsigned char)text[0]) || errno != 0)
        return false;
    if (*end != '\0') {
        const char *unit = strchr("KMG", toupper((unsigned char)*end));
        if (unit == NULL || end[1] != '\0')
            return false;
        shift = 10 * ((unsigned)(unit - "KMG") + 1);
    }
    if (number > UINT64_MAX >> shift)
        return false;
    *ret_number = (uint64_t)number << shift;
    return true;
}

static bool wait_parse(const char *text, uint64_t *ret_level) {
    static const char *const names[] = {[WAIT_DISK] = "disk", [WAIT_NONE] = "none", [WAIT_ACKED] = "acked"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_level = i;
            return true;
        }
    return false;
}

bool setting_put(settings *s, setting_id id, const char *value, char *error, size_t error_size) {
    uint64_t number = 0;
    bool good = strlen(value) < SETTING_BYTES_MAX;
    if (good && table[id].kind == KIND_number)
        good = number_parse(value, &number);
    if (good && table[id].kind == KIND_wait)
        good = wait_parse(value, &number);
    if (!good) {
        snprintf(error, error_size, "%s: \"%.64s\" is not %s", table[id].name, value, table[id].value);
        return false;
    }
    if (!s->at[id].set) {
        s->at[id].set = true;
        s->at[id].number = number;
        strcpy(s->at[id].text, value);
    }
    return true;
}

bool settings_environment(settings *s, char *error, size_t error_size) {
    for (int id = 0; id < SETTINGS_N; id++) {
        char name[64];
        size_t n = (size_t)snprintf(name, sizeof name, "WADI_%s", table[id].name);
        for (size_t i = 0; i < n; i++)
            name[i] = (char)toupper((unsigned char)name[i]);
        const char *value = getenv(name);
        if (value != NULL && !setting_put(s, (setting_id)id, value, error, error_size))
            return false;
    }
    return true;
}

static char *trimmed(char *text) {
    text += strspn(text, " \t\r\n");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]) != NULL)
        text[--n] = '\0';
    return text;
}

static bool line_put(settings *s, char *line, char *error, size_t error_size) {
    line = trimmed(line);
    if (*line == '\0' || *line == '#')
        return true;
    char *equals = strchr(line, '=');
    if (equals == NULL) {
        snprintf(error, error_size, "not name = value");
        return false;
    }
    *equals = '\0';
    char *name = trimmed(line);
    setting_id id = setting_find(name, strlen(name));
    if (id == SETTINGS_N) {
        snprintf(error, error_size, "there is no setting \"%.64s\"", name);
        return false;
    }
    return setting_put(s, id, trimmed(equals + 1), error, error_size);
}

bool settings_file(settings *s, const char *path, char *error, size_t error_size) {
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    char line[2 * SETTING_BYTES_MAX], why[256];
    bool good = true;
    for (unsigned n = 1; good && fgets(line, sizeof line, in) != NULL; n++) {
        good = line_put(s, line, why, sizeof why);
        if (!good)
            snprintf(error, error_size, "%s:%u: %s", path, n, why);
    }
    if (good && ferror(in)) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        good = false;
    }
    fclose(in);
    return good;
}

const char *setting_text(const settings *s, setting_id id) { return s->at[id].set ? s->at[id].text : NULL; }

uint64_t setting_number(const settings *s, setting_id id, uint64_t otherwise) {
    return s->at[id].set ? s->at[id].number : otherwise;
}

void settings_help(FILE *out) {
    for (int id = 0; id < SETTINGS_N; id++) {
        char name[SETTING_NAME_BYTES_MAX], flag[64];
        setting_name_dashed((setting_id)id, name);
        snprintf(flag, sizeof flag, "--%s %s", name, table[id].value);
        fprintf(out, "  %-26s %s\n", flag, table[id].text);
    }
}

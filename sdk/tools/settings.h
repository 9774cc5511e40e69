/* settings: what wadi-send was told by flags, environment and file. */
#ifndef TOOLS_SETTINGS_H
#define TOOLS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SETTING_BYTES_MAX 1024u /* of a value */
#define SETTING_NAME_BYTES_MAX 32u

typedef enum setting_id {
#define SETTING(name, kind, value, text) SETTING_##name,
#include "sdk/tools/settings.def"
#undef SETTING
    SETTINGS_N
} setting_id;

typedef enum wait_level { WAIT_DISK = 0, WAIT_NONE, WAIT_ACKED } wait_level;

typedef struct settings {
    struct {
        bool set;
        char text[SETTING_BYTES_MAX];
        uint64_t number; /* kinds number and wait */
    } at[SETTINGS_N];
} settings;

const char *setting_name(setting_id id);
/* As flags are mostly written: ca-file. */
void setting_name_dashed(setting_id id, char ret_name[SETTING_NAME_BYTES_MAX]);

/* The setting of a name, in which - stands for _ too; SETTINGS_N: there is none. */
setting_id setting_find(const char *name, size_t n);

/* Sets it, unless something that counts more has set it before: apply flags first, then the environment, then
 * the file. False: `error` says what is wrong with the value. */
bool setting_put(settings *s, setting_id id, const char *value, char *error, size_t error_size);

bool settings_environment(settings *s, char *error, size_t error_size);
/* Lines `name = value`; # begins a comment line. An error names its line. */
bool settings_file(settings *s, const char *path, char *error, size_t error_size);

/* NULL where it is not set. */
const char *setting_text(const settings *s, setting_id id);
uint64_t setting_number(const settings *s, setting_id id, uint64_t otherwise);

void settings_help(FILE *out);

#endif

#include "walk.h"

#include <stdlib.h>
#include <string.h>

enum { LABEL_BYTES = 128, COMPONENT_BYTES = 64, SIBLINGS_MAX = 128, KEYS_MAX = 256, NOTES_FIRST = 64 };

/* A mapping of the file and the part of a table that it may fill in. */
struct level {
    const struct option_table *table;
    void *object;
    char label[LABEL_BYTES];      /* before a key, in messages: `sinks[0].` */
    char prefix[COMPONENT_BYTES]; /* before a key, in the table: `journal.` */
};

static void walk_mapping(struct walk *walk, const struct level *level, tree_node node);

/* ---- notes ---- */

/* Answers the note's index; one beyond the last when there is no memory for it. */
static size_t note_add(struct walk *walk, const struct option_spec *option, const void *object,
                       struct tree_place place) {
    if (walk->notes_count == walk->notes_capacity) {
        size_t capacity = walk->notes_capacity > 0 ? 2 * walk->notes_capacity : NOTES_FIRST;
        struct walk_note *notes = realloc(walk->notes, capacity * sizeof *notes);
        if (!notes) {
            walk->no_memory = true;
            return SIZE_MAX;
        }
        walk->notes = notes;
        walk->notes_capacity = capacity;
    }
    walk->notes[walk->notes_count] = (struct walk_note){option, object, place, false};
    return walk->notes_count++;
}

static const struct walk_note *note_find(const struct walk *walk, const struct option_spec *option,
                                         const void *object) {
    for (size_t i = 0; i < walk->notes_count; i++)
        if (walk->notes[i].option == option && walk->notes[i].object == object)
            return &walk->notes[i];
    return NULL;
}

const struct walk_note *walk_find(const struct walk *walk, const struct option_table *table,
                                  const void *object, const char *path) {
    return note_find(walk, option_find(table, path), object);
}

void walk_fini(struct walk *walk) {
    free(walk->notes);
    walk->notes = NULL;
    walk->notes_count = walk->notes_capacity = 0;
}

/* ---- names ---- */

/* The part of an option's path below the prefix and before the next dot; false when it lies elsewhere. */
static bool path_component(const char *path, const char *prefix, char ret_component[COMPONENT_BYTES]) {
    size_t skipped = strlen(prefix);
    if (strncmp(path, prefix, skipped) != 0)
        return false;
    size_t length = strcspn(path + skipped, ".");
    memcpy(ret_component, path + skipped, length);
    ret_component[length] = '\0';
    return true;
}

/* Whether the table has a section of this name below the level's prefix. */
static bool level_has_section(const struct level *level, const char *section) {
    size_t length = strlen(section);
    for (size_t i = 0; i < level->table->count; i++)
        if (strncmp(level->table->options[i].path, section, length) == 0 &&
            level->table->options[i].path[length] == '.')
            return true;
    return false;
}

static void unknown_key(struct walk *walk, const struct level *level, const char *key,
                        struct tree_place place) {
    char components[SIBLINGS_MAX][COMPONENT_BYTES];
    const char *siblings[SIBLINGS_MAX + 1];
    char label[LABEL_BYTES + COMPONENT_BYTES];
    size_t count = 0;
    for (size_t i = 0; i < level->table->count && count < SIBLINGS_MAX; i++)
        if (path_component(level->table->options[i].path, level->prefix, components[count])) {
            siblings[count] = components[count];
            count++;
        }
    siblings[count] = NULL;
    const char *near = nearest_name(key, siblings);
    snprintf(label, sizeof label, "%s%.60s", level->label, key);
    if (near)
        errors_add(walk->errors, place, label, "unknown setting; did you mean \"%s%s\"?", level->label, near);
    else
        errors_add(walk->errors, place, label, "unknown setting");
}

/* ---- values ---- */

static void scalar_take(struct walk *walk, const struct level *level, const struct option_spec *option,
                        const char *label, tree_node node) {
    struct tree_place place = tree_place_of(walk->tree, node);
    enum tree_kind kind = tree_kind_of(walk->tree, node);
    const char *text = tree_text(walk->tree, node);
    char buffer[CONFIG_ERROR_BYTES];
    struct text why;
    text_init(&why, buffer, sizeof buffer);
    if (kind == TREE_EMPTY)
        errors_add(walk->errors, place, label, "has no value");
    else if (kind != TREE_SCALAR)
        errors_add(walk->errors, place, label, "expected one value, got a %s",
                   kind == TREE_LIST ? "list" : "section");
    else if (!text)
        errors_add(walk->errors, place, label, "has a NUL byte inside");
    else if (!option_parse(option, text, level->object, &why))
        errors_add(walk->errors, place, label, "%s", buffer);
}

static void defaults_fill(struct walk *walk, const struct option_table *table, void *object) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        char buffer[CONFIG_ERROR_BYTES];
        struct text why;
        text_init(&why, buffer, sizeof buffer);
        if (option->default_text && !(option->flags & OPTION_INHERITS) &&
            !option_parse(option, option->default_text, object, &why))
            errors_add(walk->errors, (struct tree_place){1, 1}, option->path, "default: %s", buffer);
    }
}

static void required_check(struct walk *walk, const struct level *level, const struct option_spec *option,
                           struct tree_place place) {
    char label[LABEL_BYTES + COMPONENT_BYTES];
    snprintf(label, sizeof label, "%s%s", level->label, option->path);
    if ((option->flags & OPTION_REQUIRED) && !note_find(walk, option, level->object))
        errors_add(walk->errors, place, label, "is missing, and has no default");
}

static void foreign_check(struct walk *walk, const struct level *level, const struct option_spec *option) {
    const struct walk_note *note = note_find(walk, option, level->object);
    char label[LABEL_BYTES + COMPONENT_BYTES];
    snprintf(label, sizeof label, "%s%s", level->label, option->path);
    if (note)
        errors_add(walk->errors, note->place, label, "is only for type %.*s", (int)strcspn(option->path, "."),
                   option->path);
}

static void object_check(struct walk *walk, const struct level *level, struct tree_place place) {
    const struct walk_note *type = walk_find(walk, level->table, level->object, "type");
    bool typed = type && type->good;
    for (size_t i = 0; i < level->table->count; i++) {
        const struct option_spec *option = &level->table->options[i];
        if (option_only_for(level->table, option) >= 0 && !typed)
            continue; /* nobody knows what it needs */
        if (option_applies(level->table, option, level->object))
            required_check(walk, level, option, place);
        else
            foreign_check(walk, level, option);
    }
}

/* Whether the node is a mapping of a sane size; adds the error when it is not. */
static bool is_walkable(struct walk *walk, const struct level *level, tree_node node) {
    struct tree_place place = tree_place_of(walk->tree, node);
    size_t size = tree_size(walk->tree, node);
    char label[LABEL_BYTES];
    snprintf(label, sizeof label, "%s", level->label[0] ? level->label : "configuration ");
    label[strlen(label) - 1] = '\0';
    if (tree_kind_of(walk->tree, node) != TREE_MAPPING) {
        errors_add(walk->errors, place, label, "expected settings, `key: value`");
        return false;
    }
    if (size > KEYS_MAX) {
        errors_add(walk->errors, place, label, "has %zu settings, more than there are", size);
        return false;
    }
    return true;
}

/* Reads one object: an entry of a list, or the whole file. */
static void object_take(struct walk *walk, const struct level *level, tree_node node) {
    defaults_fill(walk, level->table, level->object);
    if (!is_walkable(walk, level, node))
        return;
    walk_mapping(walk, level, node);
    object_check(walk, level, tree_place_of(walk->tree, node));
}

/* Whether an earlier pair has the same key, and its line. */
static bool key_repeats(struct walk *walk, tree_node mapping, size_t i, const char *key, size_t *ret_line) {
    for (size_t j = 0; j < i; j++) {
        tree_node other, value;
        tree_pair(walk->tree, mapping, j, &other, &value);
        const char *text = tree_text(walk->tree, other);
        if (text && strcmp(text, key) == 0) {
            *ret_line = tree_place_of(walk->tree, other).line;
            return true;
        }
    }
    return false;
}

/* The pair's key; NULL, with its error, when it has none of its own. */
static const char *pair_key(struct walk *walk, tree_node mapping, size_t i, tree_node key_node) {
    size_t line;
    const char *key = tree_text(walk->tree, key_node);
    if (!key) {
        errors_add(walk->errors, tree_place_of(walk->tree, key_node), "key",
                   "expected the name of a setting");
        return NULL;
    }
    if (!key_repeats(walk, mapping, i, key, &line))
        return key;
    errors_add(walk->errors, tree_place_of(walk->tree, key_node), key, "stands here again, first on line %zu",
               line);
    return NULL;
}

static void item_take(struct walk *walk, const struct option_spec *option, const struct level *entry,
                      tree_node list, size_t i) {
    const struct option_spec *parts = option->element->options;
    if (option->type == OPTION_LIST) {
        object_take(walk, entry, tree_item(walk->tree, list, i));
        return;
    }
    char label[LABEL_BYTES];
    snprintf(label, sizeof label, "%.*s", (int)strlen(entry->label) - 1, entry->label);
    if (option->type == OPTION_TEXTS) {
        scalar_take(walk, entry, &parts[0], label, tree_item(walk->tree, list, i));
        return;
    }
    tree_node key_node, value;
    tree_pair(walk->tree, list, i, &key_node, &value);
    const char *key = pair_key(walk, list, i, key_node);
    if (!key)
        return;
    scalar_take(walk, entry, &parts[0], label, key_node);
    snprintf(label + strlen(label), sizeof label - strlen(label), ".%.60s", key);
    scalar_take(walk, entry, &parts[1], label, value);
}

static void list_take(struct walk *walk, const struct level *level, const struct option_spec *option,
                      const char *label, tree_node node) {
    struct tree_place place = tree_place_of(walk->tree, node);
    size_t count = tree_size(walk->tree, node);
    bool map = option->type == OPTION_MAP;
    if (tree_kind_of(walk->tree, node) != (map ? TREE_MAPPING : TREE_LIST)) {
        errors_add(walk->errors, place, label, "expected a %s", option_type_name(option));
        return;
    }
    if (count < option->least || count > option->most) {
        errors_add(walk->errors, place, label, "has %zu entries; allowed: %zu to %zu", count,
                   (size_t)option->least, (size_t)option->most);
        return;
    }
    if (count == 0)
        return;
    char *items = calloc(count, option->element->object_bytes);
    if (!items) {
        walk->no_memory = true;
        return;
    }
    option_list_set(option, level->object, items, count);
    for (size_t i = 0; i < count; i++) {
        struct level entry = {.table = option->element, .object = items + i * option->element->object_bytes};
        if (map)
            snprintf(entry.label, sizeof entry.label, "%.100s.", label);
        else
            snprintf(entry.label, sizeof entry.label, "%.100s[%zu].", label, i);
        item_take(walk, option, &entry, node, i);
    }
}

/* ---- mappings ---- */

static void section_walk(struct walk *walk, const struct level *level, const char *path, const char *label,
                         tree_node node) {
    struct level section = {.table = level->table, .object = level->object};
    snprintf(section.prefix, sizeof section.prefix, "%.62s.", path);
    snprintf(section.label, sizeof section.label, "%.126s.", label);
    /* A section of which every line is commented out. */
    if (tree_kind_of(walk->tree, node) != TREE_EMPTY && is_walkable(walk, &section, node))
        walk_mapping(walk, &section, node);
}

static void pair_walk(struct walk *walk, const struct level *level, const char *key, tree_node key_node,
                      tree_node value) {
    char path[2 * COMPONENT_BYTES], label[LABEL_BYTES];
    snprintf(path, sizeof path, "%s%.63s", level->prefix, key);
    snprintf(label, sizeof label, "%.63s%.63s", level->label, key);
    /* `journal.dir` is how we call it, not how it is written: a second way would hide duplicates. */
    const struct option_spec *option = strchr(key, '.') ? NULL : option_find(level->table, path);
    if (!option && level_has_section(level, path)) {
        section_walk(walk, level, path, label, value);
        return;
    }
    if (!option) {
        unknown_key(walk, level, key, tree_place_of(walk->tree, key_node));
        return;
    }
    size_t errors_before = walk->errors->count;
    size_t note = note_add(walk, option, level->object, tree_place_of(walk->tree, key_node));
    if (option_is_list(option))
        list_take(walk, level, option, label, value);
    else
        scalar_take(walk, level, option, label, value);
    if (note < walk->notes_count)
        walk->notes[note].good = walk->errors->count == errors_before;
}

/* Recursion as deep as the table: section, list, entry. An alias cannot lead it any further. */
static void walk_mapping(struct walk *walk, const struct level *level, tree_node node) {
    size_t size = tree_size(walk->tree, node);
    for (size_t i = 0; i < size; i++) {
        tree_node key_node, value;
        tree_pair(walk->tree, node, i, &key_node, &value);
        const char *key = pair_key(walk, node, i, key_node);
        if (key)
            pair_walk(walk, level, key, key_node, value);
    }
}

/* ---- inheritance ---- */

static void inherit(struct walk *walk, const struct option_table *table, void *object) {
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *option = &table->options[i];
        if (!(option->flags & OPTION_INHERITS) || note_find(walk, option, object))
            continue;
        const struct option_spec *from = option_find(&option_root, option->default_text);
        memcpy((char *)object + option->offset, (const char *)walk->config + from->offset, sizeof(uint64_t));
    }
}

void walk_object(struct walk *walk, const struct option_table *table, void *object) {
    struct level root = {.table = table, .object = object};
    object_take(walk, &root, tree_root(walk->tree));
}

/* What a sink's type decides where the file is silent: readers of Kafka see an epoch when it ends. */
static void type_default(struct walk *walk, const struct option_table *table, struct config_sink *sink) {
    if (sink->type == CONFIG_SINK_KAFKA && !walk_find(walk, table, sink, "roll_interval"))
        sink->roll_interval_us = 1000000;
}

void walk_config(struct walk *walk) {
    walk_object(walk, &option_root, walk->config);
    for (size_t i = 0; i < option_root.count; i++) {
        const struct option_spec *option = &option_root.options[i];
        if (option->type != OPTION_LIST)
            continue;
        size_t count;
        char *items = option_list_items(option, walk->config, &count);
        for (size_t j = 0; j < count; j++)
            inherit(walk, option->element, items + j * option->element->object_bytes);
    }
    const struct option_table *sinks = option_find(&option_root, "sinks")->element;
    for (size_t i = 0; i < walk->config->sinks_count; i++)
        type_default(walk, sinks, &walk->config->sinks[i]);
}

#include "sdk/tools/store/show.h"

#include <inttypes.h>
#include <string.h>

#include "sdk/tools/store/json.h"

static const char *priority_name(wadi_priority priority) {
    switch (priority) {
    case WADI_LOW:
        return "low";
    case WADI_NORMAL:
        return "normal";
    case WADI_HIGH:
        return "high";
    case WADI_CRITICAL:
        return "critical";
    }
    return "unknown";
}

static void hex_show(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
}

void show_text(wire_span text) {
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.data[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static wire_span name_of(const event_entry *entry, wire_props *props) {
    wire_span inlined = wire_props_begin(props, &entry->view);
    return entry->view.name != 0 ? event_text(entry, entry->view.name) : inlined;
}

/* ---- a line for people -------------------------------------------------------------------------- */

static void time_show(const event_entry *entry) {
    int64_t us = 0;
    char text[TIME_TEXT_BYTES];
    const char *quality = event_time(entry, &us);
    if (quality == NULL) {
        printf("  run+%" PRIu64 ".%06" PRIu64 "s", entry->view.at_us / 1000000, entry->view.at_us % 1000000);
        return;
    }
    time_put(us, text);
    printf("  %s %s", text, quality);
}

void show_event(const lane *l, const event_entry *entry) {
    wire_props props;
    printf("%s  ", l->name);
    if (entry->stream != NULL)
        hex_show(entry->stream->id, sizeof entry->stream->id);
    else
        printf("(ring)");
    if (entry->seq == 0)
        printf("  -");
    else if (entry->through != entry->seq)
        printf("  %" PRIu64 "-%" PRIu64, entry->seq, entry->through);
    else
        printf("  %" PRIu64, entry->seq);
    printf("  run %" PRIu64, entry->run);
    if (entry->reason != 0) {
        printf("  dropped: %s\n", wire_drop_reason_name(entry->reason));
        return;
    }
    time_show(entry);
    printf("  %s  %zu bytes  ", priority_name(entry->priority), entry->n);
    wire_span name = name_of(entry, &props);
    if (name.n > 0)
        show_text(name);
    else
        printf("(its name is lost)");
    printf("%s%s\n", entry->resent ? "  resent" : "", entry->stray ? "  salvaged" : "");
}

/* ---- JSON --------------------------------------------------------------------------------------- */

static json_t *value_of(const wire_prop_view *prop) {
    switch (prop->type) {
    case WIRE_STRING:
        return json_of_text(prop->s);
    case WIRE_INT:
        return json_integer(prop->i);
    case WIRE_DOUBLE:
        return json_of_double(prop->d);
    case WIRE_FALSE:
        return json_false();
    case WIRE_TRUE:
        return json_true();
    case WIRE_BYTES:
        return json_of_base64(prop->s);
    }
    return json_null();
}

/* Under a text that is made fit for JSON, as values are. A definition that is lost leaves its number. */
static bool member_put(json_t *object, wire_span key, uint32_t id, json_t *value) {
    char numbered[32];
    if (key.n == 0 && id != 0) {
        int n = snprintf(numbered, sizeof numbered, "(lost key %" PRIu32 ")", id);
        key = (wire_span){(const uint8_t *)numbered, n > 0 ? (size_t)n : 0};
    }
    json_t *name = json_of_text(key);
    bool good = name != NULL && value != NULL &&
                json_object_setn_new_nocheck(object, json_string_value(name), json_string_length(name),
                                             json_incref(value)) == 0;
    json_decref(value);
    json_decref(name);
    return good;
}

static json_t *properties_of(const event_entry *entry, wire_props *props) {
    json_t *object = json_object();
    wire_prop_view prop = {.key_id = 0};
    while (object != NULL && wire_props_next(props, &prop)) {
        wire_span key = prop.key_id != 0 ? event_text(entry, prop.key_id) : prop.key;
        if (!member_put(object, key, prop.key_id, value_of(&prop))) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

static json_t *text_or_null(wire_span text) { return text.n > 0 ? json_of_text(text) : json_null(); }

static bool context_put(json_t *line, const event_entry *entry) {
    wire_context_view view = {.n_attributes = 0};
    json_t *context = json_object();
    (void)event_context(entry, &view);
    bool good = context != NULL;
    for (uint32_t i = 0; good && i < view.n_attributes; i++)
        good = member_put(context, view.attributes[i].key, 0, json_of_text(view.attributes[i].value));
    return json_object_set_new(line, "user", text_or_null(view.user)) == 0 &&
           json_object_set_new(line, "session", text_or_null(view.session)) == 0 &&
           json_object_set_new(line, "context", context) == 0 && good;
}

/* What is no event: as the collector's sinks name it. */
static json_t *dropped_of(const event_entry *entry) {
    const uint64_t count = entry->through - entry->seq + 1;
    return json_pack("{s:I,s:I,s:I,s:s}", "first_seq", (json_int_t)entry->seq, "last_seq",
                     (json_int_t)entry->through, "count", (json_int_t)count, "reason",
                     wire_drop_reason_name(entry->reason));
}

static bool origin_put(json_t *line, const store_dir *dir, const lane *l, const event_entry *entry) {
    bool known = dir != NULL && dir->has_installation;
    json_t *installation = known ? json_of_hex(dir->installation, WIRE_ID_BYTES) : json_null();
    bool has_stream = entry->stream != NULL && !l->found.rebuilt;
    json_t *stream = has_stream ? json_of_hex(entry->stream->id, WIRE_ID_BYTES) : json_null();
    json_t *seq = entry->seq != 0 ? json_integer((json_int_t)entry->seq) : json_null();
    bool good =
        json_object_set_new(line, "installation", installation) == 0 &&
        json_object_set_new(line, "stream", stream) == 0 && json_object_set_new(line, "seq", seq) == 0 &&
        json_object_set_new(line, "run", json_integer((json_int_t)entry->run)) == 0 &&
        json_object_set_new(line, "lane",
                            json_of_text((wire_span){(const uint8_t *)l->name, strlen(l->name)})) == 0;
    if (entry->resent)
        good = good && json_object_set_new(line, "resent", json_true()) == 0;
    if (entry->stray)
        good = good && json_object_set_new(line, "salvaged", json_true()) == 0;
    return good;
}

static bool time_put_json(json_t *line, const event_entry *entry) {
    int64_t us = 0;
    const char *quality = entry->reason == 0 ? event_time(entry, &us) : NULL;
    return json_object_set_new(line, "time", quality != NULL ? json_of_time(us) : json_null()) == 0 &&
           json_object_set_new(line, "time_quality", quality != NULL ? json_string(quality) : json_null()) ==
               0;
}

bool show_event_json(const store_dir *dir, const lane *l, const event_entry *entry) {
    wire_props props;
    json_t *line = json_object();
    bool event = entry->reason == 0;
    wire_span name = {(const uint8_t *)"_wadi.dropped", sizeof "_wadi.dropped" - 1};
    if (event)
        name = name_of(entry, &props);
    bool good = line != NULL && json_object_set_new(line, "name", text_or_null(name)) == 0 &&
                time_put_json(line, entry) && origin_put(line, dir, l, entry) && context_put(line, entry) &&
                json_object_set_new(line, "properties",
                                    event ? properties_of(entry, &props) : dropped_of(entry)) == 0;
    if (good)
        return json_print(line);
    json_decref(line);
    return false;
}

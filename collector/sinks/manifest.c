#include "manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "parquet/columns.h"
#include "text.h"

#define VERSION 1
#define VERSION_LATE 2 /* with late events held: a build that does not know them would lose them */
#define ID_BYTES 16u

/* ---- checkpoint ------------------------------------------------------------------------------------- */

void checkpoint_fini(checkpoint *c) {
    free(c->starts);
    *c = (checkpoint){0};
}

uint64_t checkpoint_low(const checkpoint *c) {
    return c->holds_late && c->late.low < c->mark.low ? c->late.low : c->mark.low;
}

bool checkpoint_copy(checkpoint *ret_copy, const checkpoint *from) {
    checkpoint copy = *from;
    copy.starts = malloc((from->n_starts + 1) * sizeof *copy.starts);
    if (!copy.starts)
        return false;
    if (from->n_starts > 0)
        memcpy(copy.starts, from->starts, from->n_starts * sizeof *copy.starts);
    checkpoint_fini(ret_copy);
    *ret_copy = copy;
    return true;
}

bool checkpoint_start_add(checkpoint *c, uint64_t position, const uint8_t id[16]) {
    start_seen *grown = realloc(c->starts, (c->n_starts + 1) * sizeof *grown);
    if (!grown)
        return false;
    c->starts = grown;
    c->starts[c->n_starts].position = position;
    memcpy(c->starts[c->n_starts++].id, id, ID_BYTES);
    return true;
}

void checkpoint_starts_trim(checkpoint *c) {
    if (c->n_starts <= CHECKPOINT_STARTS_MAX)
        return;
    size_t gone = c->n_starts - CHECKPOINT_STARTS_MAX;
    c->n_starts = CHECKPOINT_STARTS_MAX;
    memmove(c->starts, c->starts + gone, c->n_starts * sizeof *c->starts);
}

bool checkpoint_start_known(const checkpoint *c, uint64_t position, const uint8_t id[16]) {
    for (size_t i = 0; i < c->n_starts; i++)
        if (c->starts[i].position == position && memcmp(c->starts[i].id, id, ID_BYTES) == 0)
            return true;
    return false;
}

const char *manifest_gap_name(manifest_gap gap) {
    static const char *const names[] = {"none", "restored", "trimmed"};
    return names[gap];
}

bool manifest_knows(const manifest *m, const manifest *theirs) {
    char digits[sizeof theirs->incarnation];
    bool known = strcmp(m->incarnation, theirs->incarnation) == 0;
    for (size_t i = 0; i < m->to.n_starts && !known; i++) {
        hex_encode(digits, m->to.starts[i].id, (sizeof digits - 1) / 2);
        known = strcmp(digits, theirs->incarnation) == 0;
    }
    return known;
}

/* ---- columns ---------------------------------------------------------------------------------------- */

static void columns_free(encoder_column *columns, size_t n) {
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)columns[i].property);
    free(columns);
}

bool manifest_encoding_set(manifest *m, output_codec codec, const char *format, const encoder_column *columns,
                           size_t n_columns) {
    encoder_column *copy = calloc(n_columns + 1, sizeof *copy);
    for (size_t i = 0; copy && i < n_columns; i++) {
        copy[i] = (encoder_column){strdup(columns[i].property), columns[i].type};
        if (!copy[i].property) {
            columns_free(copy, i);
            return false;
        }
    }
    if (!copy)
        return false;
    columns_free(m->columns, m->n_columns);
    m->columns = copy;
    m->n_columns = n_columns;
    m->codec = codec;
    snprintf(m->format, sizeof m->format, "%s", format);
    return true;
}

bool manifest_encoding_equal(const manifest *a, const manifest *b) {
    return a->codec == b->codec && strcmp(a->format, b->format) == 0 &&
           encoder_columns_equal(a->columns, a->n_columns, b->columns, b->n_columns);
}

/* ---- encoding --------------------------------------------------------------------------------------- */

/* JSON's integers end at 2^63 - 1: the open end of a watermark's key is null. */
static json_t *encode_open_end(uint64_t value, uint64_t end) {
    return value == end ? json_null() : json_integer((json_int_t)value);
}

static json_t *encode_mark(const order_mark *mark) {
    const order_key *w = &mark->watermark;
    return json_pack("{sIsIs{sIsoso}}", "position", (json_int_t)mark->position, "low", (json_int_t)mark->low,
                     "watermark", "us", (json_int_t)w->us, "position",
                     encode_open_end(w->position, UINT64_MAX), "index",
                     encode_open_end(w->index, UINT32_MAX));
}

static json_t *encode_checkpoint(const checkpoint *c) {
    json_t *starts = json_array();
    for (size_t i = 0; i < c->n_starts; i++) {
        char id[2 * ID_BYTES + 1];
        hex_encode(id, c->starts[i].id, ID_BYTES);
        json_array_append_new(starts,
                              json_pack("{sIss}", "position", (json_int_t)c->starts[i].position, "id", id));
    }
    json_t *json = encode_mark(&c->mark);
    json_object_set_new(json, "starts", starts);
    if (c->holds_late) {
        json_t *late = encode_mark(&c->late);
        if (c->late_until != 0)
            json_object_set_new(late, "until", json_integer((json_int_t)c->late_until));
        json_object_set_new(json, "late", late);
    }
    return json;
}

static json_t *encode_objects(const manifest *m, sink_manifest kind) {
    json_t *objects = json_array();
    for (size_t i = 0; i < m->n_objects; i++) {
        const object_info *o = &m->objects[i];
        if (kind == SINK_INTENT)
            json_array_append_new(objects, json_pack("{ss}", "name", o->name));
        else
            json_array_append_new(objects,
                                  json_pack("{sssbsIsIsIsIsI}", "name", o->name, "late", (int)o->late,
                                            "events", (json_int_t)o->lines, "bytes", (json_int_t)o->bytes,
                                            "crc32c", (json_int_t)o->crc32c, "min_time_us",
                                            (json_int_t)o->min_us, "max_time_us", (json_int_t)o->max_us));
    }
    return objects;
}

static bool columns_add(json_t *root, const manifest *m) {
    json_t *columns = json_object();
    bool ok = m->n_columns == 0 || json_object_set(root, "columns", columns) == 0;
    for (size_t i = 0; i < m->n_columns && ok; i++)
        ok = json_object_set_new(columns, m->columns[i].property,
                                 json_string(column_type_name(m->columns[i].type))) == 0;
    json_decref(columns);
    return ok;
}

/* What only readers of the lake want to know: nothing of it is read back. */
static bool summary_add(json_t *root, const manifest *m) {
    json_t *min = m->lines > 0 ? json_integer(m->min_us) : json_null();
    json_t *max = m->lines > 0 ? json_integer(m->max_us) : json_null();
    json_t *summary = json_pack("{sIsosos{sIsI}}", "bytes", (json_int_t)m->bytes, "min_time_us", min,
                                "max_time_us", max, "journal", "first", (json_int_t)m->from.mark.position + 1,
                                "last", (json_int_t)m->to.mark.position);
    bool ok = summary && json_object_update(root, summary) == 0;
    json_decref(summary);
    return ok;
}

char *manifest_encode(const manifest *m, sink_manifest kind, size_t *ret_n) {
    int version = m->from.holds_late || m->to.holds_late ? VERSION_LATE : VERSION;
    json_t *root = json_pack(
        "{sisIsosos{sIsI}sssssisssosIsIss}", "version", version, "epoch", (json_int_t)m->epoch, "from",
        encode_checkpoint(&m->from), "to", encode_checkpoint(&m->to), "order", "window_us",
        (json_int_t)m->order.window_us, "max_pending_bytes", (json_int_t)m->order.pending_bytes_max, "format",
        m->format, "codec", output_codec_name(m->codec), "encoder_version", m->encoder_version, "incarnation",
        m->incarnation, "objects", encode_objects(m, kind), "events", (json_int_t)m->lines, "late",
        (json_int_t)m->late_lines, "gap", manifest_gap_name(m->gap));
    if (!root || !columns_add(root, m) || (kind == SINK_COMMIT && !summary_add(root, m))) {
        json_decref(root);
        return NULL;
    }
    char *text = json_dumps(root, JSON_INDENT(1));
    json_decref(root);
    if (text)
        *ret_n = strlen(text);
    return text;
}

/* ---- decoding --------------------------------------------------------------------------------------- */

static uint64_t decode_open_end(const json_t *value, uint64_t end) {
    return json_is_integer(value) ? (uint64_t)json_integer_value(value) : end;
}

static bool decode_mark(json_t *json, order_mark *ret) {
    json_int_t position, low, us;
    json_t *key_position, *key_index;
    if (json_unpack(json, "{sIsIs{sIsoso}}", "position", &position, "low", &low, "watermark", "us", &us,
                    "position", &key_position, "index", &key_index) != 0)
        return false;
    ret->position = (uint64_t)position;
    ret->low = (uint64_t)low;
    ret->watermark = (order_key){us, decode_open_end(key_position, UINT64_MAX),
                                 (uint32_t)decode_open_end(key_index, UINT32_MAX)};
    return true;
}

static bool decode_late(json_t *json, checkpoint *ret) {
    json_int_t until = 0;
    if (!decode_mark(json, &ret->late) || json_unpack(json, "{s?I}", "until", &until) != 0)
        return false;
    ret->holds_late = true;
    ret->late_until = (uint64_t)until;
    return true;
}

static bool decode_checkpoint(json_t *json, checkpoint *ret) {
    json_t *starts, *late = NULL;
    if (!decode_mark(json, &ret->mark) ||
        json_unpack(json, "{sos?o}", "starts", &starts, "late", &late) != 0 ||
        (late && !decode_late(late, ret)))
        return false;
    size_t i;
    json_t *start;
    json_array_foreach(starts, i, start) {
        const char *digits;
        json_int_t position;
        uint8_t id[ID_BYTES];
        if (json_unpack(start, "{sIss}", "position", &position, "id", &digits) != 0 ||
            !hex_decode(id, ID_BYTES, digits, strlen(digits)) ||
            !checkpoint_start_add(ret, (uint64_t)position, id))
            return false;
    }
    return true;
}

static bool decode_codec(const char *name, output_codec *ret_codec) {
    for (int c = OUTPUT_PLAIN; c <= OUTPUT_ZSTD; c++)
        if (strcmp(name, output_codec_name((output_codec)c)) == 0) {
            *ret_codec = (output_codec)c;
            return true;
        }
    return false;
}

/* In the order in which they stand. */
static bool decode_columns(json_t *json, manifest *ret) {
    ret->columns = calloc(json_object_size(json) + 1, sizeof *ret->columns);
    if (!ret->columns)
        return false;
    const char *property;
    json_t *value;
    json_object_foreach(json, property, value) {
        const char *type = json_string_value(value);
        encoder_column *column = &ret->columns[ret->n_columns++];
        column->property = strdup(property);
        if (!column->property || !type || !parquet_column_type(type, &column->type))
            return false;
    }
    return true;
}

static bool decode_gap(const char *name, manifest_gap *ret_gap) {
    for (int gap = MANIFEST_GAP_NONE; gap <= MANIFEST_GAP_TRIMMED; gap++)
        if (strcmp(name, manifest_gap_name((manifest_gap)gap)) == 0) {
            *ret_gap = (manifest_gap)gap;
            return true;
        }
    return false;
}

static bool decode_object(json_t *json, object_info *ret) {
    const char *name;
    json_int_t lines = 0, bytes = 0, crc = 0, min_us = 0, max_us = 0;
    int late = 0;
    if (json_unpack(json, "{sss?bs?Is?Is?Is?Is?I}", "name", &name, "late", &late, "events", &lines, "bytes",
                    &bytes, "crc32c", &crc, "min_time_us", &min_us, "max_time_us", &max_us) != 0 ||
        strlen(name) >= MANIFEST_NAME_MAX)
        return false;
    *ret = (object_info){.late = late != 0,
                         .lines = (uint64_t)lines,
                         .bytes = (uint64_t)bytes,
                         .crc32c = (uint32_t)crc,
                         .min_us = min_us,
                         .max_us = max_us};
    strcpy(ret->name, name);
    return true;
}

static bool decode_objects(json_t *array, manifest *ret) {
    ret->objects = calloc(json_array_size(array) + 1, sizeof *ret->objects);
    if (!ret->objects)
        return false;
    size_t i;
    json_t *object;
    json_array_foreach(array, i, object) {
        if (!decode_object(object, &ret->objects[i]))
            return false;
        ret->n_objects++;
    }
    return true;
}

static bool decode_root(json_t *root, manifest *ret) {
    int version, encoder_version;
    json_int_t epoch, window_us, pending_bytes_max, lines, late_lines;
    json_t *from, *to, *objects, *columns = NULL;
    const char *codec, *incarnation, *gap, *format = "jsonl";
    if (json_unpack(root, "{sisIsosos{sIsI}s?ss?osssisssosIsIss}", "version", &version, "epoch", &epoch,
                    "from", &from, "to", &to, "order", "window_us", &window_us, "max_pending_bytes",
                    &pending_bytes_max, "format", &format, "columns", &columns, "codec", &codec,
                    "encoder_version", &encoder_version, "incarnation", &incarnation, "objects", &objects,
                    "events", &lines, "late", &late_lines, "gap", &gap) != 0 ||
        version < VERSION || version > VERSION_LATE || strlen(incarnation) >= sizeof ret->incarnation ||
        strlen(format) >= sizeof ret->format)
        return false;
    ret->epoch = (uint64_t)epoch;
    ret->order.window_us = window_us;
    ret->order.pending_bytes_max = (uint64_t)pending_bytes_max;
    ret->encoder_version = encoder_version;
    strcpy(ret->incarnation, incarnation);
    strcpy(ret->format, format);
    ret->lines = (uint64_t)lines;
    ret->late_lines = (uint64_t)late_lines;
    return decode_codec(codec, &ret->codec) && decode_columns(columns, ret) && decode_gap(gap, &ret->gap) &&
           decode_checkpoint(from, &ret->from) && decode_checkpoint(to, &ret->to) &&
           decode_objects(objects, ret);
}

sink_err manifest_decode(const char *text, size_t n, manifest *ret_manifest) {
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    if (!root)
        return SINK_ERR_CHECKPOINT;
    manifest m = {0};
    bool ok = decode_root(root, &m);
    json_decref(root);
    if (!ok) {
        manifest_fini(&m);
        return SINK_ERR_CHECKPOINT;
    }
    *ret_manifest = m;
    return SINK_OK;
}

void manifest_fini(manifest *m) {
    checkpoint_fini(&m->from);
    checkpoint_fini(&m->to);
    columns_free(m->columns, m->n_columns);
    free(m->objects);
    *m = (manifest){0};
}

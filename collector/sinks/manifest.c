#include "manifest.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "text.h"

#define VERSION 1
#define ID_BYTES 16u

/* ---- checkpoint ------------------------------------------------------------------------------------- */

void checkpoint_fini(checkpoint *c) {
    free(c->starts);
    *c = (checkpoint){0};
}

bool checkpoint_copy(checkpoint *ret_copy, const checkpoint *from) {
    checkpoint copy = {.mark = from->mark, .n_starts = from->n_starts};
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

/* ---- encoding --------------------------------------------------------------------------------------- */

/* JSON's integers end at 2^63 - 1: the open end of a watermark's key is null. */
static json_t *encode_open_end(uint64_t value, uint64_t end) {
    return value == end ? json_null() : json_integer((json_int_t)value);
}

static json_t *encode_checkpoint(const checkpoint *c) {
    json_t *starts = json_array();
    for (size_t i = 0; i < c->n_starts; i++) {
        char id[2 * ID_BYTES + 1];
        hex_encode(id, c->starts[i].id, ID_BYTES);
        json_array_append_new(starts,
                              json_pack("{sIss}", "position", (json_int_t)c->starts[i].position, "id", id));
    }
    const order_key *w = &c->mark.watermark;
    return json_pack("{sIsIs{sIsoso}so}", "position", (json_int_t)c->mark.position, "low",
                     (json_int_t)c->mark.low, "watermark", "us", (json_int_t)w->us, "position",
                     encode_open_end(w->position, UINT64_MAX), "index", encode_open_end(w->index, UINT32_MAX),
                     "starts", starts);
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

char *manifest_encode(const manifest *m, sink_manifest kind, size_t *ret_n) {
    json_t *root =
        json_pack("{sisIsosos{sIsI}sssisssosIsIss}", "version", VERSION, "epoch", (json_int_t)m->epoch,
                  "from", encode_checkpoint(&m->from), "to", encode_checkpoint(&m->to), "order", "window_us",
                  (json_int_t)m->order.window_us, "max_pending_bytes", (json_int_t)m->order.pending_bytes_max,
                  "codec", output_codec_name(m->codec), "encoder_version", m->encoder_version, "incarnation",
                  m->incarnation, "objects", encode_objects(m, kind), "events", (json_int_t)m->lines, "late",
                  (json_int_t)m->late_lines, "gap", manifest_gap_name(m->gap));
    if (!root)
        return NULL;
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

static bool decode_checkpoint(json_t *json, checkpoint *ret) {
    json_int_t position, low, us;
    json_t *key_position, *key_index, *starts;
    if (json_unpack(json, "{sIsIs{sIsoso}so}", "position", &position, "low", &low, "watermark", "us", &us,
                    "position", &key_position, "index", &key_index, "starts", &starts) != 0)
        return false;
    ret->mark.position = (uint64_t)position;
    ret->mark.low = (uint64_t)low;
    ret->mark.watermark = (order_key){us, decode_open_end(key_position, UINT64_MAX),
                                      (uint32_t)decode_open_end(key_index, UINT32_MAX)};
    size_t i;
    json_t *start;
    json_array_foreach(starts, i, start) {
        const char *digits;
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
    json_t *from, *to, *objects;
    const char *codec, *incarnation, *gap;
    if (json_unpack(root, "{sisIsosos{sIsI}sssisssosIsIss}", "version", &version, "epoch", &epoch, "from",
                    &from, "to", &to, "order", "window_us", &window_us, "max_pending_bytes",
                    &pending_bytes_max, "codec", &codec, "encoder_version", &encoder_version, "incarnation",
                    &incarnation, "objects", &objects, "events", &lines, "late", &late_lines, "gap",
                    &gap) != 0 ||
        version != VERSION || strlen(incarnation) >= sizeof ret->incarnation)
        return false;
    ret->epoch = (uint64_t)epoch;
    ret->order.window_us = window_us;
    ret->order.pending_bytes_max = (uint64_t)pending_bytes_max;
    ret->encoder_version = encoder_version;
    strcpy(ret->incarnation, incarnation);
    ret->lines = (uint64_t)lines;
    ret->late_lines = (uint64_t)late_lines;
    return decode_codec(codec, &ret->codec) && decode_gap(gap, &ret->gap) &&
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
    free(m->objects);
    *m = (manifest){0};
}

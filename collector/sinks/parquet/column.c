#include "column.h"

#include <math.h>
#include <stdlib.h>

/* A dictionary is worth it where a value comes at least that often. */
#define REPEATS_MIN 2u
#define REPEATS_JUDGED_FROM 256u /* values: fewer say nothing */

/* ---- levels ------------------------------------------------------------------------------------------ */

bool levels_init(levels *l, bool repeated) {
    size_t n = repeated ? PAGE_VALUES_MAX : PAGE_ROWS_MAX;
    *l = (levels){.definition = malloc(n * sizeof *l->definition),
                  .repetition = repeated ? malloc(n * sizeof *l->repetition) : NULL};
    return l->definition && (l->repetition || !repeated);
}

void levels_fini(levels *l) {
    free(l->definition);
    free(l->repetition);
    bytes_free(&l->encoded);
}

static void level_put(bytes *out, const uint32_t *level, uint32_t n) {
    size_t head = out->n;
    uint32_t length = 0;
    bytes_put(out, &length, sizeof length);
    hybrid_put(out, level, n, 1);
    if (out->failed)
        return;
    length = (uint32_t)(out->n - head - sizeof length);
    memcpy(out->data + head, &length, sizeof length);
}

void levels_encode(levels *l) {
    l->encoded.n = 0;
    if (l->repetition)
        level_put(&l->encoded, l->repetition, l->n);
    level_put(&l->encoded, l->definition, l->n);
}

/* ---- life -------------------------------------------------------------------------------------------- */

bool column_init(column *c, const column_spec *spec, levels *l, uint64_t *page_plain_bytes) {
    bool map = spec->role == ROLE_MAP_KEY || spec->role == ROLE_MAP_VALUE;
    size_t n = map ? PAGE_VALUES_MAX : PAGE_ROWS_MAX;
    *c = (column){.spec = spec,
                  .levels = l,
                  .page_plain_bytes = page_plain_bytes,
                  .dictionary.fixed = spec->type != COLUMN_STRING};
    bool coded = spec->dictionary || spec->type == COLUMN_BOOL;
    c->codes = coded ? malloc(n * sizeof *c->codes) : NULL;
    return c->codes || !coded;
}

void column_fini(column *c) {
    free(c->codes);
    bytes_free(&c->plain);
    dictionary_free(&c->dictionary);
    bytes_free(&c->pages);
    free(c->infos);
}

void column_begin(column *c, bool new_object) {
    c->given_up &= !new_object;
    c->open = c->spec->dictionary && !c->given_up;
    dictionary_clear(&c->dictionary);
    c->n_codes = 0;
    bytes_clear(&c->plain);
    bytes_clear(&c->pages);
    c->n_pages = c->n_coded_pages = 0;
    c->n_places = c->raw_bytes = 0;
    c->bounds = (bounds){0};
    if (new_object)
        c->failed = false;
}

bool column_failed(const column *c) {
    return c->failed || c->plain.failed || c->pages.failed || c->dictionary.failed ||
           (c->levels && c->levels->encoded.failed);
}

size_t column_bytes(const column *c) {
    return c->pages.n + c->n_pages * sizeof *c->infos + dictionary_bytes(&c->dictionary);
}

/* ---- dictionary -------------------------------------------------------------------------------------- */

uint32_t column_ref(column *c, const void *data, size_t n) {
    if (!c->open)
        return DICTIONARY_FULL;
    uint32_t ref = dictionary_index(&c->dictionary, data, n);
    if (ref == DICTIONARY_FULL)
        column_close(c);
    return ref;
}

void column_close(column *c) {
    c->open = false;
    for (uint32_t i = 0; i < c->n_codes; i++) {
        wire_span value = dictionary_value(&c->dictionary, c->codes[i]);
        column_put_ref(c, 0, value.data, value.n);
    }
    c->n_codes = 0;
}

/* Judged by the first page of a chunk. */
static bool dictionary_worth(const column *c) {
    return c->n_codes < REPEATS_JUDGED_FROM || c->dictionary.n <= c->n_codes / REPEATS_MIN;
}

/* ---- bounds of a page -------------------------------------------------------------------------------- */

static void stretch_over_codes(column *c, wire_span *least, wire_span *greatest) {
    uint32_t mark = c->n_pages + 1;
    for (uint32_t i = 0; i < c->n_codes; i++) {
        uint32_t code = c->codes[i];
        if (c->dictionary.marks[code] == mark)
            continue;
        c->dictionary.marks[code] = mark;
        bounds_stretch(c->spec->type, dictionary_value(&c->dictionary, code), least, greatest);
    }
}

/* The least and the greatest of the page's, which has some. */
static void ints_bound(const column *c, int64_t ret_bounds[2]) {
    int64_t least = INT64_MAX, greatest = INT64_MIN, value;
    for (size_t at = 0; at < c->plain.n; at += sizeof value) {
        memcpy(&value, c->plain.data + at, sizeof value);
        least = value < least ? value : least;
        greatest = value > greatest ? value : greatest;
    }
    ret_bounds[0] = least;
    ret_bounds[1] = greatest;
}

/* Returns how many are no number. */
static uint64_t stretch_over_doubles(const column *c, wire_span *least, wire_span *greatest) {
    uint64_t nans = 0;
    double value;
    for (size_t at = 0; at < c->plain.n; at += sizeof value) {
        memcpy(&value, c->plain.data + at, sizeof value);
        if (isnan(value))
            nans++;
        else
            bounds_stretch(COLUMN_DOUBLE, (wire_span){c->plain.data + at, sizeof value}, least, greatest);
    }
    return nans;
}

static void stretch_over_texts(const column *c, wire_span *least, wire_span *greatest) {
    for (size_t at = 0; at < c->plain.n;) {
        uint32_t n;
        memcpy(&n, c->plain.data + at, sizeof n);
        bounds_stretch(COLUMN_STRING, (wire_span){c->plain.data + at + sizeof n, n}, least, greatest);
        at += sizeof n + n;
    }
}

static void stretch_over_bools(const column *c, wire_span *least, wire_span *greatest) {
    static const uint8_t bools[] = {0, 1};
    uint32_t trues = 0;
    for (uint32_t i = 0; i < c->n_codes; i++)
        trues += c->codes[i];
    if (trues < c->n_codes)
        bounds_stretch(COLUMN_BOOL, (wire_span){&bools[0], 1}, least, greatest);
    if (trues > 0)
        bounds_stretch(COLUMN_BOOL, (wire_span){&bools[1], 1}, least, greatest);
}

static void page_bounds(column *c, uint32_t values, bounds *ret_bounds) {
    wire_span least = {NULL, 0}, greatest = {NULL, 0};
    int64_t ints[2];
    ret_bounds->nulls = c->levels ? c->levels->nulls : 0;
    ret_bounds->nans = 0;
    if (c->spec->index == INDEX_NONE) {
        values = 0;
    } else if (c->spec->type == COLUMN_BOOL) {
        stretch_over_bools(c, &least, &greatest);
    } else if (c->open) {
        stretch_over_codes(c, &least, &greatest);
    } else if (c->spec->type == COLUMN_STRING) {
        stretch_over_texts(c, &least, &greatest);
    } else if (c->spec->type == COLUMN_DOUBLE) {
        ret_bounds->nans = stretch_over_doubles(c, &least, &greatest);
    } else {
        ints_bound(c, ints);
        least = (wire_span){(const uint8_t *)&ints[0], sizeof *ints};
        greatest = (wire_span){(const uint8_t *)&ints[1], sizeof *ints};
    }
    bounds_set(ret_bounds, c->spec->type, least, greatest, values - ret_bounds->nans);
}

/* ---- pages ------------------------------------------------------------------------------------------- */

static void page_values(const column *c, bytes *raw) {
    if (c->spec->type == COLUMN_BOOL) {
        hybrid_pack(raw, c->codes, c->n_codes, 1);
    } else if (c->open) {
        unsigned width = hybrid_width(c->dictionary.n > 0 ? c->dictionary.n - 1 : 0);
        bytes_put_byte(raw, (uint8_t)width);
        hybrid_put(raw, c->codes, c->n_codes, width);
    } else {
        bytes_put(raw, c->plain.data, c->plain.n);
    }
}

/* Appends what press->raw holds. Returns the page's bytes with the header. */
static uint32_t page_append(column *c, page_press *press, page_kind kind, bytes *out) {
    size_t from = out->n;
    c->failed |= !page_put(press, kind, out);
    c->raw_bytes += out->n - from - press->packed.n + press->raw.n;
    return (uint32_t)(out->n - from);
}

static page_info *info_add(column *c) {
    if (c->n_pages == c->pages_cap) {
        uint32_t cap = c->pages_cap ? 2 * c->pages_cap : 8;
        page_info *grown = realloc(c->infos, cap * sizeof *grown);
        if (!grown) {
            c->failed = true;
            return NULL;
        }
        c->infos = grown;
        c->pages_cap = cap;
    }
    return &c->infos[c->n_pages];
}

void column_cut(column *c, page_press *press, uint32_t first_row, uint32_t rows) {
    if (c->open && c->n_pages == 0 && !dictionary_worth(c)) {
        c->given_up = true;
        column_close(c);
    }
    page_info *info = info_add(c);
    if (!info)
        return;
    uint32_t places = c->levels ? c->levels->n : rows;
    page_bounds(c, places - (c->levels ? c->levels->nulls : 0), &info->bounds);
    press->raw.n = 0;
    if (c->levels)
        bytes_put(&press->raw, c->levels->encoded.data, c->levels->encoded.n);
    page_values(c, &press->raw);
    page_kind kind = {PAGE_DATA, c->open ? ENCODING_RLE_DICTIONARY : ENCODING_PLAIN, places};
    info->n_bytes = page_append(c, press, kind, &c->pages);
    info->first_row = first_row;
    bounds_merge(&c->bounds, c->spec->type, &info->bounds);
    c->n_places += places;
    c->n_coded_pages += c->open;
    c->n_pages++;
    c->n_codes = 0;
    c->plain.n = 0;
}

void column_put_dictionary(column *c, page_press *press, bytes *out) {
    if (c->n_coded_pages == 0)
        return;
    press->raw.n = 0;
    bytes_put(&press->raw, c->dictionary.stored.data, c->dictionary.stored.n);
    page_append(c, press, (page_kind){PAGE_DICTIONARY, ENCODING_PLAIN, c->dictionary.n}, out);
}

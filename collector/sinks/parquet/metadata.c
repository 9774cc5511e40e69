#include "metadata.h"

#include "schema.h"
#include "thrift.h"

static int32_t codec_number(output_codec codec) {
    static const uint8_t numbers[] = {
        [OUTPUT_PLAIN] = CODEC_NONE, [OUTPUT_GZIP] = CODEC_GZIP, [OUTPUT_ZSTD] = CODEC_ZSTD};
    return numbers[codec];
}

/* ---- pages ------------------------------------------------------------------------------------------- */

static bool page_is_null(const page_info *page) { return page->bounds.values + page->bounds.nans == 0; }

static bool pages_bounded(const column *c) {
    if (c->spec->index != INDEX_PAGES)
        return false;
    for (uint32_t i = 0; i < c->n_pages; i++) {
        const page_info *page = &c->infos[i];
        if (!page_is_null(page) && (!page->bounds.least.set || !page->bounds.greatest.set))
            return false;
    }
    return true;
}

static bool bound_falls(column_type type, const bound *before, const bound *after) {
    return bounds_compare(type, (wire_span){before->data, before->n}, (wire_span){after->data, after->n}) > 0;
}

static bool pages_ascend(const column *c) {
    const bounds *last = NULL;
    for (uint32_t i = 0; i < c->n_pages; i++) {
        const bounds *b = &c->infos[i].bounds;
        if (page_is_null(&c->infos[i]))
            continue;
        if (last && (bound_falls(c->spec->type, &last->least, &b->least) ||
                     bound_falls(c->spec->type, &last->greatest, &b->greatest)))
            return false;
        last = b;
    }
    return true;
}

static void put_bound_list(thrift *t, int field, const column *c, bool greatest) {
    thrift_list(t, field, THRIFT_BINARY, c->n_pages);
    for (uint32_t i = 0; i < c->n_pages; i++) {
        const bound *b = greatest ? &c->infos[i].bounds.greatest : &c->infos[i].bounds.least;
        thrift_item_binary(t, b->data, page_is_null(&c->infos[i]) ? 0 : b->n);
    }
}

bool metadata_put_column_index(const column *c, bytes *out) {
    if (!pages_bounded(c))
        return false;
    thrift t;
    thrift_init(&t, out);
    thrift_list(&t, 1, THRIFT_TRUE, c->n_pages);
    for (uint32_t i = 0; i < c->n_pages; i++)
        thrift_item_bool(&t, page_is_null(&c->infos[i]));
    put_bound_list(&t, 2, c, false);
    put_bound_list(&t, 3, c, true);
    thrift_i32(&t, 4, pages_ascend(c) ? ORDER_ASCENDING : ORDER_NONE);
    thrift_list(&t, 5, THRIFT_I64, c->n_pages);
    for (uint32_t i = 0; i < c->n_pages; i++)
        thrift_item_int(&t, (int64_t)c->infos[i].bounds.nulls);
    if (c->spec->type == COLUMN_DOUBLE) {
        thrift_list(&t, 8, THRIFT_I64, c->n_pages);
        for (uint32_t i = 0; i < c->n_pages; i++)
            thrift_item_int(&t, (int64_t)c->infos[i].bounds.nans);
    }
    thrift_end(&t);
    return true;
}

void metadata_put_offset_index(const column *c, uint64_t pages_offset, bytes *out) {
    thrift t;
    thrift_init(&t, out);
    thrift_list(&t, 1, THRIFT_STRUCT, c->n_pages);
    for (uint32_t i = 0; i < c->n_pages; i++) {
        thrift_item(&t);
        thrift_i64(&t, 1, (int64_t)pages_offset);
        thrift_i32(&t, 2, (int32_t)c->infos[i].n_bytes);
        thrift_i64(&t, 3, c->infos[i].first_row);
        thrift_end(&t);
        pages_offset += c->infos[i].n_bytes;
    }
    thrift_end(&t);
}

/* ---- a row group ------------------------------------------------------------------------------------- */

static void put_statistics(thrift *t, int field, const column *c) {
    const bounds *b = &c->bounds;
    thrift_struct(t, field);
    thrift_i64(t, 3, (int64_t)b->nulls);
    if (b->greatest.set)
        thrift_binary(t, 5, b->greatest.data, b->greatest.n);
    if (b->least.set)
        thrift_binary(t, 6, b->least.data, b->least.n);
    if (b->greatest.set)
        thrift_bool(t, 7, b->greatest.exact);
    if (b->least.set)
        thrift_bool(t, 8, b->least.exact);
    if (c->spec->type == COLUMN_DOUBLE)
        thrift_i64(t, 9, (int64_t)b->nans);
    thrift_end(t);
}

static void put_page_count(thrift *t, enum parquet_page page, enum parquet_encoding encoding, uint32_t n) {
    thrift_item(t);
    thrift_i32(t, 1, (int32_t)page);
    thrift_i32(t, 2, (int32_t)encoding);
    thrift_i32(t, 3, (int32_t)n);
    thrift_end(t);
}

static void put_page_counts(thrift *t, int field, const column *c) {
    uint32_t plain = c->n_pages - c->n_coded_pages;
    bool coded = c->n_coded_pages > 0;
    thrift_list(t, field, THRIFT_STRUCT, (coded ? 2u : 0u) + (plain > 0));
    if (coded) {
        put_page_count(t, PAGE_DICTIONARY, ENCODING_PLAIN, 1);
        put_page_count(t, PAGE_DATA, ENCODING_RLE_DICTIONARY, c->n_coded_pages);
    }
    if (plain > 0)
        put_page_count(t, PAGE_DATA, ENCODING_PLAIN, plain);
}

static size_t path_depth(const column_spec *spec) {
    size_t n = 0;
    while (n < COLUMN_PATH_MAX && spec->path[n])
        n++;
    return n;
}

static void put_chunk_metadata(thrift *t, int field, const chunk_info *chunk) {
    const column *c = chunk->column;
    const column_spec *spec = c->spec;
    bool coded = c->n_coded_pages > 0;
    thrift_struct(t, field);
    thrift_i32(t, 1, schema_type(spec));
    thrift_list(t, 2, THRIFT_I32, coded ? 3 : 2);
    thrift_item_int(t, ENCODING_PLAIN);
    thrift_item_int(t, ENCODING_RLE);
    if (coded)
        thrift_item_int(t, ENCODING_RLE_DICTIONARY);
    thrift_list(t, 3, THRIFT_BINARY, path_depth(spec));
    for (size_t i = 0; i < path_depth(spec); i++)
        thrift_item_binary(t, spec->path[i], strlen(spec->path[i]));
    thrift_i32(t, 4, codec_number(chunk->codec));
    thrift_i64(t, 5, (int64_t)c->n_places);
    thrift_i64(t, 6, (int64_t)c->raw_bytes);
    thrift_i64(t, 7, (int64_t)(chunk->dictionary.n + chunk->pages.n));
    thrift_i64(t, 9, (int64_t)chunk->pages.offset);
    if (chunk->dictionary.n > 0)
        thrift_i64(t, 11, (int64_t)chunk->dictionary.offset);
    put_statistics(t, 12, c);
    put_page_counts(t, 13, c);
    thrift_end(t);
}

static void put_place(thrift *t, int field, const file_place *place) {
    if (place->n == 0)
        return;
    thrift_i64(t, field, (int64_t)place->offset);
    thrift_i32(t, field + 1, (int32_t)place->n);
}

static void put_chunk(thrift *t, const chunk_info *chunk) {
    thrift_item(t);
    thrift_i64(t, 2, 0); /* obsolete, and required */
    put_chunk_metadata(t, 3, chunk);
    put_place(t, 4, &chunk->offset_index);
    put_place(t, 6, &chunk->column_index);
    thrift_end(t);
}

static uint64_t chunk_begin(const chunk_info *chunk) {
    return chunk->dictionary.n > 0 ? chunk->dictionary.offset : chunk->pages.offset;
}

void metadata_put_row_group(const row_group_info *group, bytes *out) {
    uint64_t raw = 0, packed = 0;
    thrift t;
    thrift_init(&t, out);
    thrift_list(&t, 1, THRIFT_STRUCT, group->n_chunks);
    for (uint32_t i = 0; i < group->n_chunks; i++) {
        put_chunk(&t, &group->chunks[i]);
        raw += group->chunks[i].column->raw_bytes;
        packed += group->chunks[i].dictionary.n + group->chunks[i].pages.n;
    }
    thrift_i64(&t, 2, (int64_t)raw);
    thrift_i64(&t, 3, (int64_t)group->rows);
    thrift_list(&t, 4, THRIFT_STRUCT, 1);
    thrift_item(&t);
    thrift_i32(&t, 1, group->sorted_by);
    thrift_bool(&t, 2, false);
    thrift_bool(&t, 3, false);
    thrift_end(&t);
    thrift_i64(&t, 5, (int64_t)chunk_begin(&group->chunks[0]));
    thrift_i64(&t, 6, (int64_t)packed);
    thrift_end(&t);
}

/* ---- the file ---------------------------------------------------------------------------------------- */

static void put_key_value(thrift *t, const char *key, const char *value) {
    thrift_item(t);
    thrift_string(t, 1, key);
    thrift_string(t, 2, value);
    thrift_end(t);
}

void metadata_put_footer(const footer_info *footer, bytes *out) {
    thrift t;
    thrift_init(&t, out);
    thrift_i32(&t, 1, 1); /* version */
    schema_put(&t, 2, footer->specs, footer->n_columns);
    thrift_i64(&t, 3, (int64_t)footer->rows);
    thrift_list(&t, 4, THRIFT_STRUCT, footer->n_row_groups);
    bytes_put(out, footer->row_groups->data, footer->row_groups->n);
    thrift_list(&t, 5, THRIFT_STRUCT, 1);
    put_key_value(&t, "wadi.object", footer->object);
    thrift_string(&t, 6, footer->created_by);
    thrift_list(&t, 7, THRIFT_STRUCT, footer->n_columns);
    for (uint32_t i = 0; i < footer->n_columns; i++) {
        thrift_item(&t);
        thrift_empty(&t, 1); /* bounds follow the order of the type */
        thrift_end(&t);
    }
    thrift_end(&t);
}

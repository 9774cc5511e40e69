#include "file.h"

#include <stdlib.h>

#include "metadata.h"

#define PIECE_BYTES_MAX (256u << 10)

static const uint8_t magic[4] = {'P', 'A', 'R', '1'};

/* ---- life -------------------------------------------------------------------------------------------- */

/* A map's values share the levels of its keys, which come before them. */
static levels *levels_of(parquet_file *f, const column_spec *spec) {
    if (spec->role == ROLE_REQUIRED)
        return NULL;
    if (spec->role == ROLE_MAP_VALUE)
        return &f->levels[f->n_levels - 1];
    levels *l = &f->levels[f->n_levels++];
    return levels_init(l, spec->role == ROLE_MAP_KEY) ? l : NULL;
}

static bool columns_init(parquet_file *f) {
    f->columns = calloc(f->n_columns, sizeof *f->columns);
    f->levels = calloc(f->n_columns, sizeof *f->levels);
    if (!f->columns || !f->levels)
        return false;
    for (uint32_t i = 0; i < f->n_columns; i++) {
        levels *l = levels_of(f, &f->specs[i]);
        if (!l && f->specs[i].role != ROLE_REQUIRED)
            return false;
        if (!column_init(&f->columns[i], &f->specs[i], l, &f->page_plain_bytes))
            return false;
    }
    return true;
}

bool parquet_file_init(parquet_file *f, sink_store store, output_codec kind, const column_spec *specs,
                       uint32_t n_columns, int32_t sorted_by) {
    *f = (parquet_file){.specs = specs, .n_columns = n_columns, .sorted_by = sorted_by, .codec = kind};
    f->output = output_new(store, OUTPUT_PLAIN);
    f->press.codec = codec_new(kind);
    return f->output && f->press.codec && columns_init(f);
}

void parquet_file_fini(parquet_file *f) {
    for (uint32_t i = 0; f->columns && i < f->n_columns; i++)
        column_fini(&f->columns[i]);
    for (uint32_t i = 0; i < f->n_levels; i++)
        levels_fini(&f->levels[i]);
    free(f->columns);
    free(f->levels);
    output_free(f->output);
    codec_free(f->press.codec);
    bytes_free(&f->press.raw);
    bytes_free(&f->press.packed);
    bytes_free(&f->row_groups);
    free(f->object);
    *f = (parquet_file){0};
}

static void page_begin(parquet_file *f) {
    f->page_rows = 0;
    f->page_plain_bytes = 0;
    for (uint32_t i = 0; i < f->n_levels; i++)
        f->levels[i].n = f->levels[i].nulls = 0;
}

static void row_group_begin(parquet_file *f, bool new_object) {
    f->generation++;
    f->group_rows = 0;
    for (uint32_t i = 0; i < f->n_columns; i++)
        column_begin(&f->columns[i], new_object);
}

/* ---- bytes out --------------------------------------------------------------------------------------- */

/* In pieces, since the output keeps room for the largest one. */
static sink_err file_write(parquet_file *f, const uint8_t *data, size_t n, file_place *ret_place) {
    sink_err err = SINK_OK;
    for (size_t from = 0; err == SINK_OK && from < n; from += PIECE_BYTES_MAX) {
        size_t piece = n - from < PIECE_BYTES_MAX ? n - from : PIECE_BYTES_MAX;
        char *at = output_reserve(f->output, piece);
        if (!at)
            return SINK_ERR_MEMORY;
        memcpy(at, data + from, piece);
        err = output_advance(f->output, piece);
    }
    *ret_place = (file_place){f->offset, n};
    f->offset += n;
    return err;
}

/* What was made in the scratch, and empties that. */
static sink_err scratch_write(parquet_file *f, bytes *scratch, file_place *ret_place) {
    if (scratch->failed)
        return SINK_ERR_MEMORY;
    size_t n = scratch->n;
    scratch->n = 0;
    return file_write(f, scratch->data, n, ret_place);
}

static sink_err chunk_write(parquet_file *f, column *c, bytes *scratch, chunk_info *chunk) {
    column_put_dictionary(c, &f->press, scratch);
    if (column_failed(c))
        return SINK_ERR_MEMORY;
    sink_err err = scratch_write(f, scratch, &chunk->dictionary);
    return err != SINK_OK ? err : file_write(f, c->pages.data, c->pages.n, &chunk->pages);
}

/* Beside its row group, so that nothing of it needs to be kept. */
static sink_err index_write(parquet_file *f, bytes *scratch, chunk_info *chunks) {
    sink_err err = SINK_OK;
    for (uint32_t i = 0; err == SINK_OK && i < f->n_columns; i++) {
        metadata_put_column_index(&f->columns[i], scratch);
        err = scratch_write(f, scratch, &chunks[i].column_index);
    }
    for (uint32_t i = 0; err == SINK_OK && i < f->n_columns; i++) {
        metadata_put_offset_index(&f->columns[i], chunks[i].pages.offset, scratch);
        err = scratch_write(f, scratch, &chunks[i].offset_index);
    }
    return err;
}

static sink_err chunks_write(parquet_file *f, bytes *scratch, chunk_info *chunks) {
    sink_err err = SINK_OK;
    for (uint32_t i = 0; err == SINK_OK && i < f->n_columns; i++) {
        chunks[i] = (chunk_info){.column = &f->columns[i], .codec = f->codec};
        err = chunk_write(f, &f->columns[i], scratch, &chunks[i]);
    }
    if (err == SINK_OK)
        err = index_write(f, scratch, chunks);
    if (err != SINK_OK)
        return err;
    row_group_info group = {f->group_rows, chunks, f->n_columns, f->sorted_by};
    metadata_put_row_group(&group, &f->row_groups);
    f->n_row_groups++;
    return f->row_groups.failed ? SINK_ERR_MEMORY : SINK_OK;
}

static sink_err row_group_write(parquet_file *f) {
    bytes scratch = {0};
    chunk_info *chunks = calloc(f->n_columns, sizeof *chunks);
    sink_err err = chunks ? chunks_write(f, &scratch, chunks) : SINK_ERR_MEMORY;
    free(chunks);
    bytes_free(&scratch);
    if (err == SINK_OK)
        row_group_begin(f, false);
    return err;
}

/* ---- rows in ----------------------------------------------------------------------------------------- */

/* All columns at the same row, as the page index likes it. */
static sink_err page_cut(parquet_file *f) {
    for (uint32_t i = 0; i < f->n_levels; i++)
        levels_encode(&f->levels[i]);
    for (uint32_t i = 0; i < f->n_columns; i++) {
        column_cut(&f->columns[i], &f->press, f->group_rows - f->page_rows, f->page_rows);
        if (column_failed(&f->columns[i]))
            return SINK_ERR_MEMORY;
    }
    page_begin(f);
    return SINK_OK;
}

static bool row_group_full(parquet_file *f) {
    uint64_t held = 0, raw = 0;
    for (uint32_t i = 0; i < f->n_columns; i++) {
        held += column_bytes(&f->columns[i]);
        raw += f->columns[i].raw_bytes;
    }
    return f->group_rows >= ROW_GROUP_ROWS_MAX || held >= ROW_GROUP_BYTES_MAX ||
           raw >= ROW_GROUP_RAW_BYTES_MAX;
}

static bool page_full(const parquet_file *f) {
    if (f->page_rows == PAGE_ROWS_MAX || f->page_plain_bytes >= PAGE_PLAIN_BYTES_MAX ||
        f->group_rows >= ROW_GROUP_ROWS_MAX)
        return true;
    for (uint32_t i = 0; i < f->n_levels; i++)
        if (f->levels[i].repetition && f->levels[i].n >= PAGE_ENTRIES_MAX)
            return true;
    return false;
}

sink_err parquet_file_row(parquet_file *f) {
    f->rows++;
    f->page_rows++;
    f->group_rows++;
    if (!page_full(f))
        return SINK_OK;
    sink_err err = page_cut(f);
    return err == SINK_OK && row_group_full(f) ? row_group_write(f) : err;
}

sink_err parquet_file_begin(parquet_file *f, uint32_t slot, const char *object) {
    free(f->object);
    f->object = strdup(object);
    if (!f->object)
        return SINK_ERR_MEMORY;
    f->offset = f->rows = 0;
    f->n_row_groups = 0;
    bytes_clear(&f->row_groups);
    bytes_clear(&f->press.raw);
    bytes_clear(&f->press.packed);
    for (uint32_t i = 0; i < f->n_levels; i++)
        bytes_clear(&f->levels[i].encoded);
    page_begin(f);
    row_group_begin(f, true);
    sink_err err = output_begin(f->output, slot, object);
    file_place place;
    return err != SINK_OK ? err : file_write(f, magic, sizeof magic, &place);
}

static sink_err footer_write(parquet_file *f, const char *created_by) {
    footer_info footer = {.rows = f->rows,
                          .specs = f->specs,
                          .n_columns = f->n_columns,
                          .row_groups = &f->row_groups,
                          .n_row_groups = f->n_row_groups,
                          .created_by = created_by,
                          .object = f->object};
    bytes out = {0};
    metadata_put_footer(&footer, &out);
    uint32_t n = (uint32_t)out.n;
    bytes_put(&out, &n, sizeof n);
    bytes_put(&out, magic, sizeof magic);
    file_place place;
    sink_err err = scratch_write(f, &out, &place);
    bytes_free(&out);
    return err;
}

sink_err parquet_file_finish(parquet_file *f, const char *created_by, uint64_t *ret_bytes,
                             uint32_t *ret_crc32c) {
    sink_err err = f->page_rows > 0 ? page_cut(f) : SINK_OK;
    if (err == SINK_OK && f->group_rows > 0)
        err = row_group_write(f);
    if (err == SINK_OK)
        err = footer_write(f, created_by);
    return err != SINK_OK ? err : output_finish(f->output, ret_bytes, ret_crc32c);
}

/* What is not compressed yet will be about a third of it, and a number mostly half a byte. */
uint64_t parquet_file_bytes(const parquet_file *f) {
    uint64_t packed = 0, numbers = 0;
    for (uint32_t i = 0; i < f->n_columns; i++) {
        packed += f->columns[i].pages.n;
        numbers += f->columns[i].n_codes;
    }
    return f->offset + packed + f->page_plain_bytes / 3 + numbers / 2;
}

/* file: a Parquet file, written from the front to the back into an `output`. Its footer comes last, so what
 * is cut off anywhere is no Parquet file.
 *
 *     PAR1 │ row group: columns, their page index │ row group … │ footer, its length, PAR1
 *
 * A row group is kept until it is whole, then written: memory is bounded by ROW_GROUP_BYTES_MAX and what one
 * page needs, and by the footer, some kilobytes a row group. One thread. */
#ifndef PARQUET_FILE_H
#define PARQUET_FILE_H

#include "column.h"
#include "output.h"
#include "store.h"

#define ROW_GROUP_ROWS_MAX (128u << 10)
#define ROW_GROUP_BYTES_MAX (16u << 20)      /* of memory, at the end of a page */
#define ROW_GROUP_RAW_BYTES_MAX (128u << 20) /* uncompressed: readers take a row group as a whole */

typedef struct parquet_file {
    const column_spec *specs;
    uint32_t n_columns;
    int32_t sorted_by;
    column *columns; /* of the caller to put values into, one of each a row */
    levels *levels;  /* of the columns that have them */
    uint32_t n_levels;
    output_codec codec;
    output *output;
    page_press press;
    uint64_t generation;       /* of row groups, never the same again: what a column_ref is good for */
    uint64_t page_plain_bytes; /* since the last cut */
    uint32_t page_rows, group_rows;
    uint64_t offset, rows;
    bytes row_groups;
    uint32_t n_row_groups;
    char *object;
} parquet_file;

/* false: out of memory; fini takes back what is there. `specs` are borrowed. */
bool parquet_file_init(parquet_file *f, sink_store store, output_codec codec, const column_spec *specs,
                       uint32_t n_columns, int32_t sorted_by);
void parquet_file_fini(parquet_file *f);

sink_err parquet_file_begin(parquet_file *f, uint32_t slot, const char *object);

/* Every column has a value more, every map's levels a row more. */
sink_err parquet_file_row(parquet_file *f);

sink_err parquet_file_finish(parquet_file *f, const char *created_by, uint64_t *ret_bytes,
                             uint32_t *ret_crc32c);

/* About how many bytes the file has by now. */
uint64_t parquet_file_bytes(const parquet_file *f);

#endif

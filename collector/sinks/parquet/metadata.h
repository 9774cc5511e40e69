/* metadata: what Parquet says of its pages, columns and files, as Thrift; field numbers are those of
 * parquet.thrift. Pure. */
#ifndef PARQUET_METADATA_H
#define PARQUET_METADATA_H

#include "column.h"

/* Where something lies in the file; n 0: it is not there. */
typedef struct file_place {
    uint64_t offset, n;
} file_place;

typedef struct chunk_info {
    const column *column;
    output_codec codec;
    file_place dictionary, pages, column_index, offset_index;
} chunk_info;

typedef struct row_group_info {
    uint64_t rows;
    const chunk_info *chunks;
    uint32_t n_chunks;
    int32_t sorted_by; /* the column by which the rows ascend */
} row_group_info;

typedef struct footer_info {
    uint64_t rows;
    const column_spec *specs;
    uint32_t n_columns;
    const bytes *row_groups; /* n_row_groups, by metadata_put_row_group */
    uint32_t n_row_groups;
    const char *created_by;
    const char *object; /* its name, as metadata */
} footer_info;

/* false, and nothing put: one of the pages has no bounds. */
bool metadata_put_column_index(const column *c, bytes *out);
/* `pages_offset`: where the first page lies in the file. */
void metadata_put_offset_index(const column *c, uint64_t pages_offset, bytes *out);

void metadata_put_row_group(const row_group_info *group, bytes *out);
void metadata_put_footer(const footer_info *footer, bytes *out);

#endif

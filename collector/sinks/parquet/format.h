/* format: the numbers that parquet.thrift gives to what we write. */
#ifndef PARQUET_FORMAT_H
#define PARQUET_FORMAT_H

#include <assert.h>

/* So numbers are copied as they lie in memory. */
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Parquet is little-endian");

enum parquet_type { TYPE_BOOLEAN = 0, TYPE_INT64 = 2, TYPE_DOUBLE = 5, TYPE_BYTE_ARRAY = 6 };
enum parquet_converted { CONVERTED_UTF8 = 0, CONVERTED_MAP = 1, CONVERTED_TIMESTAMP_MICROS = 10 };
enum parquet_logical { LOGICAL_STRING = 1, LOGICAL_MAP = 2, LOGICAL_TIMESTAMP = 8 }; /* fields of the union */
enum parquet_time_unit { UNIT_MICROS = 2 };                                          /* likewise */
enum parquet_repetition { REPETITION_REQUIRED = 0, REPETITION_OPTIONAL = 1, REPETITION_REPEATED = 2 };
enum parquet_encoding { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_RLE_DICTIONARY = 8 };
enum parquet_codec { CODEC_NONE = 0, CODEC_GZIP = 2, CODEC_ZSTD = 6 };
enum parquet_page { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum parquet_order { ORDER_NONE = 0, ORDER_ASCENDING = 1 };

#endif

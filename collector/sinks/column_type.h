/* column_type: what a column of its own holds, for formats that have columns. */
#ifndef SINKS_COLUMN_TYPE_H
#define SINKS_COLUMN_TYPE_H

typedef enum column_type { COLUMN_STRING, COLUMN_INT64, COLUMN_DOUBLE, COLUMN_BOOL } column_type;
#define COLUMN_TYPES 4

/* In settings and manifests. */
static inline const char *column_type_name(column_type type) {
    static const char *const names[COLUMN_TYPES] = {"string", "int64", "double", "bool"};
    return names[type];
}

#endif

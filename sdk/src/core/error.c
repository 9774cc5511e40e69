#include <errno.h>
#include <stddef.h>

#include "sdk/include/wadi/wadi.h"
#include "sdk/src/core/error.h"

const char *wadi_strerror(wadi_err err) {
    switch (err) {
#define CASE(symbol, value, name, text) \
    case symbol:                        \
        return text;
        WADI_ERR_TABLE(CASE)
#undef CASE
    }
    return "unknown error";
}

const char *wadi_err_name(wadi_err err) {
    switch (err) {
#define CASE(symbol, value, name, text) \
    case symbol:                        \
        return name;
        WADI_ERR_TABLE(CASE)
#undef CASE
    }
    return "unknown";
}

wadi_err wdi_err_of_errno(int error) {
    switch (error) {
    case EACCES:
    case EPERM:
    case EROFS:
        return WADI_ERR_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WADI_ERR_DISK_FULL;
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
        return WADI_ERR_INVALID;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EINTR: /* says nothing about the disk */
        return WADI_ERR_SYSTEM;
    default:
        return WADI_ERR_IO;
    }
}

#include <stddef.h>

#include "sdk/include/wadi/wadi.h"

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

/* Options with their defaults filled in, in memory of their own. */
#ifndef WDI_CORE_OPTIONS_H
#define WDI_CORE_OPTIONS_H

#include "sdk/include/wadi/wadi.h"

typedef struct wdi_options {
    wadi_options values; /* every string points into `text`, or is NULL */
    char *text;
} wdi_options;

/* WADI_ERR_INVALID: a range, or no dir. *ret_why says which option; a literal. */
WADI_NODISCARD wadi_err wdi_options_init(wdi_options *options, const wadi_options *given,
                                         const char **ret_why);
/* 0: events never become too old. */
uint64_t wdi_options_max_age_us(const wadi_options *values);
void wdi_options_fini(wdi_options *options); /* accepts a zeroed one; wipes, for the key in it */

#endif

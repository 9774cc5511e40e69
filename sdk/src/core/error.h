/* errno of a failed call on the store's files, as the SDK says it. */
#ifndef WDI_CORE_ERROR_H
#define WDI_CORE_ERROR_H

#include "sdk/include/wadi/wadi.h"

WADI_NODISCARD wadi_err wdi_err_of_errno(int error);

#endif

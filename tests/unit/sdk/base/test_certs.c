#include "tests/unit/sdk/base/test_certs.h"

#include <stdio.h>
#include <stdlib.h>

int test_certs_make(char *dir) {
    char command[512];
    const char *source = getenv("WADI_SOURCE_DIR");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(command, sizeof command, "bash '%s/tests/unit/sdk/base/make_certs.sh' %s",
             source != NULL ? source : ".", dir);
    return system(command);
}

int test_certs_remove(const char *dir) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* The collector's configuration: no file harms the parser, and what it takes it prints so that it takes it
 * again, to the same values. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/cleanup.h"
#include "collector/config/config.h"

enum { PRINTED_BYTES_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum config_result parse(const char *yaml, size_t n, struct collector_config *ret_config) {
    CLEANUP_FILE FILE *nowhere = fopen("/dev/null", "we");
    if (!nowhere)
        abort();
    return config_parse("fuzz", yaml, n, nowhere, ret_config);
}

static void print_again_check(const struct collector_config *config) {
    CLEANUP(config_free) struct collector_config again = {0};
    CLEANUP(text_fini) struct text first, second;
    text_init_growing(&first, PRINTED_BYTES_MAX);
    text_init_growing(&second, PRINTED_BYTES_MAX);
    config_print(config, &first);
    if (parse(first.data, first.length, &again) != CONFIG_OK)
        abort();
    config_print(&again, &second);
    if (strcmp(first.data, second.data) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    CLEANUP(config_free) struct collector_config config = {0};
    /* Hashes of API keys are not printed, so such a configuration cannot be read again. */
    if (parse((const char *)data, n, &config) == CONFIG_OK && config.auth.api_keys_count == 0)
        print_again_check(&config);
    return 0;
}

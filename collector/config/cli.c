#include "cli.h"

#include <getopt.h>
#include <stdbool.h>

#include "cleanup.h"

enum { STATUS_DONE = 0, STATUS_UNUSABLE = 1, STATUS_USAGE = 2, OUTPUT_BYTES_MAX = 8 << 20 };

struct arguments {
    const char *config_path;
    bool check, print, verify_journal, reference, version, help;
};

static const char usage[] =
    "Usage: wadi-collector --config FILE [--check | --print-config | --verify-journal]\n"
    "Receives events from devices and writes them, in order and once, to its sinks.\n"
    "\n"
    "  -c, --config FILE   the configuration, YAML\n"
    "      --check         says what is wrong with it, and leaves\n"
    "      --print-config  prints it with every default filled in, and leaves\n"
    "      --verify-journal  reads all of the journal of a collector that does not run, "
    "says what is damaged,\n"
    "                      and leaves: 0 sound, 1 damaged, 2 it could not be found out\n"
    "      --reference     prints the page of all settings, in Markdown\n"
    "      --version       prints the version\n"
    "  -h, --help          prints this\n";

static bool arguments_read(int argc, char **argv, struct arguments *ret_arguments) {
    enum { CHECK = 256, PRINT, VERIFY_JOURNAL, REFERENCE, VERSION };
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, CHECK},
        {"print-config", no_argument, NULL, PRINT},
        {"verify-journal", no_argument, NULL, VERIFY_JOURNAL},
        {"reference", no_argument, NULL, REFERENCE},
        {"version", no_argument, NULL, VERSION},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    optind = 0; /* from the beginning, whatever was parsed before */
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1)
        switch (option) {
        case 'c':
            ret_arguments->config_path = optarg;
            break;
        case CHECK:
            ret_arguments->check = true;
            break;
        case PRINT:
            ret_arguments->print = true;
            break;
        case VERIFY_JOURNAL:
            ret_arguments->verify_journal = true;
            break;
        case REFERENCE:
            ret_arguments->reference = true;
            break;
        case VERSION:
            ret_arguments->version = true;
            break;
        case 'h':
            ret_arguments->help = true;
            break;
        default:
            return false; /* getopt_long has said why */
        }
    if (optind < argc)
        fprintf(stderr, "wadi-collector: unexpected argument: %s\n", argv[optind]);
    return optind == argc;
}

static int text_write(const struct text *out) {
    bool whole = fwrite(out->data, 1, out->length, stdout) == out->length && fflush(stdout) == 0 && !out->cut;
    return whole ? STATUS_DONE : STATUS_UNUSABLE;
}

static int reference_show(void) {
    CLEANUP(text_fini) struct text out;
    text_init_growing(&out, OUTPUT_BYTES_MAX);
    config_reference(&out);
    return text_write(&out);
}

static int help_show(void) {
    CLEANUP(text_fini) struct text out;
    text_init_growing(&out, OUTPUT_BYTES_MAX);
    text_printf(&out, "%s\nSettings:\n", usage);
    config_help(&out);
    return text_write(&out);
}

static int config_show(const struct collector_config *config) {
    CLEANUP(text_fini) struct text out;
    text_init_growing(&out, OUTPUT_BYTES_MAX);
    config_print(config, &out);
    return text_write(&out);
}

/* What needs no configuration; false when there is nothing of that kind to do. */
static bool information_show(const struct arguments *arguments, const char *version, int *ret_status) {
    if (arguments->help)
        *ret_status = help_show();
    else if (arguments->version)
        *ret_status = printf("wadi-collector %s\n", version) > 0 ? STATUS_DONE : STATUS_UNUSABLE;
    else if (arguments->reference)
        *ret_status = reference_show();
    else
        return false;
    return true;
}

enum cli_action cli_parse(int argc, char **argv, const char *version, struct collector_config *ret_config,
                          int *ret_status) {
    struct arguments arguments = {0};
    if (!arguments_read(argc, argv, &arguments)) {
        fputs("Try wadi-collector --help.\n", stderr);
        *ret_status = STATUS_USAGE;
        return CLI_EXIT;
    }
    if (information_show(&arguments, version, ret_status))
        return CLI_EXIT;
    if (!arguments.config_path) {
        fputs("wadi-collector: --config FILE is needed. Try --help.\n", stderr);
        *ret_status = STATUS_USAGE;
        return CLI_EXIT;
    }
    CLEANUP(config_free) struct collector_config config = {0};
    if (config_load(arguments.config_path, stderr, &config) != CONFIG_OK) {
        *ret_status = arguments.verify_journal ? STATUS_USAGE : STATUS_UNUSABLE;
        return CLI_EXIT;
    }
    if (arguments.check || arguments.print) {
        *ret_status = arguments.print ? config_show(&config) : STATUS_DONE;
        if (arguments.check)
            fprintf(stderr, "%s: ok\n", arguments.config_path);
        return CLI_EXIT;
    }
    *ret_config = config;
    config = (struct collector_config){0};
    return arguments.verify_journal ? CLI_VERIFY_JOURNAL : CLI_RUN;
}

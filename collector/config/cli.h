/* The command line of wadi-collector. One thread. */
#ifndef COLLECTOR_CONFIG_CLI_H
#define COLLECTOR_CONFIG_CLI_H

#include "config.h"

enum cli_action { CLI_RUN, CLI_VERIFY_JOURNAL, CLI_EXIT };

/* Reads the command line and the configuration that it names. CLI_RUN: run with `ret_config`, which the
 * caller gives to config_free. CLI_VERIFY_JOURNAL: verify the journal that it names, likewise. CLI_EXIT:
 * everything that was asked for has been done or refused; leave with `ret_status`: 0 done, 1 a configuration
 * that cannot be used, 2 a command line that cannot. Writes to standard output and error. */
enum cli_action cli_parse(int argc, char **argv, const char *version, struct collector_config *ret_config,
                          int *ret_status);

#endif

/* wadi-collector: command line and signals. */
#include <signal.h>
#include <stdlib.h>

#include "cli.h"
#include "collector/collector.h"
#include "diag.h"
#include "verify.h"

#define STATUS_FENCED 78 /* as in sysexits.h: the configuration of one of the two is wrong */

int main(int argc, char **argv) {
    struct collector_config config;
    int status;
    enum cli_action action = cli_parse(argc, argv, WADI_COLLECTOR_VERSION, &config, &status);
    if (action == CLI_EXIT)
        return status;
    if (action == CLI_VERIFY_JOURNAL) {
        status = (int)journal_verify(config.journal.dir, stdout);
        config_free(&config);
        return fflush(stdout) == 0 ? status : JOURNAL_UNKNOWN;
    }
    diag_level_set((enum diag_level)config.log.level);

    /* Blocked before any thread starts, so that they all leave signals to this one. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);

    collector *c = collector_start(&config);
    status = EXIT_FAILURE;
    if (c) {
        int received;
        sigwait(&stop, &received);
        diag_info("stopping", DIAG_STR("signal", received == SIGTERM ? "SIGTERM" : "SIGINT"));
        collector_end end = collector_stop(c);
        diag_info("stopped");
        status = end == COLLECTOR_FENCED ? STATUS_FENCED : EXIT_SUCCESS;
    }
    config_free(&config);
    return status;
}

/* The smallest program: one event into the store of a directory, on its way to a collector.
 *
 *     hello DIR https://collector.example:8443 [ca.pem] */
#include <stdio.h>

#include <wadi/wadi.h>

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: %s DIR ENDPOINT [CA-FILE]\n", argv[0]);
        return 64;
    }
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = argv[1];
    opt.endpoint = argv[2];
    opt.ca_file = argc > 3 ? argv[3] : NULL;
    wadi *w = NULL;
    if (wadi_open(&opt, &w) != WADI_OK)
        return 1;
    WADI_TRACK(w, "page_view", WADI_STR("path", "/pricing"), WADI_INT("status", 200));
    /* Without a collector the event stays in the store, and goes out after a later wadi_open. */
    wadi_err err = wadi_close(w, 2000);
    puts(err == WADI_OK ? "delivered" : wadi_strerror(err));
    return 0;
}

/* A user's program in C: it opens a store, records one event, and closes. */
#include <stdio.h>
#include <wadi/wadi.h>

int main(int argc, char **argv) {
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = NULL;
    opt.dir = argc > 1 ? argv[1] : NULL;
    wadi_err err = wadi_open(&opt, &w);
    if (err == WADI_OK) {
        err = WADI_TRACK(w, "installed", WADI_STR("how", "package"), WADI_INT("files", 3));
    }
    (void)wadi_close(w, 0); /* without an endpoint the event stays in the store */
    puts(wadi_strerror(err));
    return err != WADI_OK;
}

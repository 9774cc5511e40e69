// The same program in C++17, with an initializer list.
#include <cstdio>
#include <wadi/wadi.h>

int main(int argc, char **argv) {
    wadi_options opt = WADI_OPTIONS_INIT;
    wadi *w = nullptr;
    opt.dir = argc > 1 ? argv[1] : nullptr;
    wadi_err err = wadi_open(&opt, &w);
    if (err == WADI_OK) {
        err = wadi_track(w, "installed", {wadi_str("how", "package"), wadi_int("files", 3)});
    }
    (void)wadi_close(w, 0);
    std::puts(wadi_strerror(err));
    return err != WADI_OK;
}

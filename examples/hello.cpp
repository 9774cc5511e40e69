// The same as hello.c, in C++: an initializer list holds the properties.
#include <cstdio>

#include <wadi/wadi.h>

int main(int argc, char **argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s DIR ENDPOINT [CA-FILE]\n", argv[0]);
        return 64;
    }
    wadi_options opt = WADI_OPTIONS_INIT;
    opt.dir = argv[1];
    opt.endpoint = argv[2];
    opt.ca_file = argc > 3 ? argv[3] : nullptr;
    wadi *w = nullptr;
    if (wadi_open(&opt, &w) != WADI_OK)
        return 1;
    wadi_track(w, "play",
               {wadi_str("title", "Grüße aus dem Wadi"), wadi_f64("volume", 0.8), wadi_bool("muted", false)});
    wadi_err err = wadi_close(w, 2000);
    std::puts(err == WADI_OK ? "delivered" : wadi_strerror(err));
    return 0;
}

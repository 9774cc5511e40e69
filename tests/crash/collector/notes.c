#include "notes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool notes_open(notes *n, const char *path, uint32_t n_streams) {
    struct stat st;
    *n = (notes){.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (n->fd < 0 || fstat(n->fd, &st) != 0)
        return false;
    uint32_t had = (uint32_t)((size_t)st.st_size / sizeof *n->streams);
    n->n_streams = had > n_streams ? had : n_streams;
    n->streams = calloc(n->n_streams + 1, sizeof *n->streams);
    return n->streams && pread(n->fd, n->streams, (size_t)st.st_size, 0) == st.st_size;
}

void notes_close(notes *n) {
    if (n->fd >= 0)
        close(n->fd);
    free(n->streams);
}

static void stream_write(notes *n, uint32_t s) {
    off_t at = (off_t)(s * sizeof *n->streams);
    if (pwrite(n->fd, &n->streams[s], sizeof *n->streams, at) != (ssize_t)sizeof *n->streams) {
        perror("devices: notes");
        exit(2);
    }
}

void notes_assigned(notes *n, uint32_t s, uint64_t seq) {
    n->streams[s].assigned = seq;
    stream_write(n, s);
}

void notes_acked(notes *n, uint32_t s, uint64_t seq) {
    n->streams[s].acked = seq;
    stream_write(n, s);
}

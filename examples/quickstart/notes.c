#include "notes.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void append(const notes *n, const char *line, size_t size) {
    if (write(n->fd, line, size) != (ssize_t)size) {
        perror("notes");
        abort();
    }
}

bool notes_open(notes *ret_notes, const char *path) {
    notes n = {open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
    if (n.fd < 0)
        return false;
    char last = '\n';
    off_t size = lseek(n.fd, 0, SEEK_END);
    if (size > 0 && pread(n.fd, &last, 1, size - 1) == 1 && last != '\n')
        append(&n, "\n", 1);
    *ret_notes = n;
    return true;
}

void notes_close(notes *n) {
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

void notes_put(notes *n, const char *what, const char *id, const char *more) {
    char line[160];
    int size = snprintf(line, sizeof line, "%s %s%s%s\n", what, id, *more ? " " : "", more);
    append(n, line, (size_t)size);
}

#include "tests/crash/sdk/workplace.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

bool workplace_make(char dir[WORKPLACE_BYTES]) {
    const char *base = getenv("TMPDIR");
    snprintf(dir, WORKPLACE_BYTES, "%.40s/wadi-crash-XXXXXX", base != NULL ? base : "/tmp");
    return mkdtemp(dir) != NULL;
}

static int entry_remove(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void workplace_remove(const char *dir) { nftw(dir, entry_remove, 8, FTW_DEPTH | FTW_PHYS); }

bool workplace_run(const char *const *command) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
        execvp(command[0], (char *const *)(uintptr_t)command); /* which writes nothing there */
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#include "sdk/src/core/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "sdk/src/base/crc32c.h"
#include "sdk/src/base/random.h"
#include "sdk/src/core/error.h"

typedef struct installation_file {
    uint8_t id[WDI_INSTALLATION_BYTES];
    uint32_t crc;
} installation_file;

typedef enum installation_state {
    INSTALLATION_GOOD,
    INSTALLATION_ABSENT,
    INSTALLATION_DAMAGED,
} installation_state;

/* A file that is there and cannot be read now is an error, never a reason for another id. */
static wadi_err installation_read(int root_fd, installation_file *ret_file, installation_state *ret_state) {
    int fd = openat(root_fd, "installation", O_RDONLY | O_CLOEXEC);
    *ret_state = INSTALLATION_ABSENT;
    if (fd < 0)
        return errno == ENOENT ? WADI_OK : wdi_err_of_errno(errno);
    ssize_t n = read(fd, ret_file, sizeof *ret_file);
    wadi_err err = n < 0 ? wdi_err_of_errno(errno) : WADI_OK;
    close(fd);
    bool good =
        n == (ssize_t)sizeof *ret_file && ret_file->crc == base_crc32c(0, ret_file->id, sizeof ret_file->id);
    *ret_state = good ? INSTALLATION_GOOD : INSTALLATION_DAMAGED;
    return err;
}

static wadi_err installation_make(int root_fd, installation_file *file) {
    wadi_err err = WADI_OK;
    if (!base_random(file->id, sizeof file->id))
        return WADI_ERR_SYSTEM;
    file->crc = base_crc32c(0, file->id, sizeof file->id);
    int fd = openat(root_fd, "installation.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    if (write(fd, file, sizeof *file) != (ssize_t)sizeof *file || fsync(fd) != 0)
        err = wdi_err_of_errno(errno);
    close(fd);
    if (err == WADI_OK &&
        (renameat(root_fd, "installation.new", root_fd, "installation") != 0 || fsync(root_fd) != 0))
        err = wdi_err_of_errno(errno);
    return err;
}

wadi_err wdi_installation_load(int root_fd, const wdi_diag *diag, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    installation_file file;
    installation_state state;
    wadi_err err = installation_read(root_fd, &file, &state);
    if (err == WADI_OK && state != INSTALLATION_GOOD)
        err = installation_make(root_fd, &file);
    if (err != WADI_OK)
        return err;
    if (state == INSTALLATION_DAMAGED)
        wdi_diagf(diag, WADI_DIAG_ERROR, "the file `installation` was damaged: there is a new id");
    memcpy(ret_id, file.id, WDI_INSTALLATION_BYTES);
    return WADI_OK;
}

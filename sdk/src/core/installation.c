#include "sdk/src/core/installation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/src/base/crc32c.h"
#include "sdk/src/base/random.h"
#include "sdk/src/base/sha256.h"
#include "sdk/src/core/error.h"

#define FILE_NAME "installation"
#define FILE_NEW "installation.new"
#define MACHINE_ID_DIGITS 32u

typedef struct installation_file {
    uint8_t id[WDI_INSTALLATION_BYTES];
    uint32_t crc;
} installation_file;

typedef enum installation_state {
    INSTALLATION_GOOD,
    INSTALLATION_ABSENT,
    INSTALLATION_DAMAGED,
} installation_state;

/* Up to the end of the file: a read may stop before. */
static ssize_t read_all(int fd, void *out, size_t n) {
    uint8_t *at = out;
    ssize_t got = 1;
    while (n > 0 && got > 0) {
        got = read(fd, at, n);
        at += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return got < 0 ? got : at - (uint8_t *)out;
}

/* ---- the machine -------------------------------------------------------------------------------- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* 32 lower-case digits and a line end, as machine-id(5) has it. An image that has not been started yet has
 * none, or the word "uninitialized"; all zeros are nobody's. */
static bool machine_id_parse(const char *text, size_t n, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    uint8_t id[WDI_INSTALLATION_BYTES] = {0}, any = 0;
    if (n < MACHINE_ID_DIGITS || (n > MACHINE_ID_DIGITS && text[MACHINE_ID_DIGITS] != '\n'))
        return false;
    for (size_t i = 0; i < MACHINE_ID_DIGITS; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        id[i / 2] = (uint8_t)(id[i / 2] << 4 | digit);
        any |= (uint8_t)digit;
    }
    if (any == 0)
        return false;
    memcpy(ret_id, id, sizeof id);
    return true;
}

static bool machine_id_read(const char *path, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    char text[MACHINE_ID_DIGITS + 8];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read_all(fd, text, sizeof text);
    close(fd);
    return n > 0 && machine_id_parse(text, (size_t)n, ret_id);
}

/* ---- the file ----------------------------------------------------------------------------------- */

/* <dir>/lanes/<lane>/../..: the directory may have been moved since it was opened. */
static wadi_err root_open(int lane_fd, int *ret_fd) {
    int fd = openat(lane_fd, "../..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    *ret_fd = fd;
    return WADI_OK;
}

/* A file that is there and cannot be read now is an error, never a reason for another id. */
static wadi_err file_read(int root_fd, installation_file *ret_file, installation_state *ret_state) {
    int fd = openat(root_fd, FILE_NAME, O_RDONLY | O_CLOEXEC);
    *ret_state = INSTALLATION_ABSENT;
    if (fd < 0)
        return errno == ENOENT ? WADI_OK : wdi_err_of_errno(errno);
    ssize_t n = read_all(fd, ret_file, sizeof *ret_file);
    wadi_err err = n < 0 ? wdi_err_of_errno(errno) : WADI_OK;
    close(fd);
    bool good =
        n == (ssize_t)sizeof *ret_file && ret_file->crc == base_crc32c(0, ret_file->id, sizeof ret_file->id);
    *ret_state = good ? INSTALLATION_GOOD : INSTALLATION_DAMAGED;
    return err;
}

/* A whole one, on disk, beside the lane's lock. */
static wadi_err file_make(int lane_fd) {
    installation_file file;
    wadi_err err = WADI_OK;
    if (!base_random(file.id, sizeof file.id))
        return WADI_ERR_SYSTEM;
    file.crc = base_crc32c(0, file.id, sizeof file.id);
    /* An earlier try's may be the file in place under its second name, after a crash between link and unlink:
     * never written to. */
    if (unlinkat(lane_fd, FILE_NEW, 0) != 0 && errno != ENOENT)
        return wdi_err_of_errno(errno);
    int fd = openat(lane_fd, FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return wdi_err_of_errno(errno);
    ssize_t n = write(fd, &file, sizeof file);
    if (n != (ssize_t)sizeof file)
        err = n < 0 ? wdi_err_of_errno(errno) : WADI_ERR_DISK_FULL;
    else if (fsync(fd) != 0)
        err = wdi_err_of_errno(errno);
    close(fd);
    return err;
}

/* The first one stays: where several lanes begin at once, the others' are not taken. File systems without
 * links take the last one, and who was quicker learns of it at the next open. */
static bool file_put_first(int root_fd, int lane_fd) {
    if (linkat(lane_fd, FILE_NEW, root_fd, FILE_NAME, 0) != 0 && errno != EEXIST)
        return renameat(lane_fd, FILE_NEW, root_fd, FILE_NAME) == 0;
    (void)unlinkat(lane_fd, FILE_NEW, 0);
    return true;
}

static wadi_err file_put(int root_fd, int lane_fd, bool replace) {
    wadi_err err = file_make(lane_fd);
    if (err != WADI_OK)
        return err;
    bool put =
        replace ? renameat(lane_fd, FILE_NEW, root_fd, FILE_NAME) == 0 : file_put_first(root_fd, lane_fd);
    return put && fsync(root_fd) == 0 ? WADI_OK : wdi_err_of_errno(errno);
}

/* ---- the id ------------------------------------------------------------------------------------- */

static wadi_err id_set(wdi_installation *i, const installation_file *file) {
    static const char constant[16] = "wadi: machine-id";
    uint8_t in[sizeof constant + sizeof i->machine + sizeof file->id], digest[32];
    if (!i->has_machine) {
        memcpy(i->id, file->id, sizeof i->id);
        return WADI_OK;
    }
    memcpy(in, constant, sizeof constant);
    memcpy(in + sizeof constant, i->machine, sizeof i->machine);
    memcpy(in + sizeof constant + sizeof i->machine, file->id, sizeof file->id);
    if (!base_sha256(in, sizeof in, digest))
        return WADI_ERR_SYSTEM;
    memcpy(i->id, digest, sizeof i->id);
    return WADI_OK;
}

/* What is in place now, whoever put it there. */
static wadi_err id_read(wdi_installation *i, int root_fd) {
    installation_file file;
    installation_state state;
    wadi_err err = file_read(root_fd, &file, &state);
    if (err != WADI_OK)
        return err;
    return state == INSTALLATION_GOOD ? id_set(i, &file) : WADI_ERR_IO;
}

static wadi_err id_load(wdi_installation *i, int root_fd, const wdi_diag *diag) {
    installation_file file;
    installation_state state;
    wadi_err err = file_read(root_fd, &file, &state);
    if (err == WADI_OK &&
        state == INSTALLATION_GOOD) /* whoever made it may have died before he synced its name */
        return fsync(root_fd) == 0 || errno == EINVAL ? id_set(i, &file) : wdi_err_of_errno(errno);
    if (err == WADI_OK)
        err = file_put(root_fd, i->lane_fd, state == INSTALLATION_DAMAGED);
    if (err != WADI_OK)
        return err;
    if (state == INSTALLATION_DAMAGED)
        wdi_diagf(diag, WADI_DIAG_ERROR, "the file `installation` was damaged: there is a new id");
    return id_read(i, root_fd);
}

/* ---- what others see ---------------------------------------------------------------------------- */

wadi_err wdi_installation_open(wdi_installation *i, int lane_fd, const char *machine_id_path,
                               const wdi_diag *diag) {
    int root_fd = -1;
    memset(i, 0, sizeof *i);
    i->lane_fd = lane_fd;
    if (pthread_mutex_init(&i->lock, NULL) != 0)
        return WADI_ERR_SYSTEM;
    if (machine_id_path != NULL) {
        i->has_machine = machine_id_read(machine_id_path, i->machine);
        if (!i->has_machine)
            wdi_diagf(diag, WADI_DIAG_WARN,
                      "%s holds no machine id: copies of this directory share their installation",
                      machine_id_path);
    }
    wadi_err err = root_open(lane_fd, &root_fd);
    if (err == WADI_OK)
        err = id_load(i, root_fd, diag);
    if (root_fd >= 0)
        close(root_fd);
    return err;
}

bool wdi_installation_peek(int root_fd, const char *machine_id_path, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    wdi_installation i = {.has_machine = false};
    if (machine_id_path != NULL)
        i.has_machine = machine_id_read(machine_id_path, i.machine);
    if (id_read(&i, root_fd) != WADI_OK)
        return false;
    memcpy(ret_id, i.id, sizeof i.id);
    return true;
}

void wdi_installation_close(wdi_installation *i) { (void)pthread_mutex_destroy(&i->lock); }

wadi_err wdi_installation_reset(wdi_installation *i) {
    int root_fd = -1;
    wadi_err err = root_open(i->lane_fd, &root_fd);
    if (err != WADI_OK)
        return err;
    pthread_mutex_lock(&i->lock);
    err = file_put(root_fd, i->lane_fd, true);
    wadi_err seen = id_read(i, root_fd); /* also when it failed: the next open will see the same */
    atomic_store(&i->changed, true);
    pthread_mutex_unlock(&i->lock);
    close(root_fd);
    return err != WADI_OK ? err : seen;
}

void wdi_installation_id(wdi_installation *i, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    pthread_mutex_lock(&i->lock);
    memcpy(ret_id, i->id, sizeof i->id);
    pthread_mutex_unlock(&i->lock);
}

bool wdi_installation_changed(wdi_installation *i, uint8_t ret_id[WDI_INSTALLATION_BYTES]) {
    if (!atomic_exchange(&i->changed, false))
        return false;
    wdi_installation_id(i, ret_id);
    return true;
}

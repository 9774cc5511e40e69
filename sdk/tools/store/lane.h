/* lane: what wadi-store looks at, one LMDB file and the ring beside it. Reads copies, by the page reader
 * alone: whoever holds the lane is not disturbed, and no file, however damaged, harms the reader. */
#ifndef STORE_LANE_H
#define STORE_LANE_H

#include "sdk/src/ring/ring.h"
#include "sdk/src/store/found.h"

#define LANE_PATH_BYTES_MAX 4096u
#define LANE_NAME_BYTES_MAX 128u
#define LANES_MAX 4096u

typedef enum lane_kind {
    LANE_OF_STORE, /* lanes/N */
    LANE_ASIDE,    /* a file in quarantine/ */
    LANE_FILE,     /* any other file */
} lane_kind;

typedef struct lane {
    lane_kind kind;
    size_t index;                   /* in its store_dir */
    char name[LANE_NAME_BYTES_MAX]; /* below the store's directory; of a file: its path's end */
    char path[LANE_PATH_BYTES_MAX]; /* the LMDB file */
    bool held;                      /* by a running process */
    bool present;                   /* the LMDB file is there and not empty */
    bool settled;                   /* what was copied is one state of it */
    wadi_err err;                   /* it could not be looked at */
    int fd;                         /* of the copy */
    uint64_t disk_bytes;            /* of the lane's files */
    lmdb_check_result result;
    lmdb_check_report report;
    bool has_state;
    wdi_found found;
    wdi_state state;
    bool has_ring;
    wadi_err ring_err; /* CORRUPT: not a ring's size */
    wdi_ring ring;     /* a copy */
} lane;

typedef struct store_dir {
    const char *path;
    int fd;
    uint8_t installation[WIRE_ID_BYTES];
    bool has_installation;
    char **names; /* of lanes, sorted as numbers, then of files in quarantine */
    size_t n_lanes, n_aside;
} store_dir;

/* machine_id: the file that the installation is made from, too; NULL: from its own alone. False: why is on
 * standard error. */
bool store_dir_open(const char *path, const char *machine_id, store_dir *ret_dir);
void store_dir_close(store_dir *dir);

/* *ret_lane always needs lane_close; what could not be had is in its members. */
void lane_open(const store_dir *dir, size_t index, lane *ret_lane);
void lane_open_file(const char *path, lane *ret_lane);
void lane_close(lane *l);

/* "lanes/0: " and what is wrong with it, on standard error. */
void lane_complain(const lane *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

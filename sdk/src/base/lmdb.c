#include "sdk/src/base/lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "sdk/src/base/lmdb_check/lmdb_check.h"
#include "sdk/src/base/working.h"

#define SPACE_LOW_BYTES (64u * 1024u)
#define PAGE_HEAD_BYTES (sizeof(size_t) + 8u)
#if !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

struct base_lmdb {
    MDB_env *env;
    MDB_dbi dbs[BASE_LMDB_DBS_MAX];
    size_t map_bytes;
    size_t page_bytes;    /* the file's */
    size_t os_page_bytes; /* the machine's, which the mapping is aligned to */
    bool populates;       /* the kernel knows MADV_POPULATE_READ */
    pthread_mutex_t *working;
    struct base_lmdb *forgotten; /* in a child: the next one */
    int sync_fd;                 /* LMDB's second descriptor of the file; -1: not known */
    bool disowned;               /* in a child: neither is ours any more */
    volatile bool dead;          /* an assert of LMDB failed: its state cannot be trusted */
};

/* Handles are LMDB's own, under our names; the environment hangs on LMDB's user context. */
static MDB_txn *raw_txn(base_lmdb_txn *txn) { return (MDB_txn *)txn; }
static MDB_cursor *raw_cursor(base_lmdb_cursor *cursor) { return (MDB_cursor *)cursor; }
static base_lmdb *txn_env(base_lmdb_txn *txn) { return mdb_env_get_userctx(mdb_txn_env(raw_txn(txn))); }
static base_lmdb *cursor_env(base_lmdb_cursor *cursor) {
    return txn_env((base_lmdb_txn *)mdb_cursor_txn(raw_cursor(cursor)));
}
static MDB_val raw_val(base_lmdb_val val) {
    MDB_val raw = {.mv_size = val.n};
    memcpy(&raw.mv_data, &val.data,
           sizeof raw.mv_data); /* LMDB's type lacks a const; it writes nothing there */
    return raw;
}

/* After its assert hook returns, LMDB aborts the process. So the hook leaves by a jump to the call that is
 * under way in this thread; what LMDB held in its hands then is lost, and the environment is given up. */
static _Thread_local jmp_buf guard;

static void assert_failed(MDB_env *env, const char *text) {
    (void)text;
    base_lmdb *self = mdb_env_get_userctx(env);
    if (self != NULL)
        self->dead = true;
    longjmp(guard, 1);
}

#define GUARDED(self)                           \
    do {                                        \
        if ((self)->dead || setjmp(guard) != 0) \
            return BASE_LMDB_CORRUPT;           \
    } while (0)

/* LMDB reports a short write as EIO: of a full file system, or at the process's limit of file sizes. */
static bool space_is_out(base_lmdb *self) {
    int fd = -1;
    struct stat st;
    struct statvfs fs;
    struct rlimit limit;
    if (self == NULL || mdb_env_get_fd(self->env, &fd) != 0 || fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0)
        return false;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && (uint64_t)st.st_size + SPACE_LOW_BYTES > limit.rlim_cur)
        return true;
    return (uint64_t)fs.f_bavail * fs.f_frsize < SPACE_LOW_BYTES;
}

static base_lmdb_err err_map(base_lmdb *self, int rc) {
    switch (rc) {
    case 0:
        return BASE_LMDB_OK;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return BASE_LMDB_FULL;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return BASE_LMDB_NO_SPACE;
    case EIO:
        return space_is_out(self) ? BASE_LMDB_NO_SPACE : BASE_LMDB_IO;
    case MDB_PANIC:
        return BASE_LMDB_GIVEN_UP;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_BAD_TXN:
        return BASE_LMDB_CORRUPT;
    case ENOMEM:
        return BASE_LMDB_MEMORY;
    case EACCES:
    case EPERM:
    case EROFS:
        return BASE_LMDB_PERMISSION;
    default:
        return BASE_LMDB_SYSTEM;
    }
}

/* ---- opening ------------------------------------------------------------------------------------ */

/* Only after mdb_env_open: before it, LMDB takes the zeros for a damaged file. */
static bool reserve_disk(MDB_env *env, size_t bytes) {
    int fd = -1;
    struct stat st;
    struct rlimit limit;
    if (mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) != 0 || bytes > INT64_MAX)
        return false;
    /* Beyond this limit the kernel would not only refuse but raise SIGXFSZ in our host. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur)
        return false;
    off_t from = st.st_size;
    if ((uint64_t)from >= bytes)
        return true;
    return fallocate(fd, 0, from, (off_t)bytes - from) == 0;
}

/* LMDB opens its data file without this flag. */
static int close_on_exec(const base_lmdb *self) {
    int fd = -1;
    int rc = mdb_env_get_fd(self->env, &fd);
    return rc != 0 ? rc : fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ? errno : 0;
}

/* LMDB writes its meta pages through another descriptor of the file, opened O_DSYNC, and names only the
 * first. Nobody else has one: the file is opened once in a process. */
static int sync_fd_find(const base_lmdb *self) {
    int first = -1, found = -1;
    struct stat own, st;
    if (mdb_env_get_fd(self->env, &first) != 0 || fstat(first, &own) != 0)
        return -1;
    DIR *d = opendir("/proc/self/fd");
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL && found < 0; e = readdir(d)) {
        int fd = e->d_name[0] != '.' ? atoi(e->d_name) : first;
        if (fd != first && fstat(fd, &st) == 0 && st.st_dev == own.st_dev && st.st_ino == own.st_ino &&
            (fcntl(fd, F_GETFL) & O_DSYNC) != 0)
            found = fd;
    }
    if (d != NULL)
        closedir(d);
    return found;
}

static int dbs_open(base_lmdb *self, const base_lmdb_options *opt) {
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(self->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < opt->n_dbs; i++) {
        unsigned flags = opt->dbs[i].integer_keys ? MDB_INTEGERKEY : 0;
        if (opt->dbs[i].name != NULL)
            flags |= MDB_CREATE;
        rc = mdb_dbi_open(txn, opt->dbs[i].name, flags, &self->dbs[i]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return rc;
        }
    }
    return mdb_txn_commit(txn);
}

/* A file that was cut: LMDB would map it, and a look behind its end would be a SIGBUS. Pages that were freed
 * before they were ever written may lie there, though. */
static int file_check(const base_lmdb *self) {
    int fd = -1;
    struct stat st;
    MDB_stat pages;
    MDB_envinfo info;
    lmdb_check_report report;
    int rc = mdb_env_get_fd(self->env, &fd);
    if (rc == 0)
        rc = mdb_env_info(self->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(self->env, &pages);
    if (rc != 0 || fstat(fd, &st) != 0)
        return rc != 0 ? rc : errno;
    if ((uint64_t)st.st_size / pages.ms_psize > info.me_last_pgno)
        return 0;
    return lmdb_check(fd, NULL, &report) == LMDB_CHECK_GOOD ? 0 : MDB_CORRUPTED;
}

static base_lmdb_err env_open(base_lmdb *self, const base_lmdb_options *opt) {
    GUARDED(self);
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (opt->readers ? 0 : MDB_NOLOCK);
    int rc = mdb_env_create(&self->env);
    if (rc == 0)
        rc = mdb_env_set_userctx(self->env, self);
    if (rc == 0)
        rc = mdb_env_set_assert(self->env, assert_failed);
    if (rc == 0)
        rc = mdb_env_set_mapsize(self->env, opt->map_bytes);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(self->env, BASE_LMDB_DBS_MAX);
    if (rc == 0)
        rc = mdb_env_open(self->env, opt->path, flags, 0600);
    if (rc == 0)
        rc = close_on_exec(self);
    if (rc == 0 && opt->working != NULL) /* else nobody forks and goes on */
        self->sync_fd = sync_fd_find(self);
    if (rc == 0)
        rc = file_check(self);
    if (rc == 0)
        rc = dbs_open(self, opt);
    return err_map(NULL, rc);
}

/* A look at a page of our own tells what the kernel knows. */
static void pages_learn(base_lmdb *self) {
    MDB_stat pages;
    (void)mdb_env_stat(self->env, &pages);
    self->page_bytes = pages.ms_psize;
    long os_page_bytes = sysconf(_SC_PAGESIZE);
    self->os_page_bytes = os_page_bytes > 0 ? (size_t)os_page_bytes : self->page_bytes;
    uint8_t *own = (uint8_t *)self - ((uintptr_t)self & (self->os_page_bytes - 1));
    self->populates = madvise(own, 1, MADV_POPULATE_READ) == 0;
}

base_lmdb_err base_lmdb_open(const base_lmdb_options *opt, base_lmdb **ret_env, bool *ret_reserved) {
    if (opt->n_dbs == 0 || opt->n_dbs > BASE_LMDB_DBS_MAX)
        return BASE_LMDB_SYSTEM;
    base_lmdb *self = calloc(1, sizeof *self);
    if (self == NULL)
        return BASE_LMDB_MEMORY;
    self->working = opt->working;
    self->sync_fd = -1;
    base_lmdb_err err = env_open(self, opt);
    if (err != BASE_LMDB_OK) {
        base_lmdb_close(self);
        return err;
    }
    MDB_envinfo info;
    (void)mdb_env_info(self->env, &info);
    self->map_bytes = info.me_mapsize;
    pages_learn(self);
    bool reserved = opt->preallocate && reserve_disk(self->env, self->map_bytes);
    if (ret_reserved != NULL)
        *ret_reserved = reserved;
    *ret_env = self;
    return BASE_LMDB_OK;
}

void base_lmdb_close(base_lmdb *env) {
    if (env == NULL)
        return;
    if (env->env != NULL)
        mdb_env_close(env->env);
    free(env);
}

bool base_lmdb_stat(const base_lmdb *env, struct stat *ret_stat) {
    int fd = -1;
    return mdb_env_get_fd(env->env, &fd) == 0 && fstat(fd, ret_stat) == 0;
}

/* In sight of leak checkers. */
static base_lmdb *forgotten;

void base_lmdb_disown(base_lmdb *env) {
    int fd = -1;
    if (env == NULL || env->disowned)
        return;
    if (mdb_env_get_fd(env->env, &fd) == 0)
        close(fd);
    if (env->sync_fd >= 0)
        close(env->sync_fd);
    env->disowned = true;
}

void base_lmdb_forget(base_lmdb *env) {
    if (env == NULL)
        return;
    base_lmdb_disown(env);
    env->forgotten = forgotten;
    forgotten = env;
}

uint64_t base_lmdb_map_bytes(const base_lmdb *env) { return env->map_bytes; }

/* ---- transactions ------------------------------------------------------------------------------- */

base_lmdb_err base_lmdb_begin(base_lmdb *env, bool write, base_lmdb_txn **ret_txn) {
    GUARDED(env);
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(env->env, NULL, write ? 0 : MDB_RDONLY, &txn);
    if (rc == 0)
        *ret_txn = (base_lmdb_txn *)txn;
    return err_map(env, rc);
}

static base_lmdb_err txn_commit(base_lmdb *env, base_lmdb_txn *txn) {
    GUARDED(env);
    return err_map(env, mdb_txn_commit(raw_txn(txn)));
}

base_lmdb_err base_lmdb_commit(base_lmdb_txn *txn) {
    base_lmdb *env = txn_env(txn);
    bool working = base_working_leave(env->working);
    base_lmdb_err err = txn_commit(env, txn);
    if (working)
        pthread_mutex_lock(env->working);
    return err;
}

static base_lmdb_err txn_abort(base_lmdb_txn *txn) {
    GUARDED(txn_env(txn));
    mdb_txn_abort(raw_txn(txn));
    return BASE_LMDB_OK;
}

/* The transaction of a dead environment is given up, since LMDB may no longer be trusted to free it. The last
 * one stays in sight of leak checkers. */
static base_lmdb_txn *volatile abandoned;

void base_lmdb_abort(base_lmdb_txn *txn) {
    if (txn != NULL && txn_abort(txn) != BASE_LMDB_OK)
        abandoned = txn;
}

/* ---- values ------------------------------------------------------------------------------------- */

/* Page by page through the file: what cannot be read is an error here, not a signal there. */
static base_lmdb_err pages_read(const base_lmdb *env, uint64_t first_page, size_t bytes) {
    int fd = -1;
    uint8_t byte;
    if (mdb_env_get_fd(env->env, &fd) != 0)
        return BASE_LMDB_SYSTEM;
    off_t from = (off_t)(first_page * env->page_bytes);
    for (size_t at = 0; at < bytes; at += env->page_bytes)
        if (pread(fd, &byte, 1, from + (off_t)at) < 0 && errno != EINTR)
            return BASE_LMDB_IO;
    return BASE_LMDB_OK;
}

/* A large value lies in pages of its own, right behind the first one's head, and nothing has looked at more
 * of them than that head. A disk that cannot read one of them would be a SIGBUS for whoever does next, so
 * they are asked for here. */
static base_lmdb_err value_ready(const base_lmdb *env, const MDB_val *v) {
    size_t aligned = env->page_bytes < env->os_page_bytes ? env->page_bytes : env->os_page_bytes;
    uint8_t *from = (uint8_t *)v->mv_data - PAGE_HEAD_BYTES;
    size_t n = v->mv_size + PAGE_HEAD_BYTES, before = (uintptr_t)from & (env->os_page_bytes - 1);
    uint64_t first_page = 0;
    if (((uintptr_t)from & (aligned - 1)) != 0)
        return BASE_LMDB_OK;
    if (env->populates) {
        while (madvise(from - before, n + before, MADV_POPULATE_READ) != 0)
            if (errno != EINTR)
                return errno == ENOMEM ? BASE_LMDB_MEMORY : BASE_LMDB_IO;
        return BASE_LMDB_OK;
    }
    memcpy(&first_page, from, sizeof(size_t));
    return first_page < env->map_bytes / env->page_bytes ? pages_read(env, first_page, n) : BASE_LMDB_OK;
}

base_lmdb_err base_lmdb_get(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, base_lmdb_val *ret_val,
                            bool *ret_found) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_val k = raw_val(key), v;
    int rc = mdb_get(raw_txn(txn), env->dbs[db], &k, &v);
    if (rc == MDB_NOTFOUND) {
        *ret_found = false;
        return BASE_LMDB_OK;
    }
    base_lmdb_err err = rc == 0 ? value_ready(env, &v) : err_map(env, rc);
    if (err == BASE_LMDB_OK) {
        *ret_val = (base_lmdb_val){v.mv_data, v.mv_size};
        *ret_found = true;
    }
    return err;
}

base_lmdb_err base_lmdb_put(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, base_lmdb_val val) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_val k = raw_val(key), v = raw_val(val);
    return err_map(env, mdb_put(raw_txn(txn), env->dbs[db], &k, &v, 0));
}

static base_lmdb_err put_reserved(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, size_t n,
                                  unsigned flags, void **ret_data) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_val k = raw_val(key), v = {.mv_size = n};
    int rc = mdb_put(raw_txn(txn), env->dbs[db], &k, &v, MDB_RESERVE | flags);
    if (rc == 0)
        *ret_data = v.mv_data;
    return err_map(env, rc);
}

base_lmdb_err base_lmdb_reserve(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, size_t n,
                                void **ret_data) {
    return put_reserved(txn, db, key, n, 0, ret_data);
}

base_lmdb_err base_lmdb_append(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, size_t n,
                               void **ret_data) {
    return put_reserved(txn, db, key, n, MDB_APPEND, ret_data);
}

base_lmdb_err base_lmdb_del(base_lmdb_txn *txn, unsigned db, base_lmdb_val key, bool *ret_found) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_val k = raw_val(key);
    int rc = mdb_del(raw_txn(txn), env->dbs[db], &k, NULL);
    if (ret_found != NULL && (rc == 0 || rc == MDB_NOTFOUND))
        *ret_found = rc == 0;
    return rc == MDB_NOTFOUND ? BASE_LMDB_OK : err_map(env, rc);
}

/* ---- cursors ------------------------------------------------------------------------------------ */

base_lmdb_err base_lmdb_cursor_open(base_lmdb_txn *txn, unsigned db, base_lmdb_cursor **ret_cursor) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_cursor *cursor = NULL;
    int rc = mdb_cursor_open(raw_txn(txn), env->dbs[db], &cursor);
    if (rc == 0)
        *ret_cursor = (base_lmdb_cursor *)cursor;
    return err_map(env, rc);
}

void base_lmdb_cursor_close(base_lmdb_cursor *cursor) {
    if (cursor != NULL && !cursor_env(cursor)->dead)
        mdb_cursor_close(raw_cursor(cursor));
}

base_lmdb_err base_lmdb_cursor_move(base_lmdb_cursor *cursor, base_lmdb_move move, base_lmdb_val *key,
                                    base_lmdb_val *ret_val, bool *ret_found) {
    static const MDB_cursor_op ops[] = {
        [BASE_LMDB_FIRST] = MDB_FIRST, [BASE_LMDB_LAST] = MDB_LAST,  [BASE_LMDB_NEXT] = MDB_NEXT,
        [BASE_LMDB_PREV] = MDB_PREV,   [BASE_LMDB_AT] = MDB_SET_KEY, [BASE_LMDB_AT_LEAST] = MDB_SET_RANGE,
    };
    base_lmdb *env = cursor_env(cursor);
    GUARDED(env);
    MDB_val k = raw_val(*key), v;
    int rc = mdb_cursor_get(raw_cursor(cursor), &k, &v, ops[move]);
    if (rc == MDB_NOTFOUND) {
        *ret_found = false;
        return BASE_LMDB_OK;
    }
    base_lmdb_err err = rc == 0 ? value_ready(env, &v) : err_map(env, rc);
    if (err == BASE_LMDB_OK) {
        *key = (base_lmdb_val){k.mv_data, k.mv_size};
        *ret_val = (base_lmdb_val){v.mv_data, v.mv_size};
        *ret_found = true;
    }
    return err;
}

base_lmdb_err base_lmdb_cursor_del(base_lmdb_cursor *cursor) {
    base_lmdb *env = cursor_env(cursor);
    GUARDED(env);
    return err_map(env, mdb_cursor_del(raw_cursor(cursor), 0));
}

/* ---- space -------------------------------------------------------------------------------------- */

static uint64_t stat_bytes(const MDB_stat *st) {
    return (uint64_t)st->ms_psize * (st->ms_branch_pages + st->ms_leaf_pages + st->ms_overflow_pages);
}

base_lmdb_err base_lmdb_used(base_lmdb_txn *txn, uint64_t *ret_bytes) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_stat st;
    uint64_t bytes = 0;
    /* 0 and 1 are LMDB's own: the list of free pages and the unnamed database. */
    for (MDB_dbi dbi = 0; dbi < 2; dbi++) {
        int rc = mdb_stat(raw_txn(txn), dbi, &st);
        if (rc != 0)
            return err_map(env, rc);
        bytes += stat_bytes(&st) + st.ms_psize; /* one header each, too */
    }
    for (size_t i = 0; i < BASE_LMDB_DBS_MAX; i++)
        if (env->dbs[i] >= 2 && mdb_stat(raw_txn(txn), env->dbs[i], &st) == 0)
            bytes += stat_bytes(&st);
    *ret_bytes = bytes;
    return BASE_LMDB_OK;
}

base_lmdb_err base_lmdb_db_used(base_lmdb_txn *txn, unsigned db, uint64_t *ret_bytes) {
    base_lmdb *env = txn_env(txn);
    GUARDED(env);
    MDB_stat st;
    int rc = mdb_stat(raw_txn(txn), env->dbs[db], &st);
    if (rc == 0)
        *ret_bytes = stat_bytes(&st);
    return err_map(env, rc);
}

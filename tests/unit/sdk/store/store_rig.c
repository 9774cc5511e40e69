#include "tests/unit/sdk/store/store_rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void diag_print(void *context, wadi_diag_level level, const char *line) {
    (void)context;
    fprintf(stderr, "  diag %d: %s\n", (int)level, line);
}

static const wdi_diag diag = {.fn = diag_print, .level = WADI_DIAG_WARN};

uint64_t rig_random(rig *r, uint64_t below) {
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return r->random % below;
}

void rig_open(rig *r) {
    const wdi_store_options opt = {.path = r->path,
                                   .quarantine_dir = r->quarantine,
                                   .installation = "installation...",
                                   .disk_bytes_max = r->disk_bytes_max,
                                   .move_wait_us = r->move_wait_us,
                                   .max_age_us = r->max_age_us,
                                   .diag = &diag};
    assert_int_equal(wdi_store_open(&opt, &r->store), WADI_OK);
    r->ring_pos = wdi_store_ring_pos(r->store);
}

void rig_reopen(rig *r) {
    wdi_store_close(r->store);
    rig_open(r);
}

rig *rig_new(uint64_t disk_bytes_max, uint64_t seed) {
    const char *base = getenv("TMPDIR");
    rig *r = calloc(1, sizeof *r);
    assert_non_null(r);
    snprintf(r->dir, sizeof r->dir, "%.40s/wadi-store-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof r->path, "%s/store.mdb", r->dir);
    snprintf(r->quarantine, sizeof r->quarantine, "%s/quarantine", r->dir);
    r->disk_bytes_max = disk_bytes_max;
    r->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    r->serial = 1;
    rig_open(r);
    rig_run(r, 1, 1000);
    return r;
}

static void dir_remove(const char *dir) {
    char path[512];
    DIR *d = opendir(dir);
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.')
            unlink(path);
    }
    if (d != NULL)
        closedir(d);
    rmdir(dir);
}

void rig_free(rig *r) {
    wdi_store_close(r->store);
    dir_remove(r->quarantine);
    dir_remove(r->dir);
    free(r);
}

void rig_run(rig *r, uint8_t boot, uint64_t boot_us) {
    static const char text[] = "name";
    wire_run run = {.nonce = (uint32_t)rig_random(r, UINT32_MAX),
                    .boot_us = boot_us,
                    .wall_us = 1,
                    .sdk = {(const uint8_t *)"test", 4}};
    memset(run.boot_id, boot, sizeof run.boot_id);
    r->nonce = run.nonce;
    assert_int_equal(wdi_store_run_begin(r->store, &run, r->ring_pos), WADI_OK);
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    assert_int_equal(wdi_store_put_definition(r->store, 1, text, sizeof text - 1), WADI_OK);
    assert_int_equal(wdi_store_put_definition(r->store, 2, "key", 3), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
}

size_t rig_event(uint64_t serial, size_t padding, wadi_priority priority, uint8_t out[RIG_EVENT_MAX]) {
    char text[RIG_EVENT_MAX];
    assert_true(padding + 100 < sizeof text);
    memset(text, 'x', padding);
    const wire_prop prop = {.key_id = 2, .type = WIRE_STRING, .v = {.s = {text, padding}}};
    const wire_event event = {
        .name_id = 1, .at_us = serial, .priority = (uint32_t)priority, .props = &prop, .n_props = 1};
    size_t n = wire_event_size(&event);
    assert_in_range(n, 1, RIG_EVENT_MAX);
    return wire_event_encode(out, &event);
}

wadi_err rig_put(rig *r, size_t padding, wadi_priority priority, uint32_t *ret_crc) {
    uint8_t event[RIG_EVENT_MAX];
    size_t n = rig_event(r->serial, padding, priority, event);
    uint32_t crc = wire_crc_event(wire_crc_seed(r->nonce), event, n);
    wadi_err err = wdi_store_put_event(r->store, event, n, crc, priority, r->ring_pos + RIG_RING_RECORD);
    if (err != WADI_OK)
        return err;
    r->serial++;
    r->ring_pos += RIG_RING_RECORD;
    if (ret_crc != NULL)
        *ret_crc = crc;
    return WADI_OK;
}

void rig_fill(rig *r, size_t n, wadi_priority priority) {
    assert_int_equal(wdi_store_begin(r->store), WADI_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rig_put(r, 20, priority, NULL), WADI_OK);
    assert_int_equal(wdi_store_commit(r->store, r->ring_pos), WADI_OK);
}

bool rig_peek(rig *r, const char *collector, uint32_t numbers_max, wdi_store_batch *ret_batch) {
    const wdi_store_want want = {
        .collector = collector, .now_us = 1, .numbers_max = numbers_max, .out = r->out, .cap = sizeof r->out};
    bool any = false;
    assert_int_equal(wdi_store_peek(r->store, &want, ret_batch, &any), WADI_OK);
    return any;
}

bool rig_send(rig *r, uint32_t numbers_max, wdi_store_batch *ret_batch) {
    if (!rig_peek(r, "", numbers_max, ret_batch))
        return false;
    assert_int_equal(wdi_store_sending(r->store, ret_batch->head.stream, ret_batch->last_seq), WADI_OK);
    return true;
}

wadi_stats rig_stats(const rig *r) {
    wadi_stats stats = WADI_STATS_INIT;
    wdi_store_stats(r->store, &stats);
    return stats;
}

void rig_check_ledger(const rig *r) {
    wadi_stats stats = rig_stats(r);
    uint64_t sum = stats.acked + stats.pending;
    for (size_t i = 0; i < WADI_DROP_COUNT; i++)
        sum += stats.dropped[i];
    assert_int_equal(stats.assigned, sum);
}

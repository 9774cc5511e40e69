#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "sdk/tools/store/json.h"
#include "sdk/tools/store/show.h"

/* ---- what is shown ------------------------------------------------------------------------------ */

typedef struct lane_figures {
    const lane *l;
    uint64_t owed, dropped[WADI_DROP_COUNT];
    bool has_oldest, has_time;
    uint64_t oldest_seq;
    int64_t oldest_us;
    bool has_clock;
    wdi_boot_record clock;
    bool has_run;
    wdi_run_record run;
} lane_figures;

static bool oldest_take(void *context, const event_entry *entry) {
    lane_figures *f = context;
    if (entry->reason != 0)
        return true;
    f->has_oldest = true;
    f->oldest_seq = entry->seq;
    f->has_time = event_time(entry, &f->oldest_us) != NULL;
    return false;
}

/* Of the run that the state names, and of its boot. */
static void run_visit(void *context, const lmdb_check_entry *e) {
    lane_figures *f = context;
    wdi_run_record run;
    wdi_boot_record boot;
    if (wdi_found_is(e, WDI_KEY_RUN) && wdi_found_record(e, &run, sizeof run) &&
        run.ordinal == f->l->state.meta.run && !f->has_run) {
        f->run = run;
        f->has_run = true;
    } else if (f->has_run && wdi_found_is(e, WDI_KEY_BOOT) && wdi_found_record(e, &boot, sizeof boot) &&
               e->key_n == 1 + WIRE_ID_BYTES && memcmp(e->key + 1, f->run.boot_id, WIRE_ID_BYTES) == 0 &&
               !f->has_clock) {
        f->clock = boot;
        f->has_clock = true;
    }
}

/* What cannot be had becomes the lane's condition. */
static void figures_take(lane *l, lane_figures *f) {
    const events_want want = {.visit = oldest_take, .context = f, .strays = l->result != LMDB_CHECK_GOOD};
    events_sum sum;
    bool doubtful = false;
    *f = (lane_figures){.l = l};
    if (!l->has_state)
        return;
    for (uint32_t i = 0; i < l->state.n_streams; i++)
        f->owed += wdi_stream_end(&l->state, &l->state.streams[i]) - l->state.streams[i].record.low;
    memcpy(f->dropped, l->state.meta.dropped, sizeof f->dropped);
    l->err = events_walk(l, &want, &sum);
    for (unsigned i = 0; l->err == WADI_OK && i < 2; i++) /* boots come before runs */
        l->err = wdi_found_pass(l->fd, run_visit, f, &doubtful);
}

static const char *condition_of(const lane *l) {
    if (l->err != WADI_OK)
        return wadi_strerror(l->err);
    if (!l->present)
        return "empty";
    if (!l->settled)
        return "busy: it changed all the time";
    if (l->result == LMDB_CHECK_GOOD)
        return l->has_state || l->report.entries == 0 ? "sound" : "its records are of no store";
    return lmdb_check_text(l->report.reason);
}

/* Bytes between the store's position and the ring's tail: recorded, and not in the store yet. */
static uint64_t ring_bytes(const lane *l) { return l->has_ring ? wdi_ring_used(&l->ring) : 0; }

/* ---- for people --------------------------------------------------------------------------------- */

static void id_show(const uint8_t id[WIRE_ID_BYTES]) {
    for (size_t i = 0; i < WIRE_ID_BYTES; i++)
        printf("%02x", id[i]);
}

static void streams_show(const lane *l) {
    for (uint32_t i = 0; i < l->state.n_streams; i++) {
        const wdi_stream_record *r = &l->state.streams[i].record;
        uint64_t end = wdi_stream_end(&l->state, &l->state.streams[i]);
        printf("  stream        ");
        id_show(r->id);
        printf("  low %" PRIu64 "  end %" PRIu64 "%s  owed %" PRIu64 "  sent through %" PRIu64, r->low, end,
               r->end == 0 ? " (open)" : "", end - r->low, r->sent_max);
        if (r->collector[0] != '\0') {
            printf("  collector ");
            show_text((wire_span){(const uint8_t *)r->collector, strnlen(r->collector, sizeof r->collector)});
        }
        putchar('\n');
    }
}

static void figures_show(const lane_figures *f) {
    const wdi_meta *meta = &f->l->state.meta;
    char text[TIME_TEXT_BYTES] = "at an unknown time";
    printf("  run           %" PRIu64 "\n", meta->run);
    streams_show(f->l);
    printf("  numbers       assigned %" PRIu64 "  acked %" PRIu64 "  owed %" PRIu64 "  resent %" PRIu64
           "  forks %" PRIu64 "\n",
           meta->next_seq - 1, meta->acked, f->owed, meta->resent, meta->forks);
    printf("  dropped      ");
    for (uint32_t reason = 1; reason < WADI_DROP_COUNT; reason++)
        if (f->dropped[reason] != 0)
            printf(" %s %" PRIu64 " ", wire_drop_reason_name(reason), f->dropped[reason]);
    putchar('\n');
    if (f->has_time)
        time_put(f->oldest_us, text);
    if (f->has_oldest)
        printf("  oldest event  %s\n", text);
    else
        printf("  oldest event  none\n");
    if (f->has_clock)
        printf("  clock         offset known to %" PRIu64 " us\n", f->clock.last.error_us);
    else
        printf("  clock         offset not known in the last boot\n");
    printf("  set aside     %" PRIu64 " damaged files in its life\n", meta->quarantined);
}

static void lane_show(lane *l) {
    lane_figures f;
    figures_take(l, &f);
    printf("%s  %s, %s\n", l->name, l->held ? "held by a process" : "held by nobody", condition_of(l));
    printf("  disk          %" PRIu64 " bytes, %" PRIu64 " in use; %" PRIu64 " in the ring\n", l->disk_bytes,
           l->report.pages_used * l->report.page_bytes, ring_bytes(l));
    if (l->has_state)
        figures_show(&f);
}

/* ---- JSON --------------------------------------------------------------------------------------- */

static json_t *number_of(uint64_t value) { return json_integer((json_int_t)value); }

static json_t *streams_json(const lane *l) {
    json_t *streams = json_array();
    for (uint32_t i = 0; streams != NULL && i < l->state.n_streams; i++) {
        const wdi_stream_record *r = &l->state.streams[i].record;
        uint64_t end = wdi_stream_end(&l->state, &l->state.streams[i]);
        const wire_span home = {(const uint8_t *)r->collector, strnlen(r->collector, sizeof r->collector)};
        (void)json_array_append_new(
            streams,
            json_pack("{s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:o}", "stream", json_of_hex(r->id, sizeof r->id), "low",
                      number_of(r->low), "end", number_of(end), "open", r->end == 0, "pending",
                      number_of(end - r->low), "sent_through", number_of(r->sent_max), "resent_through",
                      number_of(r->resent_through), "collector", json_of_text(home)));
    }
    return streams;
}

static json_t *dropped_json(const lane_figures *f) {
    json_t *dropped = json_object();
    for (uint32_t reason = 1; reason < WADI_DROP_COUNT; reason++)
        (void)json_object_set_new(dropped, wire_drop_reason_name(reason), number_of(f->dropped[reason]));
    return dropped;
}

static void figures_json(json_t *object, const lane_figures *f) {
    const wdi_meta *meta = &f->l->state.meta;
    json_t *state = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "run", number_of(meta->run), "streams",
                              streams_json(f->l), "assigned", number_of(meta->next_seq - 1), "acked",
                              number_of(meta->acked), "pending", number_of(f->owed), "resent",
                              number_of(meta->resent), "forks", number_of(meta->forks), "quarantined",
                              number_of(meta->quarantined), "dropped", dropped_json(f));
    (void)json_object_update(object, state);
    json_decref(state);
    (void)json_object_set_new(object, "oldest_seq", f->has_oldest ? number_of(f->oldest_seq) : json_null());
    (void)json_object_set_new(object, "oldest_time", f->has_time ? json_of_time(f->oldest_us) : json_null());
    (void)json_object_set_new(object, "clock_error_us",
                              f->has_clock ? number_of(f->clock.last.error_us) : json_null());
    (void)json_object_set_new(object, "clock_offset_us",
                              f->has_clock ? json_integer(f->clock.last.offset_us) : json_null());
}

static json_t *lane_json(lane *l) {
    lane_figures f;
    figures_take(l, &f);
    json_t *object = json_pack(
        "{s:s,s:b,s:s,s:b,s:o,s:o,s:o}", "lane", l->name, "held", l->held, "condition", condition_of(l),
        "sound", l->err == WADI_OK && l->settled && l->result == LMDB_CHECK_GOOD, "disk_bytes",
        number_of(l->disk_bytes), "used_bytes", number_of(l->report.pages_used * l->report.page_bytes),
        "ring_bytes", number_of(ring_bytes(l)));
    if (object != NULL && l->has_state)
        figures_json(object, &f);
    return object;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static json_t *aside_json(const store_dir *dir) {
    json_t *files = json_array();
    for (size_t i = dir->n_lanes; files != NULL && i < dir->n_lanes + dir->n_aside; i++) {
        lane l;
        lane_open(dir, i, &l);
        (void)json_array_append_new(files, json_pack("{s:s,s:o,s:s}", "file", l.name, "disk_bytes",
                                                     number_of(l.disk_bytes), "condition", condition_of(&l)));
        lane_close(&l);
    }
    return files;
}

static bool stat_json(const store_dir *dir) {
    json_t *lanes = json_array();
    for (size_t i = 0; lanes != NULL && i < dir->n_lanes; i++) {
        lane l;
        lane_open(dir, i, &l);
        (void)json_array_append_new(lanes, lane_json(&l));
        lane_close(&l);
    }
    json_t *id =
        dir->has_installation ? json_of_hex(dir->installation, sizeof dir->installation) : json_null();
    return json_print(
        json_pack("{s:o,s:o,s:o}", "installation", id, "lanes", lanes, "quarantine", aside_json(dir)));
}

static void stat_text(const store_dir *dir) {
    printf("installation  ");
    if (dir->has_installation)
        id_show(dir->installation);
    else
        printf("not known");
    putchar('\n');
    for (size_t i = 0; i < dir->n_lanes + dir->n_aside; i++) {
        lane l;
        lane_open(dir, i, &l);
        if (l.kind == LANE_OF_STORE)
            lane_show(&l);
        else
            printf("%s  %" PRIu64 " bytes on disk: %s\n", l.name, l.disk_bytes, condition_of(&l));
        lane_close(&l);
    }
}

bool show_stat(const store_dir *dir, bool json) {
    if (json)
        return stat_json(dir);
    stat_text(dir);
    return true;
}

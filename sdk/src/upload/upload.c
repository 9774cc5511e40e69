#include "sdk/src/upload/upload.h"

#include "sdk/src/base/clock.h"
#include "sdk/src/base/random.h"
#include "sdk/src/upload/answer.h"
#include "sdk/src/upload/backoff.h"
#include "sdk/src/upload/batch.h"
#include "sdk/src/upload/budget.h"
#include "sdk/src/upload/retry_note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_TURNS_MAX 16       /* batches of one call, for the loop to see to its other duties */
#define UNSETTLED_TURNS_MAX 8   /* answers in a row that neither settle nor wait: more look like a loop */
#define WAIT_LONG_US 10000000u  /* noted in the store, and no use for wadi_close to sit out */
#define DISK_PART 8             /* of disk_bytes_max is the largest batch */
#define CLOCK_AGE_US_MAX 20000u /* of a batch's clocks: older by a slow disk, it is made again */
#define KICK_GRACE_US 300000u   /* what a device that was offline gives to its last attempt */

typedef enum phase { PHASE_IDLE, PHASE_CONNECTING, PHASE_EXCHANGING, PHASE_WAITING } phase;

struct wdi_upload {
    wdi_store *store;
    const wdi_transport_ops *ops;
    void *transport;
    wdi_diag diag;
    uint64_t retry_min_us, retry_max_us;

    phase phase;
    uint64_t wait_until_us;
    bool wait_firm; /* asked for, or for a person to end: a kick does not */
    bool wait_long;
    bool wait_noted;  /* in the store, until its end */
    bool unreachable; /* since the last connection that came about */
    bool unfinished;  /* step ended before everything was done */
    uint64_t now_us, grace_until_us;
    uint64_t held_until_us; /* what is owed may not be sent before another look at it; 0: it may */
    uint32_t attempt;       /* waits in a row */
    uint32_t unsettled_turns, given_up; /* since the last settled batch */
    uint32_t numbers_max;               /* 0: no limit but the store's */

    char collector[WDI_COLLECTOR_BYTES_MAX]; /* who answered last; "": nobody yet on this connection */
    bool asking; /* what is EXCHANGING is no batch, but the question who is there */
    wdi_batch_maker maker;
    wdi_budget budget;
    wdi_batch_out out; /* in flight while EXCHANGING */
    uint64_t left_boot_us;
    uint64_t refused;
    wdi_upload_stats stats;
};

/* ---- clocks ------------------------------------------------------------------------------------- */

/* Not so in a store that had no room for a run since the machine was started. */
static bool run_is_of_this_boot(const wdi_upload *u) {
    uint8_t boot_id[WIRE_ID_BYTES];
    wire_run run;
    base_boot_id(boot_id);
    wdi_store_run(u->store, &run);
    return memcmp(run.boot_id, boot_id, sizeof boot_id) == 0;
}

/* What is known of the time goes to whoever judges certificates. */
static void clock_tell(wdi_upload *u) {
    int64_t offset_us = 0;
    if (u->ops->clock_set != NULL && wdi_store_clock(u->store, base_boot_us(), &offset_us))
        u->ops->clock_set(u->transport, offset_us);
}

/* ---- opening and closing -------------------------------------------------------------------------- */

/* What is sent and unanswered may not be dropped, and must leave room in the store. */
static size_t batch_bytes_of(const wadi_options *opt) {
    uint64_t part = opt->disk_bytes_max / DISK_PART;
    return part < opt->batch_bytes_max ? (size_t)part : opt->batch_bytes_max;
}

wadi_err wdi_upload_open(const wadi_options *opt, const wdi_transport_ops *transport, wdi_store *store,
                         const wdi_diag *diag, wdi_upload **ret_u) {
    char why[256] = "out of memory";
    wadi_err err = WADI_ERR_NO_MEMORY;
    wdi_upload *u = calloc(1, sizeof *u);
    if (u == NULL)
        return err;
    u->store = store;
    u->ops = transport;
    u->diag = *diag;
    u->retry_min_us = (uint64_t)opt->retry_min_ms * 1000;
    u->retry_max_us = (uint64_t)opt->retry_max_ms * 1000;
    err = wdi_batch_maker_init(&u->maker, batch_bytes_of(opt));
    if (err == WADI_OK)
        err = transport->open(opt, why, sizeof why, &u->transport);
    if (err != WADI_OK) {
        wdi_diagf(&u->diag, WADI_DIAG_ERROR, "upload: %s", why);
        goto fail;
    }
    if (run_is_of_this_boot(u))
        clock_tell(u);
    wdi_budget_load(&u->budget, opt->upload_bytes_per_day_max, store);
    uint64_t wait_us = wdi_retry_note_take(store);
    if (wait_us > 0) {
        u->phase = PHASE_WAITING;
        u->wait_firm = u->wait_long = u->wait_noted = true;
        u->wait_until_us = base_mono_us() + wait_us;
    }
    *ret_u = u;
    return WADI_OK;

fail:
    wdi_batch_maker_fini(&u->maker);
    free(u);
    return err;
}

static void upload_free(wdi_upload *u) {
    wdi_batch_maker_fini(&u->maker);
    free(u);
}

void wdi_upload_close(wdi_upload *u) {
    if (u == NULL)
        return;
    u->ops->close(u->transport);
    upload_free(u);
}

void wdi_upload_disown(wdi_upload *u) {
    if (u != NULL && u->ops->disown != NULL)
        u->ops->disown(u->transport);
}

void wdi_upload_forget(wdi_upload *u) {
    if (u == NULL)
        return;
    u->ops->forget(u->transport);
    upload_free(u);
}

/* ---- waiting -------------------------------------------------------------------------------------- */

static uint64_t chance(void) {
    uint64_t random = 0;
    if (!base_random(&random, sizeof random))
        random = base_boot_us() * UINT64_C(0x9E3779B97F4A7C15); /* it only spreads attempts */
    return random;
}

/* The batch goes again, from the start, `wait_us` from now. The first wait in a row is worth a warning. */
static void upload_wait(wdi_upload *u, uint64_t wait_us, uint64_t now_us, const char *why) {
    wdi_store_rewind(u->store, NULL, 0);
    u->phase = PHASE_WAITING;
    u->wait_firm = false;
    u->wait_long = wait_us >= WAIT_LONG_US;
    u->wait_until_us = now_us + wait_us;
    wdi_diagf(&u->diag, u->attempt == 0 ? WADI_DIAG_WARN : WADI_DIAG_DEBUG, "upload: %s; again in %.1f s",
              why, (double)wait_us / 1e6);
    if (u->attempt < UINT32_MAX)
        u->attempt++;
    u->unsettled_turns = 0;
}

static void upload_back_off(wdi_upload *u, uint64_t now_us, const char *why) {
    upload_wait(u, wdi_backoff_next(u->attempt, u->retry_min_us, u->retry_max_us, chance()), now_us, why);
}

static void upload_wait_long(wdi_upload *u, uint64_t now_us, const char *why) {
    upload_wait(u, wdi_backoff_cap(u->retry_max_us, chance()), now_us, why);
    u->wait_firm = true;
}

/* Until the day's bytes allow for n more (0: for what did not fit last). False: they do. */
static bool upload_saves(wdi_upload *u, size_t n, uint64_t now_us) {
    uint64_t wait_us = wdi_budget_wait_us(&u->budget, u->store, base_boot_us(), n);
    if (wait_us == 0)
        return false;
    upload_wait(u, wait_us, now_us, "upload_bytes_per_day_max is reached: nothing more goes out today");
    u->wait_firm = u->wait_long = true;
    return true;
}

/* The wait that an answer asks for, or a back-off where it asks for none. */
static wadi_err upload_retry(wdi_upload *u, uint64_t asked_ms, uint64_t now_us, const char *why) {
    if (asked_ms == 0) {
        upload_back_off(u, now_us, why);
        return WADI_OK;
    }
    uint64_t wait_us = wdi_backoff_asked(asked_ms * 1000, chance());
    upload_wait(u, wait_us, now_us, why);
    u->wait_firm = true;
    if (!u->wait_long)
        return WADI_OK;
    u->wait_noted = true;
    return wdi_retry_note_write(u->store, wait_us);
}

/* ---- answers -------------------------------------------------------------------------------------- */

/* Something was settled: whatever was wrong is over, and batches may grow again. */
static void upload_settled(wdi_upload *u) {
    if (u->attempt > 0)
        wdi_diagf(&u->diag, WADI_DIAG_INFO, "upload: works again");
    u->attempt = u->unsettled_turns = u->given_up = 0;
    if (u->numbers_max > 0)
        u->numbers_max += u->numbers_max / 4 + 1;
    if (u->numbers_max >= WDI_BATCH_NUMBERS_MAX)
        u->numbers_max = 0;
}

static wadi_err answer_ok(wdi_upload *u, const wire_ack *ack) {
    wadi_err err = wdi_store_settle(u->store, u->out.stream, ack->agreed_through);
    if (ack->agreed_through < u->out.last_seq)
        wdi_store_rewind(u->store, u->out.stream, ack->agreed_through + 1);
    if (ack->agreed_through >= u->out.first_seq)
        upload_settled(u);
    return err;
}

/* One number that no collector will take becomes a tombstone. Where the collector did not name it, it may be
 * wrong about more than this one: the next is given up only after a wait, so that a queue never melts away at
 * once. */
static wadi_err number_give_up(wdi_upload *u, uint64_t seq, wadi_drop reason, bool named, uint64_t now_us) {
    wdi_diagf(&u->diag, WADI_DIAG_ERROR, "upload: event %llu was refused (%s): dropped and counted",
              (unsigned long long)seq, wire_drop_reason_name(reason));
    wadi_err err = wdi_store_drop(u->store, u->out.stream, seq, seq, reason);
    if (err == WADI_OK && !named && ++u->given_up > 1)
        upload_back_off(u, now_us, "one event after the other is refused");
    return err;
}

/* Refused as a whole: halves, down to the one event. */
static wadi_err batch_split(wdi_upload *u, const wire_ack *ack, wadi_drop reason, uint64_t now_us) {
    uint64_t numbers = u->out.last_seq - u->out.first_seq + 1;
    wdi_store_rewind(u->store, u->out.stream, u->out.first_seq);
    u->unsettled_turns = 0; /* halving ends by itself */
    u->numbers_max = (uint32_t)(numbers / 2);
    if (numbers > 1)
        return WADI_OK;
    u->numbers_max = 1;
    if (ack->status ==
        WIRE_STATUS_NONE) { /* somebody in between says so, whose limits are not our events' fault */
        upload_wait_long(u, now_us, "one event is too large for what stands before the collector (413)");
        return WADI_OK;
    }
    return number_give_up(u, u->out.first_seq, reason, false, now_us);
}

static wadi_err answer_refused(wdi_upload *u, const wire_ack *ack, uint64_t now_us) {
    uint64_t seq = ack->refused_seq;
    if (seq < u->out.first_seq || seq > u->out.last_seq)
        return batch_split(u, ack, WADI_DROP_REFUSED, now_us);
    wdi_store_rewind(u->store, u->out.stream, u->out.first_seq);
    return number_give_up(u, seq, WADI_DROP_REFUSED, true, now_us);
}

static wadi_err answer_encoding(wdi_upload *u, uint64_t now_us) {
    wdi_store_rewind(u->store, u->out.stream, u->out.first_seq);
    if (!wdi_batch_encoding_next(&u->maker))
        upload_wait_long(u, now_us, "the collector takes no encoding that we know (415)");
    return WADI_OK;
}

/* A line for people: the status, and the Ack's message, cleaned of what could spoil a log. */
static const char *answer_text(unsigned status, const wire_ack *ack, char *out, size_t cap) {
    int n =
        snprintf(out, cap, "HTTP status %u%s%s", status, ack->message[0] != '\0' ? ": " : "", ack->message);
    for (char *c = out; n > 0 && *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return out;
}

static wadi_err verdict_apply(wdi_upload *u, wdi_verdict verdict, const wire_ack *ack, uint64_t asked_ms,
                              uint64_t now_us) {
    char text[256];
    answer_text(u->ops->response(u->transport)->status, ack, text, sizeof text);
    switch (verdict) {
    case WDI_VERDICT_OK:
        return answer_ok(u, ack);
    case WDI_VERDICT_REWIND:
        wdi_store_rewind(u->store, u->out.stream, ack->next_seq);
        return WADI_OK;
    case WDI_VERDICT_FORK:
        wdi_diagf(&u->diag, WADI_DIAG_WARN,
                  "upload: the stream is another device's too: going on with a new one");
        return wdi_store_fork(u->store, u->out.stream, ack->agreed_through);
    case WDI_VERDICT_UNVERIFIED:
        return wdi_store_unverified(u->store, u->out.stream, ack->next_seq, ack->chain);
    case WDI_VERDICT_TOO_LARGE:
        return batch_split(u, ack, WADI_DROP_TOO_LARGE, now_us);
    case WDI_VERDICT_REFUSED:
        return answer_refused(u, ack, now_us);
    case WDI_VERDICT_ENCODING:
        return answer_encoding(u, now_us);
    case WDI_VERDICT_RETRY:
        return upload_retry(u, asked_ms, now_us, text);
    case WDI_VERDICT_NOT_ACK:
        upload_back_off(u, now_us, text);
        return WADI_OK;
    case WDI_VERDICT_UNAUTHORIZED:
    case WDI_VERDICT_MISPLACED:
        upload_wait_long(u, now_us, text);
        return WADI_OK;
    }
    return WADI_OK;
}

/* What any Ack tells, whatever came of the batch: the time, and whose streams these are. */
static wadi_err ack_note(wdi_upload *u, wdi_verdict verdict, const wire_ack *ack, uint64_t back_boot_us) {
    int64_t offset_us = 0;
    uint64_t error_us = 0;
    wadi_err err = WADI_OK;
    if (wdi_answer_clock(ack, u->left_boot_us, back_boot_us, &offset_us, &error_us) &&
        run_is_of_this_boot(u)) {
        err = wdi_store_clock_sample(u->store, offset_us, error_us, back_boot_us, NULL);
        clock_tell(u);
    }
    if (err != WADI_OK || ack->collector[0] == '\0')
        return err;
    memcpy(u->collector, ack->collector, sizeof u->collector);
    const uint8_t *stream = verdict <= WDI_VERDICT_UNVERIFIED && !u->asking ? u->out.stream : NULL;
    return wdi_store_home(u->store, u->collector, stream, back_boot_us);
}

/* Any Ack with a name answers the question who is there, unless it says to stay away: what it thinks of the
 * question is nothing to us. */
static wdi_verdict question_judge(wdi_verdict verdict, const wire_ack *ack) {
    if (verdict == WDI_VERDICT_RETRY || verdict == WDI_VERDICT_UNAUTHORIZED)
        return verdict;
    return ack->collector[0] != '\0' ? WDI_VERDICT_OK : WDI_VERDICT_NOT_ACK;
}

static wadi_err answer_take(wdi_upload *u, uint64_t now_us) {
    wire_ack ack;
    uint64_t asked_ms = 0, back_boot_us = base_boot_us();
    wdi_verdict verdict = wdi_answer_judge(u->ops->response(u->transport), &ack, &asked_ms);
    if (u->asking)
        verdict = question_judge(verdict, &ack);
    u->phase = PHASE_IDLE;
    u->unsettled_turns++;
    if (verdict != WDI_VERDICT_OK)
        u->stats.upload_errors++;
    wadi_err err = ack_note(u, verdict, &ack, back_boot_us);
    if (err == WADI_OK && !(u->asking && verdict == WDI_VERDICT_OK))
        err = verdict_apply(u, verdict, &ack, asked_ms, now_us);
    if (err == WADI_OK && u->phase == PHASE_IDLE && u->unsettled_turns > UNSETTLED_TURNS_MAX)
        upload_back_off(u, now_us, "the collector's answers lead nowhere");
    return err;
}

/* ---- the machine ---------------------------------------------------------------------------------- */

static void transport_failed(wdi_upload *u, uint64_t now_us) {
    const char *why = "";
    wdi_transport_failure failure = u->ops->failure(u->transport, &why);
    u->unreachable = failure == WDI_FAILURE_UNREACHABLE;
    u->stats.upload_errors++;
    if (failure == WDI_FAILURE_STALE) { /* only a kept connection can be: the next is a new one */
        wdi_store_rewind(u->store, u->out.stream, u->out.first_seq);
        u->phase = PHASE_IDLE;
    } else {
        upload_back_off(u, now_us, why);
    }
}

static wdi_batch_want batch_want(const wdi_upload *u) {
    return (wdi_batch_want){
        .collector = u->collector,
        .numbers_max = u->numbers_max,
        .bytes_max = wdi_budget_left(&u->budget, u->store, base_boot_us()),
        .refused = u->refused,
    };
}

/* The next batch; body NULL: there is none, or its day is spent. A number counts as sent once it is noted, so
 * the day's bytes are asked before. Noting it for the first time waits for the disk: the clocks in the batch
 * would be that old, so it is made again; the note then stands. */
static wadi_err batch_next(wdi_upload *u, uint64_t now_us) {
    const wdi_batch_want want = batch_want(u);
    for (int i = 0; i < 2; i++) {
        wadi_err err = wdi_batch_make(&u->maker, u->store, &want, &u->out);
        if (err != WADI_OK || u->out.body == NULL)
            return err;
        if (upload_saves(u, u->out.n, now_us)) {
            u->out.body = NULL;
            return WADI_OK;
        }
        uint64_t noted_us = base_boot_us();
        err = wdi_store_sending(u->store, u->out.stream, u->out.last_seq);
        if (err != WADI_OK)
            return err;
        if (i > 0 || base_boot_us() - noted_us <= CLOCK_AGE_US_MAX)
            break;
        wdi_store_rewind(u->store, u->out.stream, u->out.first_seq);
    }
    return wdi_budget_spend(&u->budget, u->store, base_boot_us(), u->out.n);
}

/* Connected: the batch is made now, with the clocks of now. Numbers that their collector may have already are
 * shown to no other one, so with such a number the first thing to find out is who is there. And what the time
 * is, where that is not known: a batch that goes first gets times that are guessed, and all that comes after
 * it in the stream can be no earlier. A question is no upload: it may be what ends the day, by the
 * collector's time. */
static wadi_err exchange_begin(wdi_upload *u, uint64_t now_us) {
    static const uint8_t question[] = {0x08, 0x01}; /* a Batch of a version and nothing else */
    u->unreachable = false;
    u->phase = PHASE_IDLE;
    u->asking = u->collector[0] == '\0' &&
                (wdi_store_wants_home(u->store) || wdi_store_wants_clock(u->store, base_boot_us()));
    wadi_err err = WADI_OK;
    if (u->asking)
        u->out = (wdi_batch_out){.body = question, .n = sizeof question};
    else
        err = batch_next(u, now_us);
    if (err != WADI_OK || u->out.body == NULL)
        return err;
    u->stats.uploads++;
    u->stats.upload_bytes += u->out.n;
    u->phase = PHASE_EXCHANGING;
    u->left_boot_us = base_boot_us();
    wdi_request request = {.body = u->out.body, .n = u->out.n, .encoding = u->out.encoding};
    (void)u->ops->post(u->transport, &request, now_us); /* the next turn sees how far it came */
    return WADI_OK;
}

static wadi_err transport_moved(wdi_upload *u, wdi_transport_state state, uint64_t now_us, bool *ret_more) {
    *ret_more = state != WDI_TRANSPORT_CONNECTING && state != WDI_TRANSPORT_EXCHANGING;
    switch (state) {
    case WDI_TRANSPORT_READY:
        return exchange_begin(u, now_us);
    case WDI_TRANSPORT_ANSWERED:
        return answer_take(u, now_us);
    case WDI_TRANSPORT_CLOSED:
    case WDI_TRANSPORT_FAILED:
        transport_failed(u, now_us);
        break;
    case WDI_TRANSPORT_CONNECTING:
    case WDI_TRANSPORT_EXCHANGING:
        break;
    }
    return WADI_OK;
}

static wadi_err upload_begin(wdi_upload *u, uint64_t now_us, bool *ret_more) {
    bool any = false;
    wdi_batch_want want = batch_want(u);
    u->held_until_us = 0;
    if (wdi_store_pending(u->store) == 0)
        return WADI_OK;
    wadi_err err = wdi_batch_any(&u->maker, u->store, &want, &any);
    if (err != WADI_OK)
        return err;
    if (!any) {
        u->held_until_us = now_us + u->retry_max_us;
        return WADI_OK;
    }
    bool timed = wdi_store_moment(u->store, base_boot_us()).collector_error_us != 0;
    if (timed && upload_saves(u, 0, now_us))
        return WADI_OK;
    u->phase = PHASE_CONNECTING;
    return transport_moved(u, u->ops->connect(u->transport, now_us), now_us, ret_more);
}

static wadi_err upload_turn(wdi_upload *u, uint64_t now_us, bool *ret_more) {
    *ret_more = false;
    if (u->phase == PHASE_WAITING && now_us >= u->wait_until_us) {
        if (u->wait_noted)
            wdi_retry_note_delete(u->store);
        u->wait_noted = false;
        u->phase = PHASE_IDLE;
    }
    switch (u->phase) {
    case PHASE_WAITING:
        return WADI_OK;
    case PHASE_IDLE:
        return upload_begin(u, now_us, ret_more);
    case PHASE_CONNECTING:
    case PHASE_EXCHANGING:
        break;
    }
    wdi_transport_state state = u->ops->step(u->transport, now_us);
    if (state == WDI_TRANSPORT_READY)
        u->collector[0] = '\0'; /* a new connection may reach another one */
    return transport_moved(u, state, now_us, ret_more);
}

wadi_err wdi_upload_step(wdi_upload *u, uint64_t now_us) {
    wadi_err err = WADI_OK;
    u->now_us = now_us;
    u->unfinished = true;
    for (int i = 0; i < STEP_TURNS_MAX && u->unfinished && err == WADI_OK; i++)
        err = upload_turn(u, now_us, &u->unfinished);
    if (err != WADI_OK) {
        u->ops->cancel(u->transport);
        u->unfinished = false;
        upload_back_off(u, now_us, wadi_strerror(err));
    }
    return err;
}

size_t wdi_upload_pollfds(const wdi_upload *u, struct pollfd *ret_fds, size_t max) {
    return u->ops->pollfds(u->transport, ret_fds, max);
}

uint64_t wdi_upload_deadline_us(const wdi_upload *u) {
    if (u->unfinished)
        return 0;
    switch (u->phase) {
    case PHASE_WAITING:
        return u->wait_until_us;
    case PHASE_IDLE:
        return u->held_until_us > 0 ? u->held_until_us : WDI_UPLOAD_NEVER;
    case PHASE_CONNECTING:
    case PHASE_EXCHANGING:
        break;
    }
    uint64_t until_us = u->ops->deadline_us(u->transport);
    return u->grace_until_us > u->now_us && u->grace_until_us < until_us ? u->grace_until_us : until_us;
}

void wdi_upload_kick(wdi_upload *u, uint64_t now_us) {
    u->now_us = now_us;
    u->grace_until_us = now_us + KICK_GRACE_US;
    if (u->phase == PHASE_WAITING && !u->wait_firm)
        u->wait_until_us = now_us;
}

bool wdi_upload_idle(const wdi_upload *u) {
    return u->phase == PHASE_IDLE && wdi_store_pending(u->store) == 0;
}

bool wdi_upload_offline(const wdi_upload *u) {
    bool trying = u->phase == PHASE_CONNECTING && u->now_us < u->grace_until_us;
    bool told_to_wait = u->phase == PHASE_WAITING && u->wait_firm && u->wait_long;
    return (u->unreachable && !trying) || told_to_wait || (u->phase == PHASE_IDLE && u->held_until_us > 0);
}

void wdi_upload_refused_set(wdi_upload *u, uint64_t refused) { u->refused = refused; }

void wdi_upload_stats_get(const wdi_upload *u, wdi_upload_stats *ret_stats) {
    *ret_stats = u->stats;
    ret_stats->upload_day_bytes = u->budget.spent;
}

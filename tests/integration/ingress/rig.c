/* rig: ingress with a journal that only pretends, driven by standard input. For the tests beside it.
 *
 *     ingress_rig cert_file=… key_file=… [name=value …]
 *
 * Prints `port=N`, then a line for every submission. Commands, a line each:
 *     hold     the journal takes nothing      go    it does again, and answers 200
 *     refuse   it answers 503                 mute  it takes, and answers nothing until `go`
 *     drain    ingress_stop_accepting         end of input: ingress_stop, and the end
 *     metrics  prints them, and an empty line
 */
#include <zmq.h>

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/metrics.h"
#include "collector/base/text.h"
#include "collector/base/thread.h"
#include "collector/ingress/ingress.h"
#include "collector/journal/journal.h"
#include "sdk/src/base/clock.h"

#define MUTED_MAX 4096u
#define STOP_US UINT64_C(2000000)

enum mode { MODE_GO, MODE_HOLD, MODE_REFUSE, MODE_MUTE, MODE_END };

struct fake_journal {
    void *submit, **answers;
    _Atomic enum mode mode;
    submission *muted[MUTED_MAX];
    size_t n_muted;
    pthread_t thread;
};

/* ---- journal ------------------------------------------------------------------------------------ */

static void answer(struct fake_journal *j, submission *sub, bool refuse) {
    sub->http_status = refuse ? 503 : 200;
    sub->ack = (wire_ack){
        .status = refuse ? WIRE_STATUS_RETRY : WIRE_STATUS_OK,
        .agreed_through = refuse ? 0 : sub->facts.last_seq,
        .received_us = base_wall_us(),
        .retry_after_ms = refuse ? 1500 : 0,
    };
    snprintf(sub->ack.collector, sizeof sub->ack.collector, "rig");
    void *socket = j->answers[sub->loop];
    submission_release(sub);
    int sent = zmq_send(socket, &sub, sizeof sub, 0);
    assert(sent == (int)sizeof sub);
    (void)sent;
}

static void describe(const submission *sub) {
    printf("tenant=%s encoding=%u bytes=%u first=%llu last=%llu events=%u raw=%u loop=%u\n", sub->tenant,
           sub->encoding, sub->body_bytes, (unsigned long long)sub->facts.first_seq,
           (unsigned long long)sub->facts.last_seq, sub->facts.n_events, sub->facts.raw_bytes, sub->loop);
    fflush(stdout);
}

static void take(struct fake_journal *j, submission *sub, enum mode mode) {
    submission_acquire(sub);
    describe(sub);
    if (mode == MODE_MUTE && j->n_muted < MUTED_MAX)
        j->muted[j->n_muted++] = sub;
    else
        answer(j, sub, mode == MODE_REFUSE);
}

static void *fake_main(void *context) {
    struct fake_journal *j = context;
    for (enum mode mode; (mode = atomic_load(&j->mode)) != MODE_END;) {
        zmq_pollitem_t item = {.socket = j->submit, .events = ZMQ_POLLIN};
        submission *sub;
        while (mode == MODE_GO && j->n_muted > 0)
            answer(j, j->muted[--j->n_muted], false);
        if (mode == MODE_HOLD)
            zmq_poll(NULL, 0, 5);
        else if (zmq_poll(&item, 1, 5) > 0 && zmq_recv(j->submit, &sub, sizeof sub, 0) == (int)sizeof sub)
            take(j, sub, mode);
    }
    while (j->n_muted > 0)
        answer(j, j->muted[--j->n_muted], false);
    return NULL;
}

static void *socket_bind(void *zmq, int type, int queue_max, const char *endpoint) {
    void *socket = zmq_socket(zmq, type);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_RCVHWM, &queue_max, sizeof queue_max);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue_max, sizeof queue_max);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    int bound = zmq_bind(socket, endpoint);
    assert(bound == 0);
    (void)bound;
    return socket;
}

static void fake_start(struct fake_journal *j, void *zmq, uint32_t n_loops) {
    j->submit = socket_bind(zmq, ZMQ_PULL, 16, JOURNAL_SUBMIT);
    j->answers = calloc(n_loops, sizeof *j->answers);
    for (uint32_t i = 0; i < n_loops; i++) {
        char endpoint[64];
        snprintf(endpoint, sizeof endpoint, JOURNAL_ANSWERS_FMT, i);
        j->answers[i] = socket_bind(zmq, ZMQ_PUSH, 16, endpoint);
    }
    thread_start("fake-journal", fake_main, j, &j->thread);
}

static void fake_end(struct fake_journal *j) {
    submission *sub;
    atomic_store(&j->mode, MODE_END);
    pthread_join(j->thread, NULL);
    /* What was never taken goes back, so that its owner can free it. */
    while (zmq_recv(j->submit, &sub, sizeof sub, ZMQ_DONTWAIT) == (int)sizeof sub)
        answer(j, sub, true);
}

static void fake_close(struct fake_journal *j, uint32_t n_loops) {
    zmq_close(j->submit);
    for (uint32_t i = 0; i < n_loops; i++)
        zmq_close(j->answers[i]);
    free(j->answers);
}

/* ---- command line ------------------------------------------------------------------------------- */

static ingress_options options = {
    .collector = "rig",
    .listen = "127.0.0.1:0",
    .listen_backlog = 512,
    .n_loops = 2,
    .limits = {.connections = 1000,
               .header_bytes = 4096,
               .body_bytes = 65536,
               .decompressed_bytes = 262144,
               .batch_numbers = 1000},
    .timeouts = {.handshake_us = 20000000, .header_us = 20000000, .body_us = 20000000, .idle_us = 20000000},
};
static struct config_api_key api_key;

static bool text_option(const char *name, const char *value) {
    static const struct {
        const char *name;
        const char **field;
    } texts[] = {{"cert_file", &options.cert_file},
                 {"key_file", &options.key_file},
                 {"client_ca_file", &options.client_ca_file},
                 {"listen", &options.listen}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(texts[i].name, name) == 0) {
            *texts[i].field = value;
            return true;
        }
    return false;
}

static bool number_option(const char *name, const char *value) {
    static const struct {
        const char *name;
        uint64_t *field;
    } numbers[] = {{"connections", &options.limits.connections},
                   {"header_bytes", &options.limits.header_bytes},
                   {"body_bytes", &options.limits.body_bytes},
                   {"decompressed_bytes", &options.limits.decompressed_bytes},
                   {"batch_numbers", &options.limits.batch_numbers},
                   {"buffered_bytes", &options.limits.buffered_bytes},
                   {"handshake_us", &options.timeouts.handshake_us},
                   {"header_us", &options.timeouts.header_us},
                   {"body_us", &options.timeouts.body_us},
                   {"idle_us", &options.timeouts.idle_us}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0) {
            *numbers[i].field = strtoull(value, NULL, 10);
            return true;
        }
    return false;
}

static bool option_read(char *argument) {
    char *value = strchr(argument, '=');
    if (value == NULL)
        return false;
    *value++ = '\0';
    if (strcmp(argument, "api_key") == 0) { /* tenant:sha256 */
        char *digest = strchr(value, ':');
        api_key.tenant = value;
        options.api_keys = &api_key;
        options.n_api_keys = 1;
        *digest++ = '\0';
        return hex_decode(api_key.sha256, sizeof api_key.sha256, digest, strlen(digest));
    }
    return text_option(argument, value) || number_option(argument, value);
}

static void metrics_print(void) {
    struct text text;
    text_init_growing(&text, 1 << 20);
    metrics_render(&text);
    printf("%s\n", text.data);
    fflush(stdout);
    text_fini(&text);
}

static void commands_run(struct fake_journal *j, ingress *in) {
    static const char *const modes[] = {"go\n", "hold\n", "refuse\n", "mute\n"};
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
            if (strcmp(line, modes[i]) == 0)
                atomic_store(&j->mode, (enum mode)i);
        if (strcmp(line, "drain\n") == 0)
            ingress_stop_accepting(in);
        if (strcmp(line, "metrics\n") == 0)
            metrics_print();
    }
}

int main(int argc, char **argv) {
    static struct fake_journal fake;
    ingress *in = NULL;
    for (int i = 1; i < argc; i++)
        if (!option_read(argv[i])) {
            fprintf(stderr, "not an option: %s\n", argv[i]);
            return 2;
        }
    void *zmq = zmq_ctx_new();
    zmq_ctx_set(zmq, ZMQ_IO_THREADS, 0);
    options.zmq = zmq;
    options.client_auth = options.client_ca_file != NULL;
    fake_start(&fake, zmq, options.n_loops);
    bool open = ingress_open(&options, &in) == INGRESS_OK;
    if (open && ingress_run(in) == INGRESS_OK) {
        printf("port=%u\n", ingress_port(in));
        fflush(stdout);
        commands_run(&fake, in);
        ingress_stop(in, base_mono_us() + STOP_US);
    }
    fake_end(&fake);
    ingress_close(in);
    fake_close(&fake, options.n_loops);
    zmq_ctx_term(zmq);
    return open ? 0 : 1;
}

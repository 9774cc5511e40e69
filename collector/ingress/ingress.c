#include "collector/ingress/ingress.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/diag.h"
#include "collector/base/ready.h"
#include "collector/ingress/acceptor.h"
#include "collector/ingress/loop.h"

#define BUFFERED_BYTES_DEFAULT (UINT64_C(256) << 20)

struct ingress {
    struct loop_shared shared;
    struct acceptor acceptor;
    uint16_t port;
    uint32_t loops_ready, loops_running;
    struct loop *loops;
};

static void shared_init(struct loop_shared *shared, const ingress_options *opt) {
    uint64_t buffered = opt->limits.buffered_bytes != 0 ? opt->limits.buffered_bytes : BUFFERED_BYTES_DEFAULT;
    shared->opt = *opt;
    shared->request_limits = (struct request_limits){
        .head_bytes = opt->limits.header_bytes,
        .body_bytes = opt->limits.body_bytes,
    };
    shared->policy = (struct admission_policy){
        .client_certificates = opt->client_auth,
        .api_keys = opt->api_keys,
        .n_api_keys = opt->n_api_keys,
    };
    /* One body of the largest size has to fit in any case. */
    shared->buffered_max = buffered / opt->n_loops + opt->limits.body_bytes;
    atomic_init(&shared->stop_at_us, UINT64_MAX);
}

static ingress_err tls_open(struct loop_shared *shared) {
    base_tls_options options = {
        .server = true,
        .ca_file = shared->opt.client_ca_file,
        .cert_file = shared->opt.cert_file,
        .key_file = shared->opt.key_file,
        .client_auth = shared->opt.client_auth,
        .tls13_only = shared->opt.tls13_only,
    };
    char why[256] = "";
    if (base_tls_new(&options, why, sizeof why, &shared->tls) == BASE_TLS_OK)
        return INGRESS_OK;
    diag_error("TLS cannot be set up", DIAG_STR("error", why));
    return INGRESS_ERR_TLS;
}

static ingress_err loops_open(ingress *in) {
    uint32_t n = in->shared.opt.n_loops;
    in->loops = calloc(n, sizeof *in->loops);
    if (in->loops == NULL)
        return INGRESS_ERR_SYSTEM;
    while (in->loops_ready < n) {
        uint32_t index = in->loops_ready++;
        if (!loop_init(&in->loops[index], &in->shared, index))
            return INGRESS_ERR_SYSTEM;
    }
    return acceptor_attach(&in->acceptor, in->loops) ? INGRESS_OK : INGRESS_ERR_SYSTEM;
}

ingress_err ingress_open(const ingress_options *opt, ingress **ret_ingress) {
    ingress *in = calloc(1, sizeof *in);
    if (in == NULL)
        return INGRESS_ERR_SYSTEM;
    shared_init(&in->shared, opt);
    ingress_err err = tls_open(&in->shared);
    if (err == INGRESS_OK && !acceptor_open(&in->acceptor, &in->shared))
        err = INGRESS_ERR_ADDRESS;
    if (err == INGRESS_OK)
        err = loops_open(in);
    if (err != INGRESS_OK) {
        ingress_close(in);
        return err;
    }
    in->port = acceptor_port(&in->acceptor);
    *ret_ingress = in;
    return INGRESS_OK;
}

uint16_t ingress_port(const ingress *in) { return in->port; }

ingress_err ingress_run(ingress *in) {
    while (in->loops_running < in->shared.opt.n_loops && loop_start(&in->loops[in->loops_running]))
        in->loops_running++;
    if (in->loops_running == in->shared.opt.n_loops) {
        ready_set("ingress", true, NULL);
        return INGRESS_OK;
    }
    diag_error("cannot start a thread", DIAG_UINT("running", in->loops_running));
    return INGRESS_ERR_SYSTEM;
}

static void loops_wake(ingress *in) {
    for (uint32_t i = 0; i < in->loops_running; i++)
        loop_wake(&in->loops[i]);
}

void ingress_stop_accepting(ingress *in) {
    ready_set("ingress", false, "stopping");
    atomic_store(&in->shared.draining, true);
    loops_wake(in);
}

void ingress_stop(ingress *in, uint64_t deadline_us) {
    atomic_store(&in->shared.stop_at_us, deadline_us);
    ingress_stop_accepting(in);
    for (uint32_t i = 0; i < in->loops_running; i++)
        pthread_join(in->loops[i].thread, NULL);
    in->loops_running = 0;
}

void ingress_close(ingress *in) {
    if (in == NULL)
        return;
    if (in->loops_running > 0)
        ingress_stop(in, 0);
    acceptor_fini(&in->acceptor);
    for (uint32_t i = 0; i < in->loops_ready; i++)
        loop_fini(&in->loops[i]);
    free(in->loops);
    base_tls_free(in->shared.tls);
    free(in);
}

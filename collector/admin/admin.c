#include "admin.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "diag.h"
#include "net.h"
#include "pages.h"
#include "thread.h"

enum { BACKLOG = 16, HEADER_BYTES_MAX = 8192, BODY_BYTES_MAX = 1, TIMEOUT_S = 5 };

struct admin {
    struct admin_options options;
    struct event_base *base;
    struct evhttp *http;
    struct event *stop;
    int stop_fd;
    uint16_t port;
    pthread_t thread;
    bool started;
};

static void header_add(struct evhttp_request *request, const char *name, const char *value) {
    evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static void reply_send(struct evhttp_request *request, const struct page *page) {
    header_add(request, "Content-Type", page->content_type);
    header_add(request, "Cache-Control", "no-store");
    header_add(request, "X-Content-Type-Options", "nosniff");
    header_add(request, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
    /* evhttp sends a HEAD's body like any other's, so it gets none, and the length of what it would be. */
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        char length[24];
        snprintf(length, sizeof length, "%zu", page->body.length);
        header_add(request, "Content-Length", length);
    } else {
        /* No memory makes an empty page, whose length says so. */
        evbuffer_add(evhttp_request_get_output_buffer(request), page->body.data, page->body.length);
    }
    evhttp_send_reply(request, page->status, NULL, NULL);
}

static void on_request(struct evhttp_request *request, void *argument) {
    struct admin *admin = argument;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    struct page page;
    page_make(&admin->options, path ? path : "", uri ? evhttp_uri_get_query(uri) : NULL, &page);
    reply_send(request, &page);
    page_fini(&page);
}

static void on_stop(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct admin *admin = argument;
    event_base_loopbreak(admin->base);
}

static void *admin_run(void *argument) {
    struct admin *admin = argument;
    event_base_dispatch(admin->base);
    return NULL;
}

static enum admin_result listener_open(struct admin *admin) {
    struct net_address address;
    if (!net_address_parse(admin->options.listen, &address)) {
        diag_error("admin cannot listen: not an address", DIAG_STR("listen", admin->options.listen));
        return ADMIN_NOT_BOUND;
    }
    int fd = net_listen(&address, BACKLOG);
    if (fd < 0) {
        diag_error("admin cannot listen", DIAG_STR("listen", admin->options.listen),
                   DIAG_STR("error", strerror(-fd)));
        return ADMIN_NOT_BOUND;
    }
    admin->port = net_local_port(fd);
    if (evhttp_accept_socket(admin->http, fd) != 0) {
        close(fd);
        return ADMIN_SYSTEM;
    }
    return ADMIN_OK; /* the descriptor is evhttp's now */
}

static enum admin_result server_open(struct admin *admin) {
    admin->base = event_base_new();
    admin->http = admin->base ? evhttp_new(admin->base) : NULL;
    admin->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!admin->http || admin->stop_fd < 0)
        return ADMIN_SYSTEM;
    admin->stop = event_new(admin->base, admin->stop_fd, EV_READ, on_stop, admin);
    if (!admin->stop || event_add(admin->stop, NULL) != 0)
        return ADMIN_SYSTEM;
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_max_headers_size(admin->http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(admin->http, BODY_BYTES_MAX);
    evhttp_set_timeout(admin->http, TIMEOUT_S);
    evhttp_set_gencb(admin->http, on_request, admin);
    return listener_open(admin);
}

static void admin_cleanup(struct admin **admin) { admin_close(*admin); }

enum admin_result admin_open(const struct admin_options *options, struct admin **ret_admin) {
    CLEANUP(admin_cleanup) struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return ADMIN_SYSTEM;
    admin->options = *options;
    admin->stop_fd = -1;
    enum admin_result result = server_open(admin);
    if (result != ADMIN_OK)
        return result;
    int failed = thread_start("wadi-admin", admin_run, admin, &admin->thread);
    if (failed != 0) {
        diag_error("admin has no thread", DIAG_STR("error", strerror(failed)));
        return ADMIN_SYSTEM;
    }
    admin->started = true;
    *ret_admin = admin;
    admin = NULL;
    return ADMIN_OK;
}

uint16_t admin_port(const struct admin *admin) { return admin->port; }

void admin_close(struct admin *admin) {
    if (!admin)
        return;
    if (admin->started) {
        /* An eventfd takes a 1 at any time, so this cannot fail. */
        eventfd_write(admin->stop_fd, 1);
        pthread_join(admin->thread, NULL);
    }
    if (admin->stop)
        event_free(admin->stop);
    if (admin->http)
        evhttp_free(admin->http);
    if (admin->base)
        event_base_free(admin->base);
    if (admin->stop_fd >= 0)
        close(admin->stop_fd);
    free(admin);
}

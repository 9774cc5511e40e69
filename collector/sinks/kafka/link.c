#include "link.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "diag.h"
#include "sdk/src/base/clock.h"
#include "text.h"

void link_say(kafka_link *link, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(link->message, sizeof link->message, format, arguments);
    va_end(arguments);
}

uint64_t link_deadline_us(const kafka_link *link, uint32_t most_ms) {
    uint64_t deadline = base_mono_us() + 1000u * (uint64_t)most_ms;
    uint64_t stop = atomic_load_explicit(link->opt.give_up_us, memory_order_relaxed);
    return stop != 0 && stop < deadline ? stop : deadline;
}

int link_left_ms(const kafka_link *link, uint64_t deadline_us, uint32_t most_ms) {
    uint64_t now = base_mono_us();
    uint64_t slice = link_deadline_us(link, most_ms);
    uint64_t until = slice < deadline_us ? slice : deadline_us;
    return until > now ? (int)((until - now + 999u) / 1000u) : 0;
}

static bool given_up(void *context) {
    uint64_t at = atomic_load_explicit(((const kafka_link *)context)->opt.give_up_us, memory_order_relaxed);
    return at != 0 && base_mono_us() >= at;
}

static bool registry_begin(kafka_link *link) {
    const kafka_options *opt = &link->opt;
    if (!opt->registry.url)
        return true;
    link->registry = registry_open(&(registry_options){.url = opt->registry.url,
                                                       .ca_file = opt->registry.ca_file,
                                                       .username = opt->registry.username,
                                                       .password = opt->registry.password,
                                                       .stopping = given_up,
                                                       .context = link});
    if (!link->registry)
        link_say(link, "the schema registry's credentials are too long, or there is no memory");
    return link->registry != NULL;
}

kafka_link *kafka_link_new(const kafka_options *opt, const char *collector, const char *sink,
                           const uint8_t start_id[16]) {
    kafka_link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->opt = *opt;
    link->collector = collector;
    link->sink = sink;
    hex_encode(link->owner, start_id, 16);
    if (!kafka_names_make(opt->transactional_id, opt->checkpoint_topic, collector, sink, &link->names))
        link_say(link, "the transactional id or the checkpoint topic's name is too long");
    else if (client_settings_take(link) && registry_begin(link))
        return link;
    diag_error("kafka settings refused", DIAG_STR("sink", sink), DIAG_STR("message", link->message));
    kafka_link_free(link);
    return NULL;
}

void kafka_link_free(kafka_link *link) {
    if (!link)
        return;
    registry_close(link->registry);
    oversize_fini(&link->oversize);
    free(link);
}

/* What the uploader's tests share: a store and a transport that follow the test's script. */
#ifndef UPLOAD_SCENE_H
#define UPLOAD_SCENE_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "schemas/wire/wire.h"
#include "sdk/src/base/clock.h"
#include "sdk/src/upload/upload.h"
#include "tests/unit/sdk/upload/fake_store.h"

#define SECOND_US UINT64_C(1000000)
#define QUESTION_BYTES 2 /* who is there? */

typedef struct wire_in { /* a batch as it went out, unpacked */
    uint8_t bytes[1 << 20];
    size_t n;
    char encoding[8];
    uint64_t first_seq, last_seq;
} wire_in;

typedef struct scene_line {
    wdi_transport_state state, connect_to, post_to;
    wdi_response response;
    uint8_t body[WIRE_ACK_BYTES_MAX];
    wdi_transport_failure failure;
    unsigned connects, posts, cancels;
    wire_in last;
} scene_line;

extern scene_line line;
extern void *line_open_result; /* NULL: the transport does not open */
extern const wdi_transport_ops line_ops;

typedef struct scene {
    wdi_store store;
    wdi_upload *u;
    uint64_t now_us;
    char said[8192];
} scene;

wadi_options scene_options(void);
wadi_err scene_upload_try(scene *s, const wadi_options *opt, wdi_upload **ret_u);
void scene_upload_open(scene *s);
scene *scene_open(uint64_t last);
void scene_close(scene *s);
void scene_step(scene *s);
/* Steps until the batch first … last is out. */
void sent(scene *s, uint64_t first, uint64_t last);
void answered(scene *s, unsigned status, const wire_ack *ack);
wire_ack ack_of(wire_status status);
void answered_ok(scene *s, uint64_t through);
/* It waits, and no longer than `max_us`; then time goes on to the end of the wait. */
uint64_t waited(scene *s, uint64_t min_us, uint64_t max_us);

#endif

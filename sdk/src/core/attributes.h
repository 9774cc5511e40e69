/* attributes: the context that events carry: user, the SDK's own attributes, and the application's.
 * Any thread; takes a lock. All memory is inside. */
#ifndef WDI_CORE_ATTRIBUTES_H
#define WDI_CORE_ATTRIBUTES_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "schemas/wire/wire.h"
#include "sdk/src/event/track.h"

#define WDI_ATTRIBUTES_MAX 32u /* of the application */
#define WDI_ATTRIBUTES_OWN 8u  /* at most, of the SDK: app, app_version, os … */
#define WDI_ATTRIBUTE_BYTES_MAX 255u

typedef struct wdi_attribute {
    char key[WDI_ATTRIBUTE_BYTES_MAX + 1];
    char value[WDI_ATTRIBUTE_BYTES_MAX + 1];
} wdi_attribute;

typedef struct wdi_attributes {
    pthread_mutex_t lock;
    uint32_t id; /* of the last context put; 0: none yet */
    char user[WDI_ATTRIBUTE_BYTES_MAX + 1];
    size_t n;
    size_t n_own; /* the first ones, which the application cannot replace */
    wdi_attribute list[WDI_ATTRIBUTES_OWN + WDI_ATTRIBUTES_MAX];
    uint8_t encoded[WDI_RING_PAYLOAD_MAX];
} wdi_attributes;

WADI_NODISCARD wadi_err wdi_attributes_init(wdi_attributes *a, const char *app, const char *app_version);
void wdi_attributes_fini(wdi_attributes *a);

/* Puts the present state into the ring. */
WADI_NODISCARD wadi_err wdi_attributes_publish(wdi_attributes *a, wdi_tracker *tracker);
/* Change and publish; an error leaves everything as it was. */
WADI_NODISCARD wadi_err wdi_attributes_user(wdi_attributes *a, wdi_tracker *tracker, const char *user);
WADI_NODISCARD wadi_err wdi_attributes_set(wdi_attributes *a, wdi_tracker *tracker, const char *key,
                                           const char *value);

#endif

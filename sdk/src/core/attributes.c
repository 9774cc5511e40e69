#include "sdk/src/core/attributes.h"

#include <stdbool.h>
#include <string.h>
#include <sys/utsname.h>

static bool text_fits(const char *text, size_t least) {
    size_t n = strnlen(text, WDI_ATTRIBUTE_BYTES_MAX + 1);
    return n >= least && n <= WDI_ATTRIBUTE_BYTES_MAX;
}

static void text_set(char out[WDI_ATTRIBUTE_BYTES_MAX + 1], const char *text) {
    size_t n = strnlen(text, WDI_ATTRIBUTE_BYTES_MAX);
    memcpy(out, text, n);
    out[n] = '\0';
}

static wire_span span_of(const char *text) { return (wire_span){(const uint8_t *)text, strlen(text)}; }

/* ---- the SDK's own ------------------------------------------------------------------------------ */

static void own_add(wdi_attributes *a, const char *key, const char *value) {
    if (value == NULL || value[0] == '\0')
        return;
    text_set(a->list[a->n].key, key);
    text_set(a->list[a->n].value, value);
    a->n_own = ++a->n;
}

wadi_err wdi_attributes_init(wdi_attributes *a, const char *app, const char *app_version) {
    struct utsname system;
    memset(a, 0, sizeof *a);
    if (pthread_mutex_init(&a->lock, NULL) != 0)
        return WADI_ERR_SYSTEM;
    own_add(a, "app", app);
    own_add(a, "app_version", app_version);
    if (uname(&system) == 0) {
        own_add(a, "os", system.sysname);
        own_add(a, "os_version", system.release);
        own_add(a, "arch", system.machine);
    }
    return WADI_OK;
}

void wdi_attributes_fini(wdi_attributes *a) { pthread_mutex_destroy(&a->lock); }

/* ---- changing ----------------------------------------------------------------------------------- */

static wadi_err publish(wdi_attributes *a, wdi_tracker *tracker) {
    wire_attribute list[WDI_ATTRIBUTES_OWN + WDI_ATTRIBUTES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < a->n; i++)
        list[i] = (wire_attribute){span_of(a->list[i].key), span_of(a->list[i].value)};
    const wire_context context = {
        .id = a->id + 1, .user = span_of(a->user), .attributes = list, .n_attributes = a->n};
    if (wire_context_encode(&context, a->encoded, sizeof a->encoded, &n) != WIRE_OK)
        return WADI_ERR_TOO_LARGE;
    wadi_err err = wdi_tracker_set_context(tracker, context.id, a->encoded, (uint32_t)n);
    if (err == WADI_OK)
        a->id = context.id;
    return err;
}

wadi_err wdi_attributes_publish(wdi_attributes *a, wdi_tracker *tracker) {
    pthread_mutex_lock(&a->lock);
    wadi_err err = publish(a, tracker);
    pthread_mutex_unlock(&a->lock);
    return err;
}

wadi_err wdi_attributes_user(wdi_attributes *a, wdi_tracker *tracker, const char *user) {
    char before[sizeof a->user];
    user = user != NULL ? user : "";
    if (!text_fits(user, 0))
        return WADI_ERR_INVALID;
    pthread_mutex_lock(&a->lock);
    memcpy(before, a->user, sizeof before);
    text_set(a->user, user);
    bool same = strcmp(a->user, before) == 0; /* every context takes room in the store */
    wadi_err err = wdi_tracker_refusal(tracker);
    if (err == WADI_OK && !same)
        err = publish(a, tracker);
    if (err != WADI_OK)
        memcpy(a->user, before, sizeof before);
    pthread_mutex_unlock(&a->lock);
    return err;
}

static size_t key_find(const wdi_attributes *a, const char *key) {
    size_t i = 0;
    while (i < a->n && strcmp(a->list[i].key, key) != 0)
        i++;
    return i;
}

/* Takes the attribute out, or puts another value in; the last slot of the list is for what was there. */
static wadi_err attribute_change(wdi_attributes *a, wdi_tracker *tracker, const char *key,
                                 const char *value) {
    size_t at = key_find(a, key);
    size_t n = a->n;
    wdi_attribute before = a->list[at < n ? at : 0];
    if (at < a->n_own || (value != NULL && at == a->n_own + WDI_ATTRIBUTES_MAX))
        return WADI_ERR_INVALID;
    if (at == n ? value == NULL : value != NULL && strcmp(value, before.value) == 0)
        return WADI_OK; /* nothing changes */
    if (value == NULL) {
        a->list[at] = a->list[--a->n];
    } else {
        text_set(a->list[at].key, key);
        text_set(a->list[at].value, value);
        a->n += at == n;
    }
    wadi_err err = publish(a, tracker);
    if (err != WADI_OK) {
        a->n = n;
        if (value == NULL)
            a->list[n - 1] = a->list[at];
        if (at < n)
            a->list[at] = before;
    }
    return err;
}

wadi_err wdi_attributes_set(wdi_attributes *a, wdi_tracker *tracker, const char *key, const char *value) {
    if (key == NULL || !text_fits(key, 1) || (value != NULL && !text_fits(value, 0)))
        return WADI_ERR_INVALID;
    pthread_mutex_lock(&a->lock);
    wadi_err err = wdi_tracker_refusal(tracker);
    if (err == WADI_OK)
        err = attribute_change(a, tracker, key, value);
    pthread_mutex_unlock(&a->lock);
    return err;
}

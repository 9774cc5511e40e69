#include "address.h"

#include <ctype.h>
#include <string.h>

static const char *host_of(const char *endpoint) {
    if (strncmp(endpoint, "http://", 7) == 0)
        return endpoint + 7;
    return strncmp(endpoint, "https://", 8) == 0 ? endpoint + 8 : NULL;
}

const char *s3_bucket_fault(const char *bucket) {
    size_t n = strlen(bucket), valid = 0;
    while (islower((unsigned char)bucket[valid]) || isdigit((unsigned char)bucket[valid]) ||
           (bucket[valid] && strchr(".-_", bucket[valid])))
        valid++;
    return n >= 3 && n <= 63 && valid == n ? NULL : "is 3 to 63 of a-z, 0-9, `-`, `.` and `_`";
}

const char *s3_endpoint_fault(const char *endpoint) {
    const char *host = host_of(endpoint);
    if (!host || !*host)
        return "begins with http:// or https://";
    for (const char *p = host; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-_:[]", *p))
            return "is http[s]://host[:port], without a path, a user or a query";
    return NULL;
}

const char *s3_prefix_fault(const char *prefix) {
    static const char fault[] = "ends in `/`, and no part of it is empty, `.` or `..`";
    if (strchr(prefix, '+'))
        return "has no `+`, which libcurl 8 signs wrongly in queries";
    while (*prefix) {
        size_t n = strcspn(prefix, "/");
        bool dots = (n == 1 && prefix[0] == '.') || (n == 2 && strncmp(prefix, "..", 2) == 0);
        if (n == 0 || dots || prefix[n] == '\0')
            return fault;
        prefix += n + 1;
    }
    return NULL;
}

/* All but unreserved characters; `=` above all, which libcurl signs otherwise than it sends it. */
static void encoded_put(struct text *out, const char *in, const char *kept) {
    for (; *in; in++)
        if (isalnum((unsigned char)*in) || strchr(kept, *in))
            text_append(out, in, 1);
        else
            text_printf(out, "%%%02X", (unsigned char)*in);
}

void s3_url_put(struct text *url, const s3_place *place, const char *key, const char *query) {
    char amazon[128];
    struct text made;
    const char *endpoint = place->endpoint;
    if (!endpoint || !*endpoint) {
        text_init(&made, amazon, sizeof amazon);
        text_printf(&made, "https://s3.%s.amazonaws.com%s", place->region,
                    strncmp(place->region, "cn-", 3) == 0 ? ".cn" : "");
        endpoint = amazon;
    }
    const char *host = host_of(endpoint);
    text_append(url, endpoint, (size_t)(host - endpoint));
    if (place->virtual_host)
        text_printf(url, "%s.%s/", place->bucket, host);
    else
        text_printf(url, "%s/%s", host, place->bucket);
    if (!place->virtual_host && *key)
        text_put(url, "/");
    encoded_put(url, key, "-._~/");
    if (query && *query) {
        text_put(url, "?");
        text_put(url, query);
    }
}

void s3_query_put(struct text *query, const char *name, const char *value) {
    if (query->length > 0)
        text_put(query, "&");
    text_put(query, name);
    text_put(query, "=");
    encoded_put(query, value, "-._~");
}

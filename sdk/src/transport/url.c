#include "sdk/src/transport/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool host_is_loopback(const char *host) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return (ntohl(v4.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
    return strcasecmp(host, "localhost") == 0;
}

static bool chars_are(const char *text, size_t n, const char *extra) {
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr(extra, c) == NULL))
            return false;
    }
    return true;
}

static const char *port_parse(const char *text, size_t n, uint16_t *ret_port) {
    uint32_t port = 0;
    if (n == 0 || n > 5)
        return "the port is not a number from 1 to 65535";
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return "the port is not a number from 1 to 65535";
        port = port * 10 + (uint32_t)(text[i] - '0');
    }
    if (port == 0 || port > 65535)
        return "the port is not a number from 1 to 65535";
    *ret_port = (uint16_t)port;
    return NULL;
}

/* `host[:port]` or `[v6][:port]`, n bytes. NULL: fine. */
static const char *authority_parse(const char *text, size_t n, wdi_url *url) {
    const char *host = text, *end = text + n, *host_end;
    bool bracketed = n > 0 && *text == '[';
    if (bracketed) {
        host = text + 1;
        host_end = memchr(host, ']', n - 1);
        if (host_end == NULL)
            return "the address lacks its closing bracket";
    } else {
        host_end = memchr(host, ':', n);
        if (host_end == NULL)
            host_end = end;
    }
    size_t host_n = (size_t)(host_end - host);
    if (host_n == 0 || host_n >= sizeof url->host || !chars_are(host, host_n, bracketed ? ":." : "-._"))
        return "the host is missing or not a host name";
    memcpy(url->host, host, host_n);
    url->host[host_n] = '\0';
    struct in6_addr v6;
    if (bracketed && inet_pton(AF_INET6, url->host, &v6) != 1)
        return "not an IPv6 address in the brackets";

    const char *rest = host_end + (bracketed ? 1 : 0);
    url->port = url->tls ? 443 : 80;
    if (rest < end && *rest != ':')
        return "something other than a port follows the host";
    if (rest < end) {
        const char *why = port_parse(rest + 1, (size_t)(end - rest - 1), &url->port);
        if (why != NULL)
            return why;
    }
    memcpy(url->authority, text, n);
    url->authority[n] = '\0';
    return NULL;
}

static const char *prefix_parse(const char *text, wdi_url *url) {
    size_t n = strlen(text);
    while (n > 0 && text[n - 1] == '/')
        n--;
    if (n >= sizeof url->prefix || !chars_are(text, n, "/-._~%!$&'()*+,;=:@"))
        return "the path is too long, or has characters that a path cannot have";
    memcpy(url->prefix, text, n);
    url->prefix[n] = '\0';
    return NULL;
}

wadi_err wdi_url_parse(const char *text, wdi_url *ret_url, const char **ret_why) {
    wdi_url url = {0};
    const char *why = NULL, *rest = text;
    if (strncasecmp(text, "https://", 8) == 0) {
        url.tls = true;
        rest = text + 8;
    } else if (strncasecmp(text, "http://", 7) == 0) {
        rest = text + 7;
    } else {
        why = "it does not begin with https://";
    }
    size_t n = strcspn(rest, "/?#");
    if (why == NULL)
        why = authority_parse(rest, n, &url);
    if (why == NULL)
        why = prefix_parse(rest + n, &url);
    if (why == NULL && !url.tls && !host_is_loopback(url.host))
        why = "http:// is for loopback only: events would be readable on the way";
    if (why != NULL) {
        *ret_why = why;
        return WADI_ERR_INVALID;
    }
    *ret_url = url;
    return WADI_OK;
}

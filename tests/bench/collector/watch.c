#include "watch.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAGE_BYTES_MAX (1u << 18)

uint64_t watch_cpu_us(int pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (!after ||
        sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    return (uint64_t)(user + system) * (1000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

uint64_t watch_rss_anon_kb(int pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    uint64_t kb = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtoull(line + 8, NULL, 10);
    if (file)
        fclose(file);
    return kb;
}

static size_t page_get(uint16_t port, char *page, size_t cap) {
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t n = 0;
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        write(fd, request, sizeof request - 1) == (ssize_t)(sizeof request - 1)) {
        ssize_t got;
        while (n < cap - 1 && (got = read(fd, page + n, cap - 1 - n)) > 0)
            n += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    page[n] = '\0';
    return n;
}

uint64_t watch_metric(uint16_t admin_port, const char *name) {
    char *page = malloc(PAGE_BYTES_MAX);
    if (!page)
        return 0;
    uint64_t sum = 0;
    size_t length = strlen(name);
    page_get(admin_port, page, PAGE_BYTES_MAX);
    for (char *line = page; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *space = strchr(line, ' ');
        if (strncmp(line, name, length) == 0 && space && (line[length] == ' ' || line[length] == '{'))
            sum += (uint64_t)strtod(space + 1, NULL);
    }
    free(page);
    return sum;
}

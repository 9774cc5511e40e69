/* What the admin listener answers, as text. No network. One thread. */
#ifndef COLLECTOR_ADMIN_PAGES_H
#define COLLECTOR_ADMIN_PAGES_H

#include "admin.h"
#include "text.h"

enum { PAGE_BYTES_MAX = 4 << 20 };

struct page {
    int status; /* of HTTP */
    const char *content_type;
    struct text body; /* growing, up to PAGE_BYTES_MAX */
};

/* The answer for `path`; `query` is what stands behind the `?`, or NULL. Release by page_fini. */
void page_make(const struct admin_options *options, const char *path, const char *query,
               struct page *ret_page);

void page_fini(struct page *page);

#endif

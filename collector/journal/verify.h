/* verify: whether a journal is sound, found out by the page checker alone: nothing is mapped, nothing is
 * written, and no file, however damaged, harms the reader. One thread; blocks for the disk. */
#ifndef JOURNAL_VERIFY_H
#define JOURNAL_VERIFY_H

#include <stdio.h>

#include "journal.h"

typedef enum journal_verdict {
    JOURNAL_SOUND = 0,
    JOURNAL_DAMAGED,
    JOURNAL_UNKNOWN, /* it could not be found out: not there, in use, or not to be read */
} journal_verdict;

/* Every page, every record's checksum or form, the order of positions and times, and each stream's state
 * against the entry that made it. What is wrong, and where, goes to `out`, a line each. */
journal_verdict journal_verify(const char *dir, FILE *out);

/* Before LMDB maps the file: its pages alone, a fraction of the above. Logs what is wrong. CORRUPT: LMDB must
 * not see it. OK also where there is none yet. */
journal_err journal_pages_check(const char *dir);

#endif

/* ledger: what became of every number, for a stream, an installation and in total. Pure; any thread.
 *
 * It always balances: numbers = delivered + dropped[…] + gap. */
#ifndef BASE_LEDGER_H
#define BASE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define LEDGER_REASONS 8u /* of DropReason; a reason of a later wire counts as 0, unspecified */

typedef struct ledger {
    uint64_t numbers; /* settled: next_seq - start */
    uint64_t delivered, dropped[LEDGER_REASONS], gap;
    uint64_t pending;    /* as the devices last announced */
    uint64_t duplicates; /* numbers that arrived again and were not taken */
    uint64_t resent;     /* delivered, possibly known to another collector */
    uint64_t refused;    /* calls that the devices' rings refused, as last announced */
    uint64_t streams;
} ledger;

/* An installation's line of the ledger. */
#define LEDGER_TENANT_BYTES 64u /* with its terminator */
typedef struct ledger_row {
    char tenant[LEDGER_TENANT_BYTES];
    uint8_t installation[16];
    ledger sums;
} ledger_row;

/* *sum += part, and *sum -= part. The inverse of what was added before always restores the sum. */
void ledger_add(ledger *sum, const ledger *part);
void ledger_subtract(ledger *sum, const ledger *part);

uint64_t ledger_dropped(const ledger *l); /* for all reasons */
bool ledger_balances(const ledger *l);

#endif

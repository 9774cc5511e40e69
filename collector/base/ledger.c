#include "ledger.h"

#include <stddef.h>

/* Every field is a count of the same type, so the structure is summed as the array that it is. */
#define LEDGER_COUNTS (sizeof(ledger) / sizeof(uint64_t))
_Static_assert(sizeof(ledger) % sizeof(uint64_t) == 0 && offsetof(ledger, numbers) == 0, "only counts");

void ledger_add(ledger *sum, const ledger *part) {
    uint64_t *to = &sum->numbers;
    const uint64_t *from = &part->numbers;
    for (size_t i = 0; i < LEDGER_COUNTS; i++)
        to[i] += from[i];
}

void ledger_subtract(ledger *sum, const ledger *part) {
    uint64_t *to = &sum->numbers;
    const uint64_t *from = &part->numbers;
    for (size_t i = 0; i < LEDGER_COUNTS; i++)
        to[i] -= from[i];
}

uint64_t ledger_dropped(const ledger *l) {
    uint64_t sum = 0;
    for (size_t i = 0; i < LEDGER_REASONS; i++)
        sum += l->dropped[i];
    return sum;
}

bool ledger_balances(const ledger *l) { return l->numbers == l->delivered + ledger_dropped(l) + l->gap; }

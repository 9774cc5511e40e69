/* The journal's clock, read by its writer and told to all others. */
#include "state.h"

#include "sdk/src/base/clock.h"

int64_t clock_read(journal *j, uint64_t mono_us) {
    int64_t now_us = jclock_read(&j->clock, mono_us, base_wall_us());
    pthread_mutex_lock(&j->told_lock);
    j->told = j->clock;
    pthread_mutex_unlock(&j->told_lock);
    return now_us;
}

/* On a copy: what it becomes between two readings follows from the two clocks, whoever looks. */
int64_t journal_now_us(journal *j) {
    pthread_mutex_lock(&j->told_lock);
    jclock clock = j->told;
    pthread_mutex_unlock(&j->told_lock);
    return jclock_read(&clock, base_mono_us(), base_wall_us());
}

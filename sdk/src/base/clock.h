/* The clocks of the system, in microseconds. No failure: Linux has all of them. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Since boot, counting suspend; never steps. What events are stamped with. About 21 ns. */
uint64_t base_boot_us(void);

/* CLOCK_MONOTONIC: for deadlines and intervals inside a process. */
uint64_t base_mono_us(void);

/* Unix time, whatever the machine believes. */
int64_t base_wall_us(void);

/* Identifies this boot: the 16 bytes of /proc/sys/kernel/random/boot_id; where it cannot be read,
 * random and the same for the life of this process. */
void base_boot_id(uint8_t ret_id[16]);

#endif

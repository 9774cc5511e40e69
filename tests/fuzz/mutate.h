/* Random damage to an input, for fuzzing where libFuzzer is not at hand. */
#ifndef MUTATE_H
#define MUTATE_H

#include <stddef.h>
#include <stdint.h>

uint64_t mutate_random(uint64_t *state);

/* Changes one thing in `size` of `cap` bytes; returns the new size. */
size_t mutate(uint8_t *data, size_t size, size_t cap, uint64_t *state);

#endif

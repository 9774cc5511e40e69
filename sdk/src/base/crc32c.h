/* CRC-32C (Castagnoli), reflected, as in iSCSI and ext4: by the CPU's instruction where it has one
 * (SSE4.2, ARMv8 CRC), by table elsewhere. Pure; any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of `n` bytes that follow bytes whose CRC is `crc`; 0 to begin. */
uint32_t base_crc32c(uint32_t crc, const void *data, size_t n);

/* The same by table: what CPUs without the instruction run, and what tests compare with. */
uint32_t base_crc32c_portable(uint32_t crc, const void *data, size_t n);

#endif

/* A log of everything that a device does to the files below one directory, and what its disk may have of that
 * after a power cut.
 *
 * What has been synced is on the disk: of a file its content, by fsync, fdatasync or O_DSYNC; of a directory
 * its names, by an fsync of the directory, and by nothing else. Of what has not, any part may be, in any
 * order: writes by sectors of 512 bytes, names one by one. The pages of the ring are written by the device's
 * own stores: whenever one has changed between two calls, or two notes of the device, that is a write of its
 * page. */
#ifndef CRASH_WRITE_LOG_H
#define CRASH_WRITE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Begins anew with what is below `dir`, all of it taken for synced. */
bool write_log_begin(const char *dir);

/* In the device's process, before it opens anything. After so many calls it stands still. */
void write_log_attach(uint32_t calls_max);
/* From without: kills it, between two of its calls. The caller waits for its end, and then says so. */
void write_log_kill(pid_t pid);
void write_log_restart(void);

/* A moment is a number, from that of the beginning to that of now. */
uint32_t write_log_first(void);
uint32_t write_log_now(void);

/* Makes in the new directory `dir` what the disk may have at that moment; the seed decides. With `syncs`
 * false no sync ever counted, as if the device had forgotten them. */
bool write_log_cut(uint32_t moment, uint64_t seed, bool syncs, const char *dir);

/* The scene as it was at that moment, where it is in this process now. */
void write_log_scene(uint32_t moment);

#endif

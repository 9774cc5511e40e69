/* verify, repair: whether a lane is sound, and what an open would do if it is not. */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include "sdk/tools/store/lane.h"

typedef enum verdict { VERDICT_SOUND = 0, VERDICT_DAMAGED, VERDICT_UNKNOWN } verdict;

/* Writes nothing. What is wrong, and where, goes to standard output. */
verdict lane_verify(const lane *l);

/* Sets a damaged file aside, as the next open would; its lane must be free. */
verdict lane_repair(const store_dir *dir, const lane *l);

#endif

/* object_target: epochs as objects in a store, with an intent before and a commit after.
 *
 * The objects are written aside while events are taken; then the intent is stored, which holds everything
 * that decides their content and names; then they are published under these names; then the commit is
 * stored, which holds the new checkpoint; then the intent is removed. A crash before the intent leaves
 * nothing. A crash after it is repaired by taking the same events again: the same bytes under the same names.
 *
 * An epoch without events has no object and no intent, only a commit.
 *
 * An object is removed only when its epoch has a commit that does not name it: nobody knows whether the owner
 * of an intent is dead, and where manifests are only put when there is none, that commit can be no other any
 * more. What a crash leaves between the two, the next start finds: the intent of a commit that somebody else
 * made. (Of an owner that dies only after that, objects may stay that no manifest names.)
 *
 * One thread; does not log. */
#ifndef SINKS_OBJECT_TARGET_H
#define SINKS_OBJECT_TARGET_H

#include "encoder.h"
#include "target.h"

typedef struct object_target_options {
    const char *collector, *sink; /* borrowed; part of every name */
} object_target_options;

/* The target takes the store, and closes it. SINK_ERR_MEMORY: it has closed it. */
sink_err object_target_open(const object_target_options *opt, sink_store store, sink_target *ret_target);

#endif

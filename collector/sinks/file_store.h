/* file_store: a sink's objects as files below a directory.
 *
 *     <path>/dt=YYYY-MM-DD/hr=HH/<object>
 *     <path>/_wadi/<collector>/<sink>/<epoch>.intent|.commit, and aside/ for what is being written
 *
 * A file gets its name by rename after it was synced, and its directory is synced after that. */
#ifndef SINKS_FILE_STORE_H
#define SINKS_FILE_STORE_H

#include "store.h"

typedef struct file_store file_store;

/* Makes the directories that are missing; the parent of `path` must exist. SINK_ERR_BUSY: another collector
 * of the same name has this sink open. After SINK_ERR_IO and SINK_ERR_NO_SPACE errno says why. */
sink_err file_store_open(const char *path, const char *collector, const char *sink, file_store **ret_store);
void file_store_close(file_store *s);
sink_store file_store_of(file_store *s);

#endif

/* show: a lane and its events, for people and as JSON. All to standard output. */
#ifndef STORE_SHOW_H
#define STORE_SHOW_H

#include "sdk/tools/store/events.h"

/* One lane, and the directory itself: of everything that is no event. */
bool show_stat(const store_dir *dir, bool json);

/* A line an event. */
void show_event(const lane *l, const event_entry *entry);
/* As a sink of the collector writes it, as far as the device knows. False: out of memory. */
bool show_event_json(const store_dir *dir, const lane *l, const event_entry *entry);

/* Text that a terminal may be trusted with. */
void show_text(wire_span text);

#endif

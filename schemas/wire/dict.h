/* Filling and asking a wire_dict. Internal to wire. */
#ifndef WIRE_DICT_H
#define WIRE_DICT_H

#include "schemas/wire/reader.h"

/* Sorts what was added and refuses ids that came twice. */
wire_err dict_finish(wire_dict *dict);

/* Ids too large for `direct`. */
const wire_definition *dict_search(const wire_dict *dict, uint32_t id);

wire_hot const wire_definition *dict_find(const wire_dict *dict, uint32_t id) {
    if (wire_unlikely(id >= WIRE_DEFINITIONS_MAX))
        return dict_search(dict, id);
    const uint16_t index = dict->direct[id];
    return index < dict->n && dict->entries[index].id == id ? &dict->entries[index] : NULL;
}

#endif

#include "schemas/wire/dict.h"

static void definition_sift(wire_definition *entries, uint32_t root, uint32_t n) {
    const wire_definition moved = entries[root];
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && entries[child + 1].id > entries[child].id)
            child++;
        if (entries[child].id <= moved.id)
            break;
        entries[root] = entries[child];
    }
    entries[root] = moved;
}

/* A heap: no memory of its own (qsort may allocate), and no order of ids that makes it slow. */
static void definitions_sort(wire_definition *entries, uint32_t n) {
    for (uint32_t i = n / 2; i > 0; i--)
        definition_sift(entries, i - 1, n);
    for (uint32_t last = n; last > 1; last--) {
        const wire_definition greatest = entries[0];
        entries[0] = entries[last - 1];
        entries[last - 1] = greatest;
        definition_sift(entries, 0, last - 1);
    }
}

wire_err dict_finish(wire_dict *dict) {
    wire_definition *const entries = dict->entries;
    bool ascending = true;
    for (uint32_t i = 1; i < dict->n; i++)
        ascending &= entries[i - 1].id < entries[i].id;
    if (!ascending)
        definitions_sort(entries, dict->n);
    for (uint32_t i = 0; i < dict->n; i++) {
        if (i > 0 && entries[i - 1].id == entries[i].id)
            return WIRE_ERR_VALUE;
        if (entries[i].id < WIRE_DEFINITIONS_MAX)
            dict->direct[entries[i].id] = (uint16_t)i;
    }
    return WIRE_OK;
}

const wire_definition *dict_search(const wire_dict *dict, uint32_t id) {
    uint32_t low = 0, high = dict->n;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (dict->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < dict->n && dict->entries[low].id == id ? &dict->entries[low] : NULL;
}

wire_span wire_dict_get(const wire_dict *dict, uint32_t id) {
    const wire_definition *entry = dict_find(dict, id);
    return entry ? entry->text : (wire_span){NULL, 0};
}

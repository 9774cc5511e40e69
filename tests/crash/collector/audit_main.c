/* wadi-crash-audit EVENTS NOTES OBJECTS: holds a sink's files against the devices' notes, and prints a line
 * of JSON; OBJECTS gets a line of each file, for whoever compares it with the manifests. */
#include <inttypes.h>

#include "notes.h"

static void result_print(const notes *n, const audit_result *r) {
    uint64_t assigned = 0, acked = 0;
    for (uint32_t s = 0; s < n->n_streams; s++) {
        assigned += n->streams[s].assigned;
        acked += n->streams[s].acked;
    }
    printf("{\"assigned\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"lost\":%" PRIu64
           ",\"duplicated\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"misordered\":%" PRIu64 ",\"late\":%" PRIu64
           "}\n",
           assigned, acked, r->lines, r->missing, r->twice, r->foreign, r->misordered, r->late);
}

int main(int argc, char **argv) {
    notes n;
    audit_result result;
    if (argc != 4 || !notes_open(&n, argv[2], 0)) {
        fprintf(stderr, "usage: wadi-crash-audit EVENTS NOTES OBJECTS\n");
        return 64;
    }
    FILE *objects = fopen(argv[3], "we");
    audit_options opt = {.dir = argv[1], .streams = n.streams, .n_streams = n.n_streams, .objects = objects};
    bool ok = objects && audit_run(&opt, &result);
    if (ok)
        result_print(&n, &result);
    if (objects && fclose(objects) != 0)
        ok = false;
    notes_close(&n);
    return ok ? 0 : 2;
}

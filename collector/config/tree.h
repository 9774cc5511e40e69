/* A YAML document as a tree of nodes that know their place. The only wrapper of yaml.h. One thread. */
#ifndef COLLECTOR_CONFIG_TREE_H
#define COLLECTOR_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "text.h"

struct tree;

/* A node of the tree; 0 is no node. */
typedef int tree_node;

enum tree_kind { TREE_EMPTY, TREE_SCALAR, TREE_LIST, TREE_MAPPING };

struct tree_place {
    size_t line, column; /* from 1 */
};

enum tree_result { TREE_OK, TREE_SYNTAX, TREE_NO_MEMORY };

/* Reads one document. TREE_SYNTAX: it is not YAML, or more than one document; `ret_place` and `why` say
 * where and why, and there is no tree. Release by tree_close. */
enum tree_result tree_open(const char *yaml, size_t yaml_bytes, struct tree **ret_tree,
                           struct tree_place *ret_place, struct text *why);

void tree_close(struct tree *tree);

/* The document's outermost node; 0 for a document without any. */
tree_node tree_root(struct tree *tree);

/* TREE_EMPTY: no node, or a scalar that is empty, `~` or `null` and not quoted. */
enum tree_kind tree_kind_of(struct tree *tree, tree_node node);

struct tree_place tree_place_of(struct tree *tree, tree_node node);

/* A scalar's text, lent until tree_close; NULL for other nodes and for text with a NUL inside. */
const char *tree_text(struct tree *tree, tree_node node);

/* How many pairs a mapping, or items a list has; 0 for other nodes. */
size_t tree_size(struct tree *tree, tree_node node);

/* The i-th of them. Duplicate keys are all there. */
void tree_pair(struct tree *tree, tree_node mapping, size_t i, tree_node *ret_key, tree_node *ret_value);
tree_node tree_item(struct tree *tree, tree_node list, size_t i);

#endif

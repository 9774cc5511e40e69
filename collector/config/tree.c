#include "tree.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct tree {
    yaml_document_t document;
};

static void syntax_explain(const yaml_parser_t *parser, struct tree_place *ret_place, struct text *why) {
    /* libyaml gives a reader's error no mark, only an offset. */
    *ret_place = (struct tree_place){parser->problem_mark.line + 1, parser->problem_mark.column + 1};
    if (parser->context)
        text_printf(why, "%s: ", parser->context);
    text_put(why, parser->problem ? parser->problem : "cannot be read");
}

/* Whether there is nothing after the document that was loaded. */
static bool ends_here(yaml_parser_t *parser, struct tree_place *ret_place, struct text *why) {
    yaml_document_t next;
    if (!yaml_parser_load(parser, &next)) {
        syntax_explain(parser, ret_place, why);
        return false;
    }
    bool more = yaml_document_get_root_node(&next) != NULL;
    if (more) {
        *ret_place = (struct tree_place){next.start_mark.line + 1, next.start_mark.column + 1};
        text_put(why, "a second document begins here; only one is allowed");
    }
    yaml_document_delete(&next);
    return !more;
}

static enum tree_result document_load(yaml_parser_t *parser, yaml_document_t *ret_document,
                                      struct tree_place *ret_place, struct text *why) {
    if (!yaml_parser_load(parser, ret_document)) {
        if (parser->error == YAML_MEMORY_ERROR)
            return TREE_NO_MEMORY;
        syntax_explain(parser, ret_place, why);
        return TREE_SYNTAX;
    }
    if (yaml_document_get_root_node(ret_document) && !ends_here(parser, ret_place, why)) {
        yaml_document_delete(ret_document);
        return TREE_SYNTAX;
    }
    return TREE_OK;
}

enum tree_result tree_open(const char *yaml, size_t yaml_bytes, struct tree **ret_tree,
                           struct tree_place *ret_place, struct text *why) {
    yaml_parser_t parser;
    struct tree *tree = calloc(1, sizeof *tree);
    if (!tree)
        return TREE_NO_MEMORY;
    if (!yaml_parser_initialize(&parser)) {
        free(tree);
        return TREE_NO_MEMORY;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml, yaml_bytes);
    enum tree_result result = document_load(&parser, &tree->document, ret_place, why);
    yaml_parser_delete(&parser);
    if (result == TREE_OK)
        *ret_tree = tree;
    else
        free(tree);
    return result;
}

void tree_close(struct tree *tree) {
    if (!tree)
        return;
    yaml_document_delete(&tree->document);
    free(tree);
}

tree_node tree_root(struct tree *tree) { return yaml_document_get_root_node(&tree->document) ? 1 : 0; }

static const yaml_node_t *node_at(struct tree *tree, tree_node node) {
    return yaml_document_get_node(&tree->document, node);
}

static bool scalar_is_empty(const yaml_node_t *scalar) {
    const char *text = (const char *)scalar->data.scalar.value;
    return scalar->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (*text == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

enum tree_kind tree_kind_of(struct tree *tree, tree_node node) {
    const yaml_node_t *at = node_at(tree, node);
    if (!at || at->type == YAML_NO_NODE)
        return TREE_EMPTY;
    if (at->type == YAML_SCALAR_NODE)
        return scalar_is_empty(at) ? TREE_EMPTY : TREE_SCALAR;
    return at->type == YAML_SEQUENCE_NODE ? TREE_LIST : TREE_MAPPING;
}

struct tree_place tree_place_of(struct tree *tree, tree_node node) {
    const yaml_node_t *at = node_at(tree, node);
    if (!at)
        return (struct tree_place){1, 1};
    return (struct tree_place){at->start_mark.line + 1, at->start_mark.column + 1};
}

const char *tree_text(struct tree *tree, tree_node node) {
    const yaml_node_t *at = node_at(tree, node);
    if (!at || at->type != YAML_SCALAR_NODE)
        return NULL;
    const char *text = (const char *)at->data.scalar.value;
    return strlen(text) == at->data.scalar.length ? text : NULL;
}

size_t tree_size(struct tree *tree, tree_node node) {
    const yaml_node_t *at = node_at(tree, node);
    if (at && at->type == YAML_SEQUENCE_NODE)
        return (size_t)(at->data.sequence.items.top - at->data.sequence.items.start);
    if (at && at->type == YAML_MAPPING_NODE)
        return (size_t)(at->data.mapping.pairs.top - at->data.mapping.pairs.start);
    return 0;
}

void tree_pair(struct tree *tree, tree_node mapping, size_t i, tree_node *ret_key, tree_node *ret_value) {
    const yaml_node_pair_t *pair = node_at(tree, mapping)->data.mapping.pairs.start + i;
    *ret_key = pair->key;
    *ret_value = pair->value;
}

tree_node tree_item(struct tree *tree, tree_node list, size_t i) {
    return node_at(tree, list)->data.sequence.items.start[i];
}

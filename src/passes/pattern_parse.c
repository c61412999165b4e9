/* The text form of patterns; see pattern.h for the grammar. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "passes/pattern.h"

struct parser {
    const char *at;
    struct ct_pattern *pattern;
};

static void skip_spaces(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static bool accept(struct parser *p, const char *text)
{
    skip_spaces(p);
    size_t n = strlen(text);
    if (strncmp(p->at, text, n))
        return false;
    p->at += n;
    return true;
}

static corten_string word(struct parser *p)
{
    skip_spaces(p);
    const char *begin = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '_')
        p->at++;
    return (corten_string){begin, (size_t)(p->at - begin)};
}

static bool is_word(corten_string s, const char *text)
{
    return s.size_bytes == strlen(text) && !memcmp(s.data, text, s.size_bytes);
}

static bool is_commutative(corten_string op)
{
    static const char *const ops[] = {"Add", "Mul", "Max", "Min", "Equal", "And", "Or"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (is_word(op, ops[i]))
            return true;
    return false;
}

static bool parse_expression(struct parser *p, int *index);

static bool parse_arguments(struct parser *p, int node)
{
    if (accept(p, ")"))
        return true;
    for (;;) {
        if (accept(p, "...")) {
            p->pattern->nodes[node].open = true;
            return accept(p, ")");
        }
        int arg;
        if (p->pattern->nodes[node].n_args == CT_PATTERN_ARGS || !parse_expression(p, &arg))
            return false;
        struct ct_pattern_node *n = &p->pattern->nodes[node];
        n->args[n->n_args++] = arg;
        if (accept(p, ")"))
            return true;
        if (!accept(p, ","))
            return false;
    }
}

/* After the operator's name: [attr=value], &, ?, and the arguments. */
static bool parse_call(struct parser *p, int node)
{
    struct ct_pattern_node *n = &p->pattern->nodes[node];
    n->kind = CT_PATTERN_CALL;
    n->commutative = is_commutative(n->op);
    if (accept(p, "[")) {
        n->attr = word(p);
        char *end;
        if (!accept(p, "="))
            return false;
        n->attr_value = strtoll(p->at, &end, 10);
        p->at = end;
        if (!accept(p, "]"))
            return false;
    }
    n->shared = accept(p, "&");
    n->optional = accept(p, "?");
    return accept(p, "(") && parse_arguments(p, node);
}

static bool parse_named(struct parser *p, int index)
{
    struct ct_pattern_node *n = &p->pattern->nodes[index];
    corten_string first = word(p);
    n->domain = "";
    if (!first.size_bytes)
        return false;
    if (is_word(first, "c") && accept(p, ":")) {
        n->constant = true;
        n->name = word(p);
        n->kind = CT_PATTERN_CAPTURE;
        return n->name.size_bytes > 0;
    }
    if (accept(p, ":")) {
        n->name = first;
        first = word(p);
    }
    if (accept(p, ".")) {
        if (!is_word(first, "ms") && !is_word(first, "ct"))
            return false;
        n->domain = is_word(first, "ms") ? "com.microsoft" : "ai.corten";
        first = word(p);
    }
    if (first.size_bytes && isupper((unsigned char)*first.data)) {
        n->op = first;
        return parse_call(p, index);
    }
    if (n->name.size_bytes)
        return false;
    n->name = first;
    n->kind = is_word(first, "_") ? CT_PATTERN_ANY : CT_PATTERN_CAPTURE;
    return true;
}

static bool parse_expression(struct parser *p, int *index)
{
    if (p->pattern->n_nodes == CT_PATTERN_NODES)
        return false;
    *index = p->pattern->n_nodes++;
    struct ct_pattern_node *n = &p->pattern->nodes[*index];
    *n = (struct ct_pattern_node){.name = {"", 0}, .op = {"", 0}, .attr = {"", 0}};
    skip_spaces(p);
    if (isdigit((unsigned char)*p->at) || *p->at == '-') {
        char *end;
        n->kind = CT_PATTERN_NUMBER;
        n->number = strtod(p->at, &end);
        bool any = end != p->at;
        p->at = end;
        return any;
    }
    return parse_named(p, *index);
}

bool ct_pattern_parse(const char *text, struct ct_pattern *pattern)
{
    struct parser p = {text, pattern};
    int root;
    pattern->n_nodes = 0;
    if (!parse_expression(&p, &root) || pattern->nodes[0].kind != CT_PATTERN_CALL)
        return false;
    skip_spaces(&p);
    return !*p.at;
}

#include "ops/text/regex.h"

#include <string.h>

#include "ops/text/regex_tree.h"
#include "ops/text/unicode.h"

/* A program is a list of instructions; a thread of the automaton is the number of one. */
enum code {
    MATCH,
    CLASS,  /* a code point of set x */
    BYTE,   /* any byte */
    ASSERT, /* conditions x must hold here */
    SPLIT,  /* go on at the next instruction and at x */
    JUMP    /* go on at x */
};

struct instr {
    enum code code;
    uint32_t x;
};

struct set {
    uint64_t ascii[2];
    const struct ct_rune_range *ranges;
    size_t count;
};

struct ct_regex {
    struct instr *program;
    size_t n_instrs;
    struct set *sets;
    size_t n_sets;
};

/* ------------------------------------------------------------------ compiling */

/* Each byte of a text may cost as many steps as there are instructions. */
enum { MAX_INSTRS = 100000, MAX_WORK = 1000000 };

struct compiler {
    struct ct_arena *arena;
    struct ct_regex *regex;
    size_t instrs_capacity, sets_capacity;
    int work; /* nodes visited: repetitions of nothing emit no instructions */
    corten_error *error;
};

static ct_status emit(struct compiler *c, enum code code, uint32_t x, uint32_t *at)
{
    struct ct_regex *r = c->regex;
    if (r->n_instrs >= MAX_INSTRS)
        return ct_fail(c->error, CORTEN_LIMIT_EXCEEDED,
                       "regular expression: repetitions make it too large");
    if (!CT_ARENA_PUSH(c->arena, r->program, r->n_instrs, c->instrs_capacity))
        return ct_fail_memory(c->error, 0, "a regular expression");
    if (at)
        *at = (uint32_t)r->n_instrs;
    r->program[r->n_instrs++] = (struct instr){code, x};
    return CORTEN_OK;
}

static uint32_t here(const struct compiler *c)
{
    return (uint32_t)c->regex->n_instrs;
}

static ct_status emit_class(struct compiler *c, struct ct_regex_node *node)
{
    struct ct_regex *r = c->regex;
    /* `min` of a class is the number of its set + 1, once it has one: repetitions share it. */
    if (!node->min) {
        if (!CT_ARENA_PUSH(c->arena, r->sets, r->n_sets, c->sets_capacity))
            return ct_fail_memory(c->error, 0, "a regular expression");
        struct set set = {.ranges = node->set.ranges, .count = node->set.count};
        for (size_t i = 0; i < set.count; i++)
            for (int32_t u = set.ranges[i].first; u < 128 && u <= set.ranges[i].last; u++)
                set.ascii[u / 64] |= UINT64_C(1) << (u % 64);
        r->sets[r->n_sets++] = set;
        node->min = (int)r->n_sets;
    }
    return emit(c, CLASS, (uint32_t)node->min - 1, NULL);
}

static ct_status compile(struct compiler *c, struct ct_regex_node *node);

static ct_status compile_alternate(struct compiler *c, struct ct_regex_node *node)
{
    uint32_t end = UINT32_MAX; /* a chain through the jumps to the end */
    for (struct ct_regex_node *child = node->child; child; child = child->next) {
        uint32_t split = 0, jump;
        if (child->next)
            CT_TRY(emit(c, SPLIT, 0, &split));
        CT_TRY(compile(c, child));
        if (!child->next)
            break;
        CT_TRY(emit(c, JUMP, end, &jump));
        end = jump;
        c->regex->program[split].x = here(c);
    }
    while (end != UINT32_MAX) {
        uint32_t next = c->regex->program[end].x;
        c->regex->program[end].x = here(c);
        end = next;
    }
    return CORTEN_OK;
}

static ct_status compile_repeat(struct compiler *c, struct ct_regex_node *node)
{
    for (int i = 0; i < node->min; i++)
        CT_TRY(compile(c, node->child));
    if (node->max < 0) {
        uint32_t split;
        CT_TRY(emit(c, SPLIT, 0, &split));
        CT_TRY(compile(c, node->child));
        CT_TRY(emit(c, JUMP, split, NULL));
        c->regex->program[split].x = here(c);
        return CORTEN_OK;
    }
    uint32_t end = UINT32_MAX;
    for (int i = node->min; i < node->max; i++) {
        uint32_t split;
        CT_TRY(emit(c, SPLIT, end, &split));
        end = split;
        CT_TRY(compile(c, node->child));
    }
    while (end != UINT32_MAX) {
        uint32_t next = c->regex->program[end].x;
        c->regex->program[end].x = here(c);
        end = next;
    }
    return CORTEN_OK;
}

static ct_status compile(struct compiler *c, struct ct_regex_node *node)
{
    if (++c->work > MAX_WORK)
        return ct_fail(c->error, CORTEN_LIMIT_EXCEEDED,
                       "regular expression: repetitions make it too large");
    switch (node->kind) {
    case CT_REGEX_EMPTY: return CORTEN_OK;
    case CT_REGEX_CLASS: return emit_class(c, node);
    case CT_REGEX_BYTE: return emit(c, BYTE, 0, NULL);
    case CT_REGEX_ASSERT: return emit(c, ASSERT, node->assert, NULL);
    case CT_REGEX_ALTERNATE: return compile_alternate(c, node);
    case CT_REGEX_REPEAT: return compile_repeat(c, node);
    case CT_REGEX_CONCAT: break;
    }
    for (struct ct_regex_node *child = node->child; child; child = child->next)
        CT_TRY(compile(c, child));
    return CORTEN_OK;
}

ct_status ct_regex_compile(corten_string pattern, struct ct_arena *arena,
                           const struct ct_regex **regex, corten_error *error)
{
    struct ct_regex_node *root;
    CT_TRY(ct_regex_parse(pattern, arena, &root, error));
    struct ct_regex *r = ct_arena_alloc_zero(arena, sizeof *r);
    if (!r)
        return ct_fail_memory(error, sizeof *r, "a regular expression");
    struct compiler c = {.arena = arena, .regex = r, .error = error};
    CT_TRY(compile(&c, root));
    CT_TRY(emit(&c, MATCH, 0, NULL));
    *regex = r;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ matching */

/* Threads that wait at one place of the text. The sparse set of Briggs and Torczon (1993): clearing
 * it costs nothing. */
struct threads {
    uint32_t *dense, *sparse;
    uint32_t count;
};

/* A code point takes 1 to 4 bytes, so that threads wait at the next 4 places at most. */
enum { PLACES = 5 };

struct matcher {
    const struct ct_regex *regex;
    const char *begin, *end;
    struct threads threads[PLACES]; /* by place modulo PLACES */
    uint32_t *stack;
    bool matched;
};

size_t ct_regex_scratch_bytes(const struct ct_regex *regex)
{
    /* The stack gets two entries for each instruction at most. */
    return regex->n_instrs * sizeof(uint32_t) * (2 * PLACES + 2);
}

static bool has(const struct threads *t, uint32_t instr)
{
    uint32_t at = t->sparse[instr];
    return at < t->count && t->dense[at] == instr;
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static bool holds(const struct matcher *m, const char *at, uint32_t what)
{
    bool word_before = at > m->begin && is_word(at[-1]);
    bool word_after = at < m->end && is_word(at[0]);
    switch ((enum ct_regex_assert)what) {
    case CT_ASSERT_BEGIN: return at == m->begin;
    case CT_ASSERT_END: return at == m->end;
    case CT_ASSERT_LINE_BEGIN: return at == m->begin || at[-1] == '\n';
    case CT_ASSERT_LINE_END: return at == m->end || at[0] == '\n';
    case CT_ASSERT_WORD: return word_before != word_after;
    case CT_ASSERT_NO_WORD: return word_before == word_after;
    }
    return false;
}

/* Adds a thread at a place, with all that it reaches without reading. */
static void add(struct matcher *m, const char *at, uint32_t first)
{
    const struct instr *program = m->regex->program;
    struct threads *t = &m->threads[(size_t)(at - m->begin) % PLACES];
    size_t depth = 0;
    m->stack[depth++] = first;
    while (depth) {
        uint32_t i = m->stack[--depth];
        if (has(t, i))
            continue;
        t->sparse[i] = t->count;
        t->dense[t->count++] = i;
        switch (program[i].code) {
        case MATCH: m->matched |= at == m->end; break;
        case JUMP: m->stack[depth++] = program[i].x; break;
        case SPLIT:
            m->stack[depth++] = program[i].x;
            m->stack[depth++] = i + 1;
            break;
        case ASSERT:
            if (holds(m, at, program[i].x))
                m->stack[depth++] = i + 1;
            break;
        case CLASS:
        case BYTE: break;
        }
    }
}

static bool in_set(const struct set *set, int32_t rune)
{
    if (rune < 0)
        return false;
    if (rune < 128)
        return set->ascii[rune / 64] >> (rune % 64) & 1;
    return ct_rune_in(set->ranges, set->count, rune);
}

/* Moves the threads at `at` on. */
static void step(struct matcher *m, const char *at)
{
    struct threads *t = &m->threads[(size_t)(at - m->begin) % PLACES];
    int size_bytes;
    int32_t rune = ct_utf8_decode(at, m->end, &size_bytes);
    for (uint32_t k = 0; k < t->count; k++) {
        const struct instr *instr = &m->regex->program[t->dense[k]];
        if (instr->code == CLASS && in_set(&m->regex->sets[instr->x], rune))
            add(m, at + size_bytes, t->dense[k] + 1);
        else if (instr->code == BYTE)
            add(m, at + 1, t->dense[k] + 1);
    }
    t->count = 0;
}

bool ct_regex_full_match(const struct ct_regex *regex, corten_string text, void *scratch)
{
    const char *begin = text.data ? text.data : "";
    struct matcher m = {.regex = regex, .begin = begin, .end = begin + text.size_bytes};
    uint32_t *memory = scratch;
    /* What `sparse` holds at first does not matter, but it must be something. */
    memset(memory, 0, ct_regex_scratch_bytes(regex));
    for (int i = 0; i < PLACES; i++) {
        m.threads[i] = (struct threads){memory, memory + regex->n_instrs, 0};
        memory += 2 * regex->n_instrs;
    }
    m.stack = memory;
    add(&m, m.begin, 0);
    for (const char *at = m.begin; at < m.end; at++) {
        size_t waiting = 0;
        for (int i = 0; i < PLACES; i++)
            waiting += m.threads[i].count;
        if (!waiting)
            return false;
        step(&m, at);
    }
    return m.matched;
}

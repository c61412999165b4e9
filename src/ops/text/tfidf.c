/* TfIdfVectorizer: counts of the n-grams of a pool, with up to so many items skipped between their
 * members. The pool is kept as a tree: an edge for each item, a node for each n-gram and its
 * beginnings. */
#include <string.h>

#include "ops/lookup.h"
#include "ops/text/strings.h"

struct edge {
    uint32_t node;  /* from here; + 1, 0: free */
    uint32_t token; /* with this item */
    uint32_t to;
};

struct state {
    struct ct_lookup tokens;
    struct edge *edges;
    size_t mask;
    int32_t *gram; /* by node: the n-gram that ends here, or -1 */
    uint32_t n_nodes;
    int64_t shortest, longest; /* n-grams */
    int64_t skips;
    int64_t row_length, n_columns;
    const int64_t *columns; /* of the output, by n-gram */
    const float *weights;   /* by n-gram; NULL: 1 */
    bool counts;            /* TF, TFIDF: each time counts; IDF: whether at all */
    size_t scratch_bytes;   /* of one worker */
};

/* ------------------------------------------------------------------ checks */

static ct_status check_counts(const struct ct_infer *infer, int64_t n_items, int64_t n_grams,
                              int64_t longest)
{
    const int64_t *counts;
    int n = ct_attr_ints(infer->node, "ngram_counts", &counts);
    int64_t grams = 0;
    if (n < 1 || longest > n)
        return ct_infer_fail(infer, "ngram_counts has %d entries, for n-grams up to %lld", n,
                             (long long)longest);
    for (int i = 0; i < n; i++) {
        int64_t end = i + 1 < n ? counts[i + 1] : n_items;
        if (counts[i] < 0 || end < counts[i] || end > n_items || (end - counts[i]) % (i + 1))
            return ct_infer_fail(infer,
                                 "ngram_counts gives %d-grams the items %lld to %lld of %lld",
                                 i + 1, (long long)counts[i], (long long)end, (long long)n_items);
        grams += (end - counts[i]) / (i + 1);
    }
    if (grams > n_grams)
        return ct_infer_fail(infer, "the pool has %lld n-grams, ngram_indexes has %lld entries",
                             (long long)grams, (long long)n_grams);
    return CORTEN_OK;
}

static ct_status check(const struct ct_infer *infer, int64_t *n_columns)
{
    const struct ct_node *node = infer->node;
    const int64_t *indexes, *ints;
    const corten_string *strings;
    const float *weights;
    int n_ints = ct_attr_ints(node, "pool_int64s", &ints);
    int n_strings = ct_attr_strings(node, "pool_strings", &strings);
    int n_indexes = ct_attr_ints(node, "ngram_indexes", &indexes);
    int n_weights = ct_attr_floats(node, "weights", &weights);
    int64_t shortest = ct_attr_int(node, "min_gram_length", 0);
    int64_t longest = ct_attr_int(node, "max_gram_length", 0);
    if ((n_ints > 0) == (n_strings > 0))
        return ct_infer_fail(infer, "needs one of pool_int64s and pool_strings");
    CT_TRY(
        ct_infer_check_dtype(infer, 0, n_strings > 0 ? CT_BIT(STRING) : CT_BIT(I32) | CT_BIT(I64)));
    if (shortest < 1 || longest < shortest || ct_attr_int(node, "max_skip_count", 0) < 0)
        return ct_infer_fail(infer, "n-grams of %lld to %lld items with up to %lld skipped",
                             (long long)shortest, (long long)longest,
                             (long long)ct_attr_int(node, "max_skip_count", 0));
    if (!ct_attr_is(node, "mode", "TF", "") && !ct_attr_is(node, "mode", "IDF", "") &&
        !ct_attr_is(node, "mode", "TFIDF", ""))
        return ct_infer_fail(infer, "mode must be TF, IDF or TFIDF");
    *n_columns = 0;
    for (int i = 0; i < n_indexes; i++) {
        if (indexes[i] < 0 || indexes[i] >= INT32_MAX)
            return ct_infer_fail(infer, "ngram_indexes has an entry %lld", (long long)indexes[i]);
        *n_columns = indexes[i] >= *n_columns ? indexes[i] + 1 : *n_columns;
    }
    if (n_weights > 0 && n_weights != n_indexes)
        return ct_infer_fail(infer, "%d weights for %d n-grams", n_weights, n_indexes);
    return check_counts(infer, n_ints > 0 ? n_ints : n_strings, n_indexes, longest);
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t n_columns = 0;
    CT_TRY(ct_infer_check_rank(infer, 0, 0, 2));
    CT_TRY(check(infer, &n_columns));
    if (in->rank < 0) {
        ct_infer_set(infer, 0, CORTEN_F32, -1, NULL);
        return CORTEN_OK;
    }
    ct_dim dims[] = {n_columns, n_columns};
    if (in->rank == 2)
        dims[0] = in->dims[0];
    ct_infer_set(infer, 0, CORTEN_F32, in->rank == 2 ? 2 : 1, dims);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ the tree */

static struct edge *find_edge(const struct state *s, uint32_t node, uint32_t token)
{
    uint64_t h = ((uint64_t)node << 32 | token) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (h >> 32) & s->mask;
    while (s->edges[at].node && (s->edges[at].node != node + 1 || s->edges[at].token != token))
        at = (at + 1) & s->mask;
    return &s->edges[at];
}

static int64_t token_of(const struct state *s, const struct ct_tensor *items, size_t i)
{
    if (items->dtype == CORTEN_STRING)
        return ct_lookup_string(&s->tokens, CT_DATA(corten_string, items)[i]);
    int64_t x =
        items->dtype == CORTEN_I32 ? CT_DATA(int32_t, items)[i] : CT_DATA(int64_t, items)[i];
    return ct_lookup_number(&s->tokens, (uint64_t)x);
}

/* Adds the n-gram of the pool's items from `first` on. */
static void add_gram(struct state *s, const struct ct_tensor *pool, size_t first, int length,
                     int32_t gram)
{
    uint32_t node = 0;
    for (int i = 0; i < length; i++) {
        uint32_t token = (uint32_t)token_of(s, pool, first + (size_t)i);
        struct edge *edge = find_edge(s, node, token);
        if (!edge->node) {
            *edge = (struct edge){node + 1, token, s->n_nodes};
            s->gram[s->n_nodes++] = -1;
        }
        node = edge->to;
    }
    s->gram[node] = gram;
}

static ct_status build(struct ct_prepare *prepare, struct state *s)
{
    const struct ct_node *node = prepare->node;
    const int64_t *ints, *counts;
    const corten_string *strings;
    int n_strings = ct_attr_strings(node, "pool_strings", &strings);
    int n_ints = ct_attr_ints(node, "pool_int64s", &ints);
    int n_counts = ct_attr_ints(node, "ngram_counts", &counts);
    ct_attr_ints(node, "ngram_indexes", &s->columns);
    bool is_text = n_strings > 0;
    int64_t n_items = is_text ? n_strings : n_ints;
    struct ct_tensor pool = {.dtype = is_text ? CORTEN_STRING : CORTEN_I64,
                             .data = is_text ? (void *)strings : (void *)ints};
    if (is_text)
        CT_TRY(ct_lookup_strings(&s->tokens, prepare, strings, (size_t)n_items));
    else
        CT_TRY(ct_lookup_numbers(&s->tokens, prepare, (const uint64_t *)ints, (size_t)n_items));
    size_t slots = 4;
    while (slots < 2 * (size_t)n_items)
        slots *= 2;
    s->mask = slots - 1;
    s->edges = ct_prepare_alloc(prepare, slots * sizeof *s->edges);
    s->gram = ct_prepare_alloc(prepare, ((size_t)n_items + 1) * sizeof *s->gram);
    if (!s->edges || !s->gram)
        return ct_fail_memory(prepare->error, slots * sizeof *s->edges, "a pool of n-grams");
    s->gram[s->n_nodes++] = -1;
    int32_t gram = 0;
    for (int length = 1; length <= n_counts; length++) {
        int64_t end = length < n_counts ? counts[length] : n_items;
        for (int64_t at = counts[length - 1]; at < end; at += length, gram++)
            if (length >= s->shortest && length <= s->longest)
                add_gram(s, &pool, (size_t)at, length, gram);
    }
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_node *node = prepare->node;
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a pool of n-grams");
    s->shortest = ct_attr_int(node, "min_gram_length", 0);
    s->longest = ct_attr_int(node, "max_gram_length", 0);
    s->skips = ct_attr_int(node, "max_skip_count", 0);
    s->row_length = in->rank ? in->dims[in->rank - 1] : 1;
    s->n_columns = out ? out->dims[out->rank - 1] : 0;
    s->counts = !ct_attr_is(node, "mode", "IDF", "");
    if (!ct_attr_is(node, "mode", "TF", "") && ct_attr_floats(node, "weights", &s->weights) <= 0)
        s->weights = NULL;
    size_t row_bytes;
    if (!ct_mul_size((size_t)s->row_length, sizeof(int64_t), &row_bytes) ||
        !ct_mul_size(ct_align_up(row_bytes, CT_ALIGN), (size_t)prepare->threads,
                     &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "rows are too long");
    s->scratch_bytes = ct_align_up(row_bytes, CT_ALIGN);
    prepare->state = s;
    return build(prepare, s);
}

/* ------------------------------------------------------------------ run */

/* The n-grams that begin at `at` and take every distance-th item. */
static void count_from(const struct state *s, const int64_t *tokens, int64_t at, int64_t distance,
                       int64_t shortest, float *row)
{
    uint32_t node = 0;
    for (int64_t n = 1; n <= s->longest && at < s->row_length; n++, at += distance) {
        if (tokens[at] < 0)
            return;
        const struct edge *edge = find_edge(s, node, (uint32_t)tokens[at]);
        if (!edge->node)
            return;
        node = edge->to;
        int32_t gram = s->gram[node];
        if (n < shortest || gram < 0)
            continue;
        float weight = s->weights ? s->weights[gram] : 1;
        float *to = &row[s->columns[gram]];
        *to = s->counts ? *to + weight : weight;
    }
}

static void count_row(const struct state *s, const int64_t *tokens, float *row)
{
    int64_t shortest = s->shortest;
    for (int64_t distance = 1; distance - 1 <= s->skips && distance <= s->row_length; distance++) {
        int64_t last = s->row_length - 1;
        last = shortest - 1 > last / distance ? -1 : last - distance * (shortest - 1);
        for (int64_t at = 0; at <= last; at++)
            count_from(s, tokens, at, distance, shortest, row);
        /* A single item skips nothing: it counts once. */
        if (shortest == 1 && ++shortest > s->longest)
            break;
    }
}

static void count_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct state *s = run->state;
    int64_t *tokens = (int64_t *)((char *)run->scratch + s->scratch_bytes * (size_t)worker);
    for (int64_t r = begin; r < end; r++) {
        float *row = CT_DATA(float, run->out[0]) + r * s->n_columns;
        memset(row, 0, (size_t)s->n_columns * sizeof *row);
        for (int64_t i = 0; i < s->row_length; i++)
            tokens[i] = token_of(s, run->in[0], (size_t)(r * s->row_length + i));
        count_row(s, tokens, row);
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    int64_t rows = run->in[0]->rank == 2 ? run->in[0]->dims[0] : 1;
    double row_ns = 20.0 * (double)s->row_length + 1.0 * (double)s->n_columns;
    ct_run_parallel(run, rows, row_ns, count_rows, (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_tfidf = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

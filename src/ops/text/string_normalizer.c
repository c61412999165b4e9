/* StringNormalizer: drops stop words, changes case. The locale attribute is of no influence: case is
 * that of Unicode's simple mappings. */
#include <string.h>

#include "ops/lookup.h"
#include "ops/text/strings.h"
#include "ops/text/unicode.h"

struct state {
    struct ct_lookup stops;
    bool has_stops;
    bool folds;          /* stop words are compared in the case that is asked for, or lower */
    bool changes, upper; /* what happens to case */
};

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    const struct ct_node *node = infer->node;
    const char *name = "case_change_action";
    CT_TRY(ct_infer_check_rank(infer, 0, 1, 2));
    if (!ct_attr_is(node, name, "NONE", "NONE") && !ct_attr_is(node, name, "LOWER", "NONE") &&
        !ct_attr_is(node, name, "UPPER", "NONE"))
        return ct_infer_fail(infer, "case_change_action must be NONE, LOWER or UPPER");
    if (in->rank == 2 && ct_dim_known(in->dims[0]) && in->dims[0] != 1)
        return ct_infer_fail(infer, "the shape must be [C] or [1,C], found %lld rows",
                             (long long)in->dims[0]);
    ct_dim dims[2] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    if (in->rank == 2)
        dims[0] = 1;
    ct_infer_set(infer, 0, CORTEN_STRING, in->rank, dims);
    return CORTEN_OK;
}

/* Stop words in the case in which they are compared. */
static ct_status prepare_stops(struct ct_prepare *prepare, struct state *state,
                               const corten_string *words, int count)
{
    corten_string *keys = ct_prepare_alloc(prepare, (size_t)count * sizeof *keys);
    if (!keys)
        return ct_fail_memory(prepare->error, (size_t)count * sizeof *keys, "stop words");
    for (int i = 0; i < count; i++) {
        keys[i] = words[i];
        if (!state->folds)
            continue;
        size_t size_bytes = ct_case_bytes(words[i].size_bytes);
        char *to = ct_prepare_alloc(prepare, size_bytes);
        if (!to)
            return ct_fail_memory(prepare->error, size_bytes, "stop words");
        keys[i] = (corten_string){to, ct_text_case(words[i], state->upper, to)};
    }
    return ct_lookup_strings(&state->stops, prepare, keys, (size_t)count);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_node *node = prepare->node;
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "a string normalizer");
    const corten_string *words;
    int count = ct_attr_strings(node, "stopwords", &words);
    state->upper = ct_attr_is(node, "case_change_action", "UPPER", "NONE");
    state->changes = !ct_attr_is(node, "case_change_action", "NONE", "NONE");
    state->has_stops = count > 0;
    state->folds = state->has_stops && !ct_attr_int(node, "is_case_sensitive", 0);
    prepare->state = state;
    return state->has_stops ? prepare_stops(prepare, state, words, count) : CORTEN_OK;
}

/* Writes the strings that stay to `kept` and their bytes to `bytes`; returns how many. */
static size_t normalize(const struct state *state, const struct ct_tensor *in, corten_string *kept,
                        char *bytes)
{
    const corten_string *words = in->data;
    size_t count = 0;
    for (size_t i = 0, n = ct_count(in); i < n; i++) {
        corten_string word = words[i], cased = word;
        if (state->folds || state->changes)
            cased = (corten_string){bytes, ct_text_case(word, state->upper, bytes)};
        if (state->has_stops && ct_lookup_string(&state->stops, state->folds ? cased : word) >= 0)
            continue;
        kept[count] = state->changes ? cased : word;
        if (state->changes)
            bytes += cased.size_bytes;
        count++;
    }
    return count;
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    size_t size_bytes = 0, n = ct_count(in);
    for (size_t i = 0; i < n; i++)
        if (!ct_add_size(size_bytes, ct_case_bytes(CT_DATA(corten_string, in)[i].size_bytes),
                         &size_bytes))
            return ct_run_fail(run, "the strings are too long");
    if (!run->out[0])
        return CORTEN_OK;
    /* When nothing stays, the result is one empty string. */
    int64_t dims[2] = {1, 1};
    int last = in->rank - 1;
    dims[last] = n ? (int64_t)n : 1;
    char *bytes;
    CT_TRY(ct_run_strings(run, 0, in->rank, dims, size_bytes, &bytes));
    size_t kept = normalize(run->state, in, run->out[0]->data, bytes);
    if (!kept)
        CT_DATA(corten_string, run->out[0])[0] = (corten_string){0};
    run->out[0]->dims[last] = kept ? (int64_t)kept : 1;
    return CORTEN_OK;
}

const struct ct_op ct_op_string_normalizer = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

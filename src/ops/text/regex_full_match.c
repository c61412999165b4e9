/* RegexFullMatch. */
#include "ops/eval.h"
#include "ops/text/regex.h"

struct state {
    const struct ct_regex *regex;
    size_t scratch_bytes; /* of one worker */
};

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    if (!ct_attr_string(infer->node, "pattern").data)
        return ct_infer_fail(infer, "attribute pattern is required");
    ct_infer_set(infer, 0, CORTEN_BOOL, in->rank, in->dims);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "a regular expression");
    CT_TRY(ct_regex_compile(ct_attr_string(prepare->node, "pattern"), prepare->planner->arena,
                            &state->regex, prepare->error));
    state->scratch_bytes = ct_align_up(ct_regex_scratch_bytes(state->regex), CT_ALIGN);
    prepare->scratch_bytes = state->scratch_bytes * (size_t)prepare->threads;
    prepare->state = state;
    return CORTEN_OK;
}

static void match_some(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct state *state = run->state;
    char *scratch = (char *)run->scratch + state->scratch_bytes * (size_t)worker;
    for (int64_t i = begin; i < end; i++)
        CT_DATA(uint8_t, run->out[0])
    [i] = ct_regex_full_match(state->regex, CT_DATA(corten_string, run->in[0])[i], scratch);
}

static ct_status run(const struct ct_run *run)
{
    ct_run_parallel(run, (int64_t)ct_count(run->in[0]), 1000, match_some, (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_regex_full_match = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

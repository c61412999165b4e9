/* IsInf and IsNaN: tests of one value. */
#include <math.h>
#include <string.h>

#include "graph/op.h"

enum { CHUNK = 512, PIECE = 16384 };

struct test {
    bool nan, positive, negative; /* what counts */
};

static ct_status infer_test(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_infer_set(infer, 0, CORTEN_BOOL, in->rank, in->rank < 0 ? NULL : in->dims);
    return CORTEN_OK;
}

static ct_status prepare_test(struct ct_prepare *prepare)
{
    struct test *test = ct_prepare_alloc(prepare, sizeof *test);
    if (!test)
        return ct_fail_memory(prepare->error, sizeof *test, "an operator's state");
    test->nan = !strcmp(prepare->node->op_type, "IsNaN");
    if (!test->nan) {
        test->positive = ct_attr_int(prepare->node, "detect_positive", 1) != 0;
        test->negative = ct_attr_int(prepare->node, "detect_negative", 1) != 0;
    }
    prepare->state = test;
    return CORTEN_OK;
}

static void test_f32(const struct test *test, const float *x, size_t n, bool *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = test->nan
                    ? x[i] != x[i]
                    : (test->positive && x[i] == INFINITY) || (test->negative && x[i] == -INFINITY);
}

static void run_pieces(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct ct_run *run = arg;
    const struct ct_tensor *in = run->in[0];
    bool *to = run->out[0]->data;
    size_t first = (size_t)begin * PIECE, last = (size_t)end * PIECE, n = ct_count(in);
    last = last < n ? last : n;
    for (size_t i = first; i < last; i += CHUNK) {
        size_t m = last - i < CHUNK ? last - i : CHUNK;
        float x[CHUNK];
        if (in->dtype == CORTEN_F64) { /* to float, but finite numbers stay finite */
            const double *wide = CT_DATA(const double, in) + i;
            for (size_t j = 0; j < m; j++)
                x[j] = isfinite(wide[j]) ? 0 : (float)wide[j];
        } else {
            ct_load_f32(in->dtype, in->data, i, m, x);
        }
        test_f32(run->state, x, m, to + i);
    }
}

static ct_status run_test(const struct ct_run *run)
{
    int64_t pieces = ((int64_t)ct_count(run->in[0]) + PIECE - 1) / PIECE;
    struct ct_run job = *run;
    ct_run_parallel(run, pieces, PIECE * 0.5, run_pieces, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_is_test = {
    .infer = infer_test,
    .prepare = prepare_test,
    .run = run_test,
    .min_in = 1,
    .max_in = 1,
};

/* The Reduce operators. Up to version 11 or 17 the axes are an attribute, then an input. */
#include "ops/reduce/reduce.h"

#include <string.h>

static const struct {
    const char *op_type;
    enum ct_reduce what;
    enum ct_reduce_finish finish;
} kinds[] = {
    {"ReduceL1", CT_REDUCE_SUM_ABS, CT_FINISH_NONE},
    {"ReduceL2", CT_REDUCE_SUM_SQUARE, CT_FINISH_SQRT},
    {"ReduceLogSum", CT_REDUCE_SUM, CT_FINISH_LOG},
    {"ReduceLogSumExp", CT_REDUCE_MAX, CT_FINISH_LOG_SUM_EXP},
    {"ReduceMax", CT_REDUCE_MAX, CT_FINISH_NONE},
    {"ReduceMean", CT_REDUCE_SUM, CT_FINISH_MEAN},
    {"ReduceMin", CT_REDUCE_MIN, CT_FINISH_NONE},
    {"ReduceProd", CT_REDUCE_PROD, CT_FINISH_NONE},
    {"ReduceSum", CT_REDUCE_SUM, CT_FINISH_NONE},
    {"ReduceSumSquare", CT_REDUCE_SUM_SQUARE, CT_FINISH_NONE},
};

/* The set of axes as bits; `axes` NULL: none given. */
static ct_status axis_set(const struct ct_infer *infer, const int64_t *axes, int count, int rank,
                          bool noop_if_empty, unsigned *set)
{
    *set = 0;
    if (count <= 0) {
        *set = noop_if_empty ? 0 : (1u << rank) - 1;
        return CORTEN_OK;
    }
    for (int i = 0; i < count; i++) {
        int axis;
        CT_TRY(ct_infer_axis(infer, axes[i], rank, &axis));
        *set |= 1u << axis;
    }
    return CORTEN_OK;
}

static void set_reduced(const struct ct_infer *infer, unsigned set)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    bool keep = ct_attr_int(infer->node, "keepdims", 1) != 0;
    ct_dim dims[CT_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!(set >> i & 1))
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    }
    ct_infer_set(infer, 0, x->dtype, rank, dims);
}

static ct_status infer_attr(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *axes = NULL;
    unsigned set;
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    int count = ct_attr_ints(infer->node, "axes", &axes);
    CT_TRY(axis_set(infer, axes, count, x->rank, false, &set));
    set_reduced(infer, set);
    return CORTEN_OK;
}

/* Axes that are not known: as many as the input has, at places unknown. */
static void set_unknown(const struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *axes = ct_infer_in(infer, 1);
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < CT_MAX_RANK; i++)
        dims[i] = CT_DIM_UNKNOWN;
    if (ct_attr_int(infer->node, "keepdims", 1)) {
        ct_infer_set(infer, 0, x->dtype, x->rank, dims);
        return;
    }
    ct_dim count = axes->rank == 1 ? axes->dims[0] : CT_DIM_UNKNOWN;
    if (ct_dim_known(count) && count > 0 && count <= x->rank)
        ct_infer_set(infer, 0, x->dtype, x->rank - (int)count, dims);
}

static ct_status infer_input(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *axes = NULL;
    int count = 0;
    unsigned set;
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64) | CT_BIT(I32)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    if (x->rank < 0)
        return CORTEN_OK;
    const struct ct_fact *given = ct_infer_in(infer, 1);
    bool none = !given || (given->rank == 1 && given->dims[0] == 0);
    if (!none) {
        CT_TRY(ct_infer_ints(infer, 1, &axes, &count));
        if (!axes) {
            set_unknown(infer);
            return CORTEN_OK;
        }
    }
    bool noop = ct_attr_int(infer->node, "noop_with_empty_axes", 0) != 0;
    CT_TRY(axis_set(infer, axes, count, x->rank, noop, &set));
    set_reduced(infer, set);
    return CORTEN_OK;
}

static ct_status prepare_set(struct ct_prepare *prepare, unsigned set)
{
    struct ct_reduce_plan *plan = ct_prepare_alloc(prepare, sizeof *plan);
    if (!plan)
        return ct_fail_memory(prepare->error, sizeof *plan, "the plan of a reduction");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(kinds[i].op_type, prepare->node->op_type)) {
            plan->what = kinds[i].what;
            plan->finish = kinds[i].finish;
        }
    }
    ct_reduce_plan_init(plan, prepare->in[0], set);
    prepare->scratch_bytes = ct_reduce_scratch(plan);
    prepare->state = plan;
    prepare->kernel = plan->wide == CT_WIDE_F32 ? plan->kernel->name : NULL;
    return CORTEN_OK;
}

static unsigned bits_of(const struct ct_tensor *axes, int rank)
{
    unsigned set = 0;
    size_t n = ct_count(axes), elem = ct_dtype_elem_bytes(axes->dtype);
    for (size_t i = 0; i < n; i++) {
        int64_t raw = 0, axis; /* a constant may lie at any address */
        memcpy(&raw, (const char *)axes->data + i * elem, elem);
        ct_load_i64(axes->dtype, &raw, 0, 1, &axis);
        axis += axis < 0 ? rank : 0;
        if (axis >= 0 && axis < rank)
            set |= 1u << axis;
    }
    return set;
}

static ct_status prepare_attr(struct ct_prepare *prepare)
{
    int rank = prepare->in[0]->rank;
    const int64_t *axes = NULL;
    int count = ct_attr_ints(prepare->node, "axes", &axes);
    unsigned set = count > 0 ? 0 : (1u << rank) - 1;
    for (int i = 0; i < count; i++)
        set |= 1u << (axes[i] < 0 ? axes[i] + rank : axes[i]);
    return prepare_set(prepare, set);
}

static ct_status prepare_input(struct ct_prepare *prepare)
{
    int rank = prepare->in[0]->rank;
    const struct ct_tensor *axes = prepare->n_in > 1 ? prepare->in[1] : NULL;
    bool noop = ct_attr_int(prepare->node, "noop_with_empty_axes", 0) != 0;
    if (!axes || ct_count(axes) == 0)
        return prepare_set(prepare, noop ? 0 : (1u << rank) - 1);
    if (!axes->data) /* as many axes as there are: the shape is known without them */
        return prepare_set(prepare, (1u << rank) - 1);
    CT_TRY(prepare_set(prepare, bits_of(axes, rank)));
    ct_prepare_not_read(prepare, 1);
    return CORTEN_OK;
}

static ct_status run_reduce(const struct ct_run *run)
{
    ct_reduce_run(run->state, run, run->in[0], run->out[0]);
    return CORTEN_OK;
}

static void cost_reduce(const struct ct_infer *infer, struct ct_cost *cost)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    double n = 1;
    for (int i = 0; i < x->rank; i++)
        n *= (double)x->dims[i];
    cost->flops += n;
}

const struct ct_op ct_op_reduce_attr = {.infer = infer_attr,
                                        .prepare = prepare_attr,
                                        .run = run_reduce,
                                        .cost = cost_reduce,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .min_out = 1};
const struct ct_op ct_op_reduce = {.infer = infer_input,
                                   .prepare = prepare_input,
                                   .run = run_reduce,
                                   .cost = cost_reduce,
                                   .min_in = 1,
                                   .max_in = 2,
                                   .min_out = 1};

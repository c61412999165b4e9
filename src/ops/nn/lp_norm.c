/* LpNormalization and MeanVarianceNormalization: statistics along axes given by an attribute. */
#include "graph/op.h"

#include <math.h>

enum { BLOCK = 256 };

/* ------------------------------------------------------------------ LpNormalization */

struct lp_norm {
    int64_t p, outer, n, inner, blocks;
};

struct lp_call {
    const struct lp_norm *state;
    const struct ct_tensor *x, *y;
};

static ct_status infer_lp(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int axis;
    int64_t p = ct_attr_int(infer->node, "p", 2);
    if (p != 1 && p != 2)
        return ct_infer_fail(infer, "p: found %lld, expected 1 or 2", (long long)p);
    if (x && x->rank >= 0)
        CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis));
    return ct_infer_unary(infer);
}

static void run_lp_block(const struct lp_call *c, size_t at, size_t n)
{
    const struct lp_norm *s = c->state;
    double sum[BLOCK] = {0}, x[BLOCK];
    for (int64_t j = 0; j < s->n; j++) {
        ct_load_f64(c->x->dtype, c->x->data, at + (size_t)(j * s->inner), n, x);
        for (size_t i = 0; i < n; i++)
            sum[i] += s->p == 1 ? fabs(x[i]) : x[i] * x[i];
    }
    for (size_t i = 0; i < n && s->p == 2; i++)
        sum[i] = sqrt(sum[i]);
    for (int64_t j = 0; j < s->n; j++) {
        ct_load_f64(c->x->dtype, c->x->data, at + (size_t)(j * s->inner), n, x);
        for (size_t i = 0; i < n; i++)
            x[i] = sum[i] == 0 ? 0 : x[i] / sum[i];
        ct_store_f64(c->y->dtype, c->y->data, at + (size_t)(j * s->inner), n, x);
    }
}

/* Along the last axis: the elements of one sum lie together. */
static void run_lp_row(const struct lp_call *c, size_t at)
{
    const struct lp_norm *s = c->state;
    double sum = 0, x[BLOCK];
    for (int64_t j = 0; j < s->n; j += BLOCK) {
        size_t n = (size_t)(s->n - j < BLOCK ? s->n - j : BLOCK);
        ct_load_f64(c->x->dtype, c->x->data, at + (size_t)j, n, x);
        for (size_t i = 0; i < n; i++)
            sum += s->p == 1 ? fabs(x[i]) : x[i] * x[i];
    }
    sum = s->p == 2 ? sqrt(sum) : sum;
    for (int64_t j = 0; j < s->n; j += BLOCK) {
        size_t n = (size_t)(s->n - j < BLOCK ? s->n - j : BLOCK);
        ct_load_f64(c->x->dtype, c->x->data, at + (size_t)j, n, x);
        for (size_t i = 0; i < n; i++)
            x[i] = sum == 0 ? 0 : x[i] / sum;
        ct_store_f64(c->y->dtype, c->y->data, at + (size_t)j, n, x);
    }
}

static void run_lp_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct lp_call *c = arg;
    const struct lp_norm *s = c->state;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i % s->blocks * BLOCK, outer = i / s->blocks;
        int64_t n = s->inner - first < BLOCK ? s->inner - first : BLOCK;
        size_t at = (size_t)(outer * s->n * s->inner + first);
        if (s->inner == 1)
            run_lp_row(c, at);
        else
            run_lp_block(c, at, (size_t)n);
    }
}

static ct_status run_lp(const struct ct_run *run)
{
    const struct lp_norm *s = run->state;
    struct lp_call call = {s, run->in[0], run->out[0]};
    int64_t width = s->inner < BLOCK ? s->inner : BLOCK;
    ct_run_parallel(run, s->outer * s->blocks, (double)(s->n * width * 3) + 20, run_lp_items,
                    &call);
    return CORTEN_OK;
}

static ct_status prepare_lp(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct lp_norm *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a normalisation");
    int64_t axis = ct_attr_int(prepare->node, "axis", -1);
    int at = (int)(axis < 0 ? axis + x->rank : axis);
    s->p = ct_attr_int(prepare->node, "p", 2);
    s->outer = ct_dims_product(x->dims, 0, at);
    s->n = x->dims[at];
    s->inner = ct_dims_product(x->dims, at + 1, x->rank);
    s->blocks = (s->inner + BLOCK - 1) / BLOCK;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_lp_norm = {
    .infer = infer_lp,
    .prepare = prepare_lp,
    .run = run_lp,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

/* ------------------------------------------------------------------ MeanVarianceNormalization */

struct mvn {
    int rank;
    int64_t dims[CT_MAX_RANK], group_stride[CT_MAX_RANK]; /* stride 0: an axis that is summed */
    int64_t n_groups;
    double per_group;
};

static ct_status read_axes(const struct ct_node *node, int rank, bool *summed)
{
    static const int64_t usual[] = {0, 2, 3};
    const int64_t *axes;
    int n = ct_attr_ints(node, "axes", &axes);
    if (n < 0) {
        axes = usual;
        n = 3;
    }
    for (int i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank)
            return CORTEN_INVALID_MODEL;
        summed[axis] = true;
    }
    return CORTEN_OK;
}

static ct_status infer_mvn(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    bool summed[CT_MAX_RANK] = {0};
    if (x && x->rank >= 0 && read_axes(infer->node, x->rank, summed))
        return ct_infer_fail(infer, "axes: out of range for rank %d", x->rank);
    return ct_infer_unary(infer);
}

struct place {
    int64_t at[CT_MAX_RANK], group;
};

/* To the next row of the last axis. */
static void advance(const struct mvn *s, struct place *p)
{
    for (int i = s->rank - 2; i >= 0; i--) {
        p->group += s->group_stride[i];
        if (++p->at[i] < s->dims[i])
            return;
        p->group -= s->dims[i] * s->group_stride[i];
        p->at[i] = 0;
    }
}

enum mvn_pass { SUM, SQUARES, NORMALISE };

/* One walk over all elements. stats: for each group its mean, then 1 / deviation. */
static void walk(const struct mvn *s, const struct ct_run *run, enum mvn_pass pass, double *mean,
                 double *scale)
{
    const struct ct_tensor *x = run->in[0];
    size_t row = (size_t)s->dims[s->rank - 1], n = ct_count(x);
    int64_t step = s->group_stride[s->rank - 1];
    struct place p = {{0}, 0};
    for (size_t first = 0; first < n; first += row, advance(s, &p))
        for (size_t j = 0; j < row; j += BLOCK) {
            double v[BLOCK];
            size_t count = row - j < BLOCK ? row - j : BLOCK;
            ct_load_f64(x->dtype, x->data, first + j, count, v);
            for (size_t i = 0; i < count; i++) {
                int64_t g = p.group + (int64_t)(j + i) * step;
                if (pass == SUM)
                    mean[g] += v[i];
                else if (pass == SQUARES)
                    scale[g] += (v[i] - mean[g]) * (v[i] - mean[g]);
                else
                    v[i] = (v[i] - mean[g]) * scale[g];
            }
            if (pass == NORMALISE)
                ct_store_f64(run->out[0]->dtype, run->out[0]->data, first + j, count, v);
        }
}

static ct_status run_mvn(const struct ct_run *run)
{
    const struct mvn *s = run->state;
    double *mean = run->scratch, *scale = mean + s->n_groups;
    for (int64_t i = 0; i < 2 * s->n_groups; i++)
        mean[i] = 0;
    if (!ct_count(run->in[0]))
        return CORTEN_OK;
    walk(s, run, SUM, mean, scale);
    for (int64_t i = 0; i < s->n_groups; i++)
        mean[i] /= s->per_group;
    walk(s, run, SQUARES, mean, scale);
    for (int64_t i = 0; i < s->n_groups; i++)
        scale[i] = 1 / (sqrt(scale[i] / s->per_group) + 1e-9); /* the constant of ONNX's function */
    walk(s, run, NORMALISE, mean, scale);
    return CORTEN_OK;
}

static ct_status prepare_mvn(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct mvn *s = ct_prepare_alloc(prepare, sizeof *s);
    bool summed[CT_MAX_RANK] = {0};
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a normalisation");
    CT_TRY(read_axes(prepare->node, x->rank, summed));
    /* A number is a vector of one. */
    s->rank = x->rank ? x->rank : 1;
    s->n_groups = 1;
    s->per_group = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        s->dims[i] = x->rank ? x->dims[i] : 1;
        s->group_stride[i] = summed[i] ? 0 : s->n_groups;
        if (summed[i])
            s->per_group *= (double)s->dims[i];
        else
            s->n_groups *= s->dims[i];
    }
    prepare->scratch_bytes = (size_t)s->n_groups * 2 * sizeof(double);
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_mean_variance_norm = {
    .infer = infer_mvn,
    .prepare = prepare_mvn,
    .run = run_mvn,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

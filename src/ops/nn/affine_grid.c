/* AffineGrid: for each image the places, from -1 to 1, that an affine map gives to each position. */
#include "graph/op.h"

enum { MAX_AXES = 3 };

struct affine_grid {
    int n;
    bool align_corners;
    int64_t batch, out[MAX_AXES];
};

static ct_status infer_affine(struct ct_infer *infer)
{
    const struct ct_fact *theta = ct_infer_in(infer, 0);
    const int64_t *size;
    int count;
    if (!theta)
        return ct_infer_fail(infer, "theta must be present");
    CT_TRY(ct_infer_check_rank(infer, 0, 3, 3));
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_ints(infer, 1, &size, &count));
    ct_infer_set(infer, 0, theta->dtype, -1, NULL);
    if (!size)
        return CORTEN_OK;
    if (count != 4 && count != 5)
        return ct_infer_fail(infer, "size has %d numbers, expected 4 or 5", count);
    ct_dim expected[3] = {size[0], count - 2, count - 1};
    for (int i = 0; i < 3 && theta->rank == 3; i++)
        if (ct_dim_known(theta->dims[i]) && theta->dims[i] != expected[i])
            return ct_infer_fail(infer, "theta, axis %d: found %lld, expected %lld", i,
                                 (long long)theta->dims[i], (long long)expected[i]);
    ct_dim dims[5] = {size[0]};
    for (int i = 2; i < count; i++)
        dims[i - 1] = size[i];
    for (int i = 0; i < count; i++)
        if (size[i] < 0)
            return ct_infer_fail(infer, "size: found %lld, expected 0 or more", (long long)size[i]);
    dims[count - 1] = count - 2;
    ct_infer_set(infer, 0, theta->dtype, count, dims);
    return CORTEN_OK;
}

static double coordinate(const struct affine_grid *s, int64_t at, int64_t n)
{
    if (s->align_corners)
        return n > 1 ? -1 + 2 * (double)at / (double)(n - 1) : -1;
    return (2 * (double)at + 1) / (double)n - 1;
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct affine_grid *s = run->state;
    const struct ct_tensor *theta = run->in[0], *grid = run->out[0];
    int n = s->n;
    int64_t width = s->out[n - 1], rows = ct_dims_product(s->out, 0, n - 1);
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        double map[MAX_AXES * (MAX_AXES + 1)], at[MAX_AXES + 1];
        size_t entries = (size_t)(n * (n + 1));
        int64_t image = row / rows, left = row % rows;
        ct_load_f64(theta->dtype, theta->data, (size_t)image * entries, entries, map);
        /* Coordinates come last axis first. */
        for (int i = n - 2; i >= 0; left /= s->out[i], i--)
            at[n - 1 - i] = coordinate(s, left % s->out[i], s->out[i]);
        at[n] = 1;
        for (int64_t x = 0; x < width; x++) {
            double to[MAX_AXES] = {0};
            at[0] = coordinate(s, x, width);
            for (int i = 0; i < n; i++)
                for (int j = 0; j <= n; j++)
                    to[i] += map[i * (n + 1) + j] * at[j];
            ct_store_f64(grid->dtype, grid->data, (size_t)((row * width + x) * n), (size_t)n, to);
        }
    }
}

static ct_status run_affine(const struct ct_run *run)
{
    const struct affine_grid *s = run->state;
    int64_t rows = s->batch * ct_dims_product(s->out, 0, s->n - 1);
    ct_run_parallel(run, rows, (double)s->out[s->n - 1] * 15, run_rows, (void *)(uintptr_t)run);
    return CORTEN_OK;
}

static ct_status prepare_affine(struct ct_prepare *prepare)
{
    struct affine_grid *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an AffineGrid");
    s->n = prepare->out[0]->rank - 2;
    s->batch = prepare->out[0]->dims[0];
    for (int i = 0; i < s->n; i++)
        s->out[i] = prepare->out[0]->dims[1 + i];
    s->align_corners = ct_attr_int(prepare->node, "align_corners", 0) != 0;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_affine_grid = {
    .infer = infer_affine,
    .prepare = prepare_affine,
    .run = run_affine,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};

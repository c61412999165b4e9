/* Prediction with flat trees. */
#include <math.h>
#include <string.h>

#include "ops/ml/ml.h"
#include "ops/ml/tree.h"

enum { TREE_LANES = 8 };

#define T float
#define NODE struct ct_tree_node_f32
#define FN(name) name##_f32
#include "ops/ml/tree_walk_tmpl.h"

#define T double
#define NODE struct ct_tree_node_f64
#define FN(name) name##_f64
#include "ops/ml/tree_walk_tmpl.h"

double ct_forest_zero(const struct ct_forest *forest)
{
    if (forest->aggregate == CT_TREE_MIN)
        return INFINITY;
    return forest->aggregate == CT_TREE_MAX ? -INFINITY : -0.0;
}

static void add_leaf(const struct ct_forest *f, int32_t leaf, double *sums)
{
    if (f->only_target >= 0) {
        *sums = ct_tree_join(f->aggregate, *sums, f->sums[leaf]);
        return;
    }
    for (int32_t v = f->first_vote[leaf]; v < f->first_vote[leaf + 1]; v++) {
        double *sum = &sums[f->votes[v].target];
        *sum = ct_tree_join(f->aggregate, *sum, f->votes[v].weight);
    }
}

void ct_forest_add(const struct ct_forest *f, int64_t first, int64_t end, const void *x,
                   int64_t n_x, int64_t n, double *sums)
{
    for (int64_t t = first; t < end; t++)
        for (int64_t begin = 0; begin < n; begin += TREE_LANES) {
            int64_t left = n - begin < TREE_LANES ? n - begin : TREE_LANES;
            int32_t leaves[TREE_LANES];
            const float *rows_f32[TREE_LANES];
            const double *rows_f64[TREE_LANES];
            for (int64_t r = 0; r < TREE_LANES; r++) { /* lanes without a row repeat the last one */
                int64_t at = (begin + (r < left ? r : left - 1)) * n_x;
                if (f->nodes_f64)
                    rows_f64[r] = (const double *)x + at;
                else
                    rows_f32[r] = (const float *)x + at;
            }
            if (f->nodes_f64)
                walk_f64(f->nodes_f64, f, t, rows_f64, leaves);
            else
                walk_f32(f->nodes_f32, f, t, rows_f32, leaves);
            for (int64_t r = 0; r < left; r++)
                add_leaf(f, leaves[r], sums + (begin + r) * f->n_columns);
        }
}

/* ------------------------------------------------------------------ rows of a tensor */

enum { BLOCK_ROWS = 64, BLOCK_SUMS = 1 << 16, FEW_ROWS = 16, CHUNK_TREES = 32 };

static size_t elem_bytes(const struct ct_forest *f)
{
    return f->nodes_f64 ? sizeof(double) : sizeof(float);
}

ct_status ct_forest_prepare(struct ct_prepare *prepare, struct ct_forest_run *run)
{
    const struct ct_forest *f = &run->forest;
    const struct ct_tensor *in = prepare->in[0];
    ct_ml_matrix(in, &run->rows, &run->columns);
    if (f->n_features > run->columns)
        return ct_fail(prepare->error, CORTEN_INVALID_MODEL,
                       "the trees read %lld features, the input has %lld", (long long)f->n_features,
                       (long long)run->columns);
    run->converts = in->dtype != (f->nodes_f64 ? CORTEN_F64 : CORTEN_F32);
    int64_t fit = BLOCK_SUMS / (f->n_columns > 0 ? f->n_columns : 1);
    run->block_rows = fit < 1 ? 1 : fit < BLOCK_ROWS ? fit : BLOCK_ROWS;
    if (run->block_rows > run->rows)
        run->block_rows = run->rows > 0 ? run->rows : 1;
    /* Few rows through many trees: the trees are shared out. The sums of chunks are added in order,
     * and chunks do not depend on the number of threads. */
    bool few = run->rows <= FEW_ROWS && run->rows <= run->block_rows &&
               f->n_trees >= 2 * CHUNK_TREES && f->n_columns <= BLOCK_SUMS;
    run->chunk_trees = few ? CHUNK_TREES : f->n_trees;
    run->n_chunks = few ? (f->n_trees + CHUNK_TREES - 1) / CHUNK_TREES : 1;
    size_t x_elems, sums;
    if (!ct_mul_size((size_t)run->block_rows, (size_t)run->columns, &x_elems) ||
        !ct_mul_size(run->converts ? x_elems : 0, elem_bytes(f), &run->x_bytes) ||
        !ct_mul_size((size_t)run->block_rows, (size_t)f->n_columns * sizeof(double), &sums) ||
        !ct_mul_size((size_t)f->n_targets, sizeof(double), &run->scores_bytes) ||
        run->x_bytes > PTRDIFF_MAX / 4 || sums > PTRDIFF_MAX / 4)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "rows are too long");
    run->x_bytes = ct_align_up(run->x_bytes, CT_ALIGN);
    run->sums_bytes = ct_align_up(sums, CT_ALIGN);
    /* A classifier may add a second score. */
    run->scores_bytes = ct_align_up(run->scores_bytes + sizeof(double), CT_ALIGN);
    size_t part = run->x_bytes + run->sums_bytes + run->scores_bytes;
    size_t parts = (size_t)prepare->threads;
    prepare->scratch_bytes = few ? part + run->sums_bytes * (size_t)run->n_chunks : part * parts;
    return CORTEN_OK;
}

/* Rows [begin, begin + n) as the forest reads them. */
static const void *load_rows(const struct ct_run *run, int64_t begin, int64_t n, void *memory)
{
    const struct ct_forest_run *r = run->state;
    const struct ct_tensor *in = run->in[0];
    size_t first = (size_t)(begin * r->columns), count = (size_t)(n * r->columns);
    if (!r->converts)
        return (const char *)in->data + first * elem_bytes(&r->forest);
    if (r->forest.nodes_f64)
        ct_load_f64(in->dtype, in->data, first, count, memory);
    else
        ct_load_f32(in->dtype, in->data, first, count, memory);
    return memory;
}

static void clear_sums(const struct ct_forest *f, int64_t n, double *sums)
{
    for (int64_t i = 0; i < n * f->n_columns; i++)
        sums[i] = ct_forest_zero(f);
}

/* Targets without a vote have -0, which sums of votes are not. */
static void finish_row(const struct ct_run *run, int64_t row, const double *sums, double *scores)
{
    const struct ct_forest_run *r = run->state;
    const struct ct_forest *f = &r->forest;
    double zero = ct_forest_zero(f);
    for (int64_t i = 0; i < f->n_targets; i++)
        scores[i] = -0.0;
    for (int64_t i = 0; i < f->n_columns && f->n_targets; i++) {
        double sum = sums[i] == zero && isinf(zero) ? -0.0 : sums[i];
        if (f->aggregate == CT_TREE_AVERAGE)
            sum /= (double)f->n_trees;
        scores[f->only_target >= 0 ? f->only_target : i] = sum;
    }
    r->finish(run, row, scores);
}

static void predict_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct ct_forest_run *r = run->state;
    const struct ct_forest *f = &r->forest;
    size_t part = r->x_bytes + r->sums_bytes + r->scores_bytes;
    char *memory = (char *)run->scratch + part * (size_t)worker;
    double *sums = (double *)(memory + r->x_bytes);
    double *scores = (double *)(memory + r->x_bytes + r->sums_bytes);
    for (int64_t b = begin; b < end; b++) {
        int64_t first = b * r->block_rows, n = r->rows - first;
        n = n < r->block_rows ? n : r->block_rows;
        const void *x = load_rows(run, first, n, memory);
        clear_sums(f, n, sums);
        ct_forest_add(f, 0, f->n_trees, x, r->columns, n, sums);
        for (int64_t i = 0; i < n; i++)
            finish_row(run, first + i, sums + i * f->n_columns, scores);
    }
}

struct chunks {
    const struct ct_run *run;
    const void *x;
    char *sums;
};

static void predict_chunks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct chunks *c = arg;
    const struct ct_forest_run *r = c->run->state;
    const struct ct_forest *f = &r->forest;
    (void)worker;
    for (int64_t k = begin; k < end; k++) {
        double *sums = (double *)(c->sums + r->sums_bytes * (size_t)k);
        int64_t first = k * r->chunk_trees, last = first + r->chunk_trees;
        clear_sums(f, r->rows, sums);
        ct_forest_add(f, first, last < f->n_trees ? last : f->n_trees, c->x, r->columns, r->rows,
                      sums);
    }
}

static void predict_few(const struct ct_run *run)
{
    const struct ct_forest_run *r = run->state;
    const struct ct_forest *f = &r->forest;
    char *memory = run->scratch;
    double *sums = (double *)(memory + r->x_bytes);
    double *scores = (double *)(memory + r->x_bytes + r->sums_bytes);
    struct chunks c = {
        .run = run,
        .x = load_rows(run, 0, r->rows, memory),
        .sums = memory + r->x_bytes + r->sums_bytes + r->scores_bytes,
    };
    double chunk_ns = f->row_ns * (double)r->rows / (double)r->n_chunks;
    ct_run_parallel(run, r->n_chunks, chunk_ns, predict_chunks, &c);
    clear_sums(f, r->rows, sums);
    for (int64_t k = 0; k < r->n_chunks; k++) {
        const double *part = (const double *)(c.sums + r->sums_bytes * (size_t)k);
        for (int64_t i = 0; i < r->rows * f->n_columns; i++)
            sums[i] = ct_tree_join(f->aggregate, sums[i], part[i]);
    }
    for (int64_t i = 0; i < r->rows; i++)
        finish_row(run, i, sums + i * f->n_columns, scores);
}

ct_status ct_forest_predict(const struct ct_run *run)
{
    const struct ct_forest_run *r = run->state;
    if (r->n_chunks > 1) {
        predict_few(run);
        return CORTEN_OK;
    }
    int64_t blocks = (r->rows + r->block_rows - 1) / r->block_rows;
    double block_ns = r->forest.row_ns * (double)r->block_rows;
    ct_run_parallel(run, blocks, block_ns, predict_blocks, (void *)run);
    return CORTEN_OK;
}

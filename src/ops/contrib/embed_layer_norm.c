/* EmbedLayerNormalization and QEmbedLayerNormalization: normalised sums of word, position and
 * segment embeddings; the mask becomes the number of its ones. */
#include "kernels/norm.h"
#include "ops/contrib/contrib.h"

/* A table or vector, and where its scale and zero point are; -1: it is of floats. */
struct table {
    int input, scale, zero;
};

struct layout {
    struct table word, position, segment, gamma, beta;
    int mask, position_ids;
};
static const struct layout plain = {
    {2, -1, -1}, {3, -1, -1}, {4, -1, -1}, {5, -1, -1}, {6, -1, -1}, 7, 8};
static const struct layout quantized = {{2, 8, 13},  {3, 9, 14}, {4, 10, 15}, {5, 11, 16},
                                        {6, 12, 17}, 7,          -1};

enum { IDS, SEGMENT_IDS };

/* ------------------------------------------------------------------ infer */

static ct_status check_table(const struct ct_infer *infer, const struct layout *layout,
                             const struct table *table, int rank, ct_dim hidden)
{
    const struct ct_fact *f = ct_infer_in(infer, table->input);
    if (!f)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, table->input, rank, rank));
    CT_TRY(ct_infer_check_same_dtype(infer, layout->word.input, table->input));
    if (f->rank == rank)
        CT_TRY(ct_contrib_agree(infer, "hidden sizes", f->dims[rank - 1], hidden));
    if (table->scale < 0)
        return CORTEN_OK;
    if (!ct_infer_in(infer, table->scale) || !ct_infer_in(infer, table->zero))
        return ct_infer_fail(infer, "input %d has no scale or zero point", table->input);
    CT_TRY(ct_infer_check_dtype(infer, table->scale, CT_BIT(F32)));
    CT_TRY(ct_infer_check_same_dtype(infer, table->input, table->zero));
    CT_TRY(ct_contrib_scalar(infer, table->scale));
    return ct_contrib_scalar(infer, table->zero);
}

static ct_status check_ids(const struct ct_infer *infer, int index, bool broadcasts)
{
    const struct ct_fact *ids = ct_infer_in(infer, IDS), *f = ct_infer_in(infer, index);
    if (index < 0 || !f)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, index, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, index, 2, 2));
    if (f->rank != 2 || ids->rank != 2)
        return CORTEN_OK;
    if (!broadcasts || f->dims[0] != 1)
        CT_TRY(ct_contrib_agree(infer, "batch of the ids", f->dims[0], ids->dims[0]));
    return ct_contrib_agree(infer, "length of the ids", f->dims[1], ids->dims[1]);
}

static ct_status infer_as(struct ct_infer *infer, const struct layout *layout)
{
    const struct ct_fact *ids = ct_infer_in(infer, IDS);
    const struct ct_fact *word = ct_infer_in(infer, layout->word.input);
    const struct table *tables[] = {&layout->word, &layout->position, &layout->segment};
    CT_TRY(ct_infer_check_dtype(infer, IDS, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, IDS, 2, 2));
    if (!word || !ct_infer_in(infer, layout->position.input) ||
        !ct_infer_in(infer, layout->gamma.input) || !ct_infer_in(infer, layout->beta.input))
        return ct_infer_fail(infer, "tables, gamma and beta must be there");
    if (!ct_infer_in(infer, SEGMENT_IDS) != !ct_infer_in(infer, layout->segment.input))
        return ct_infer_fail(infer, "segment ids and segment embeddings go together");
    ct_dim hidden = word->rank == 2 ? word->dims[1] : CT_DIM_UNKNOWN;
    for (int i = 0; i < 3; i++)
        CT_TRY(check_table(infer, layout, tables[i], 2, hidden));
    CT_TRY(check_table(infer, layout, &layout->gamma, 1, hidden));
    CT_TRY(check_table(infer, layout, &layout->beta, 1, hidden));
    CT_TRY(check_ids(infer, SEGMENT_IDS, false));
    CT_TRY(check_ids(infer, layout->mask, false));
    CT_TRY(check_ids(infer, layout->position_ids, true));
    ct_dim batch = ids->rank == 2 ? ids->dims[0] : CT_DIM_UNKNOWN;
    ct_dim length = ids->rank == 2 ? ids->dims[1] : CT_DIM_UNKNOWN;
    ct_dtype dtype = layout->word.scale < 0 ? word->dtype : CORTEN_F32;
    ct_infer_set(infer, 0, dtype, 3, (ct_dim[]){batch, length, hidden});
    ct_infer_set(infer, 1, CORTEN_I32, 1, &batch);
    ct_infer_set(infer, 2, dtype, 3, (ct_dim[]){batch, length, hidden});
    return CORTEN_OK;
}

static ct_status infer_plain(struct ct_infer *infer)
{
    return infer_as(infer, &plain);
}

static ct_status infer_quantized(struct ct_infer *infer)
{
    return infer_as(infer, &quantized);
}

/* ------------------------------------------------------------------ run */

struct state {
    const struct layout *layout;
    const struct ct_norm_f32_kernel *kernel;
    int64_t batch, length, hidden;
    size_t factors_at, workers_at, row_floats;
    float epsilon;
};

static ct_status prepare_as(struct ct_prepare *prepare, const struct layout *layout)
{
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    s->layout = layout;
    s->kernel = ct_norm_f32_select(ct_cpu_features());
    s->batch = prepare->in[IDS]->dims[0];
    s->length = prepare->in[IDS]->dims[1];
    s->hidden = prepare->out[0]->dims[2];
    s->epsilon = ct_attr_float(prepare->node, "epsilon", 1e-12f);
    s->row_floats = ct_align_up((size_t)s->hidden, CT_ALIGN / sizeof(float));
    CT_TRY(ct_contrib_reserve(prepare, s->row_floats, 2 * sizeof(float), &s->factors_at));
    CT_TRY(ct_contrib_reserve(prepare, s->row_floats * (size_t)prepare->threads, 2 * sizeof(float),
                              &s->workers_at));
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_plain(struct ct_prepare *prepare)
{
    return prepare_as(prepare, &plain);
}

static ct_status prepare_quantized(struct ct_prepare *prepare)
{
    return prepare_as(prepare, &quantized);
}

/* Row `row` of a table, dequantised, put into (or added to) `to`. */
static void load_row(const struct ct_run *run, const struct table *table, int64_t row, size_t n,
                     float *to)
{
    const struct ct_tensor *t = run->in[table->input];
    ct_load_f32(t->dtype, t->data, (size_t)row * n, n, to);
    if (table->scale < 0)
        return;
    float scale = ct_contrib_f32(run->in[table->scale], 0, 1);
    float zero = ct_contrib_f32(run->in[table->zero], 0, 0);
    for (size_t i = 0; i < n; i++)
        to[i] = (to[i] - zero) * scale;
}

struct job {
    const struct ct_run *run;
    const struct state *s;
    const float *gamma, *beta;
    int bad;
};

static bool add_row(struct job *job, const struct table *table, int64_t row, float *sum, float *tmp)
{
    if (row < 0 || row >= job->run->in[table->input]->dims[0]) {
        __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
        return false;
    }
    load_row(job->run, table, row, (size_t)job->s->hidden, tmp);
    for (int64_t i = 0; i < job->s->hidden; i++)
        sum[i] += tmp[i];
    return true;
}

static void tokens(void *arg, int64_t begin, int64_t end, int worker)
{
    struct job *job = arg;
    const struct state *s = job->s;
    const struct layout *l = s->layout;
    const struct ct_run *run = job->run;
    const struct ct_tensor *segments = ct_contrib_run_in(run, SEGMENT_IDS);
    const struct ct_tensor *positions = ct_contrib_run_in(run, l->position_ids);
    struct ct_tensor *y = run->out[0], *sums = ct_contrib_run_out(run, 2);
    size_t n = (size_t)s->hidden;
    float *sum =
        (float *)ct_contrib_scratch(run, s->workers_at) + 2 * s->row_floats * (size_t)worker;
    float *tmp = sum + s->row_floats;
    for (int64_t i = begin; i < end; i++) {
        int64_t position = i % s->length;
        if (positions)
            position =
                ct_contrib_i64(positions, (size_t)(positions->dims[0] == 1 ? i % s->length : i));
        for (size_t e = 0; e < n; e++)
            sum[e] = 0;
        if (!add_row(job, &l->word, ct_contrib_i64(run->in[IDS], (size_t)i), sum, tmp) ||
            !add_row(job, &l->position, position, sum, tmp) ||
            (segments && !add_row(job, &l->segment, ct_contrib_i64(segments, (size_t)i), sum, tmp)))
            continue;
        if (sums)
            ct_store_f32(sums->dtype, sums->data, (size_t)i * n, n, sum);
        struct ct_norm_f32_row args = {.n = n,
                                       .x = sum,
                                       .y = sum,
                                       .scale = job->gamma,
                                       .bias = job->beta,
                                       .epsilon = s->epsilon};
        s->kernel->fn->layer(&args);
        ct_store_f32(y->dtype, y->data, (size_t)i * n, n, sum);
    }
}

static void count_mask(const struct ct_run *run, const struct state *s)
{
    const struct ct_tensor *mask = ct_contrib_run_in(run, s->layout->mask);
    struct ct_tensor *index = ct_contrib_run_out(run, 1);
    for (int64_t b = 0; index && b < s->batch; b++) {
        int32_t count = 0;
        for (int64_t i = 0; mask && i < s->length; i++)
            count += ct_contrib_i64(mask, (size_t)(b * s->length + i)) == 1;
        CT_DATA(int32_t, index)[b] = count;
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    float *factors = ct_contrib_scratch(run, s->factors_at);
    struct job job = {run, s, factors, factors + s->row_floats, 0};
    count_mask(run, s);
    if (s->hidden == 0)
        return CORTEN_OK;
    load_row(run, &s->layout->gamma, 0, (size_t)s->hidden, factors);
    load_row(run, &s->layout->beta, 0, (size_t)s->hidden, factors + s->row_floats);
    ct_run_parallel(run, s->batch * s->length, 50 + 2 * (double)s->hidden, tokens, &job);
    return job.bad ? ct_run_fail(run, "an id lies outside of its table") : CORTEN_OK;
}

const struct ct_op ct_op_embed_layer_norm = {.infer = infer_plain,
                                             .prepare = prepare_plain,
                                             .run = run,
                                             .min_in = 1,
                                             .max_in = 9,
                                             .min_out = 1,
                                             .max_out = 3};
const struct ct_op ct_op_qembed_layer_norm = {.infer = infer_quantized,
                                              .prepare = prepare_quantized,
                                              .run = run,
                                              .min_in = 1,
                                              .max_in = 18,
                                              .min_out = 1,
                                              .max_out = 2};

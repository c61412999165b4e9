/* RNN, GRU and LSTM: shapes and preparation. The input's part of all gates is one product over all
 * steps; each step adds the state's. */
#include "ops/recurrent/recurrent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/linear/unaligned.h"

static const int gate_counts[3] = {1, 3, 4};

static int directions(const struct ct_node *node)
{
    return ct_attr_is(node, "direction", "bidirectional", "forward") ? 2 : 1;
}

/* ------------------------------------------------------------------ infer */

static ct_status same_dim(const struct ct_infer *infer, int index, int d, ct_dim want)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    if (!f || f->rank <= d || !ct_dim_known(f->dims[d]) || !ct_dim_known(want) ||
        f->dims[d] == want)
        return CORTEN_OK;
    return ct_infer_fail(infer, "dimension %d of input %d is %lld, %lld is expected", d, index,
                         (long long)f->dims[d], (long long)want);
}

static ct_dim times(ct_dim a, int64_t b)
{
    int64_t product;
    if (!ct_dim_known(a) || a < 0 || __builtin_mul_overflow(a, b, &product))
        return CT_DIM_UNKNOWN;
    return product;
}

static ct_status check_state(const struct ct_infer *infer, int index, int dirs, ct_dim batch,
                             ct_dim hidden, bool batch_first)
{
    CT_TRY(ct_infer_check_rank(infer, index, 3, 3));
    CT_TRY(same_dim(infer, index, batch_first, dirs));
    CT_TRY(same_dim(infer, index, !batch_first, batch));
    return same_dim(infer, index, 2, hidden);
}

static ct_status infer_cell(struct ct_infer *infer, enum ct_cell cell)
{
    static const int ranks[8] = {3, 3, 3, 2, 1, 3, 3, 2};
    const struct ct_fact *x = ct_infer_in(infer, 0), *r = ct_infer_in(infer, CT_RNN_R);
    struct ct_rnn_act acts[2][3];
    int dirs = directions(infer->node), gates = gate_counts[cell];
    bool batch_first = ct_attr_int(infer->node, "layout", 0) != 0;
    int64_t layout = ct_attr_int(infer->node, "layout", 0);
    if (layout != 0 && layout != 1)
        return ct_infer_fail(infer, "layout is %lld, 0 or 1 is expected", (long long)layout);
    CT_TRY(ct_rnn_read_acts(infer->node, cell, dirs, acts, infer->error));
    for (int i = 0; i < 8 && i < infer->n_in; i++) {
        CT_TRY(ct_infer_check_rank(infer, i, ranks[i], ranks[i]));
        if (i != CT_RNN_LENS)
            CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
    }
    CT_TRY(ct_infer_check_dtype(infer, CT_RNN_LENS, CT_BIT(I32)));
    bool known = x->rank == 3;
    ct_dim seq = known ? x->dims[batch_first] : CT_DIM_UNKNOWN;
    ct_dim batch = known ? x->dims[!batch_first] : CT_DIM_UNKNOWN;
    ct_dim input = known ? x->dims[2] : CT_DIM_UNKNOWN;
    ct_dim hidden = r->rank == 3 ? r->dims[2] : CT_DIM_UNKNOWN;
    int64_t stated = ct_attr_int(infer->node, "hidden_size", 0);
    if (stated < 0 || (stated > 0 && ct_dim_known(hidden) && hidden != stated))
        return ct_infer_fail(infer, "hidden_size is %lld, but R has %lld", (long long)stated,
                             (long long)hidden);
    if (!ct_dim_known(hidden) && stated > 0)
        hidden = stated;
    for (int i = CT_RNN_W; i <= CT_RNN_B; i++) {
        CT_TRY(same_dim(infer, i, 0, dirs));
        CT_TRY(same_dim(infer, i, 1, times(hidden, i == CT_RNN_B ? 2 * gates : gates)));
    }
    CT_TRY(same_dim(infer, CT_RNN_W, 2, input));
    CT_TRY(same_dim(infer, CT_RNN_LENS, 0, batch));
    CT_TRY(check_state(infer, CT_RNN_H, dirs, batch, hidden, batch_first));
    if (cell == CT_CELL_LSTM) {
        CT_TRY(check_state(infer, CT_RNN_C, dirs, batch, hidden, batch_first));
        CT_TRY(same_dim(infer, CT_RNN_P, 0, dirs));
        CT_TRY(same_dim(infer, CT_RNN_P, 1, times(hidden, 3)));
    }
    ct_dim plain_y[4] = {seq, dirs, batch, hidden}, batch_y[4] = {batch, seq, dirs, hidden};
    ct_dim plain_h[3] = {dirs, batch, hidden}, batch_h[3] = {batch, dirs, hidden};
    ct_infer_set(infer, 0, x->dtype, 4, batch_first ? batch_y : plain_y);
    ct_infer_set(infer, 1, x->dtype, 3, batch_first ? batch_h : plain_h);
    ct_infer_set(infer, 2, x->dtype, 3, batch_first ? batch_h : plain_h);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Packs the same rows of every direction's matrix, part after part. */
struct packing {
    const struct ct_gemm_problem *parts;
    int n_parts, dirs;
    const size_t *floats;
    size_t matrix; /* elements of one direction */
};

static ct_status pack(void *arg, const struct ct_tensor *constant, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    const struct packing *packing = arg;
    size_t bytes = packing->matrix * sizeof(float);
    float *to = packed, *matrix = ct_alloc(ct_default_allocator(), bytes);
    if (!matrix)
        return ct_fail_memory(error, bytes, "packing a weight");
    for (int dir = 0; dir < packing->dirs; dir++) {
        size_t first = (size_t)dir * packing->matrix, row = 0;
        ct_load_f32_unaligned(constant->dtype, constant->data, first, packing->matrix, matrix);
        for (int i = 0; i < packing->n_parts; i++) {
            const struct ct_gemm_problem *p = &packing->parts[i];
            ct_gemm_f32_pack_b(pool, p, matrix + row * (size_t)p->k, to);
            row += (size_t)p->n;
            to += packing->floats[i];
        }
    }
    ct_release(ct_default_allocator(), matrix, bytes);
    return CORTEN_OK;
}

static ct_status pack_input(struct ct_prepare *prepare, const struct ct_recurrent *s, int in,
                            struct ct_gemm_problem *parts, int n_parts, size_t *floats,
                            const float **packed)
{
    struct packing packing = {parts, n_parts, s->dirs, floats, 0};
    const struct ct_tensor *t = prepare->in[in];
    const void *memory;
    size_t total = 0;
    char key[64];
    packing.matrix = ct_count(t) / (size_t)s->dirs;
    for (int i = 0; i < n_parts; i++) {
        floats[i] = ct_gemm_f32_packed_b_bytes(&parts[i]) / sizeof(float);
        total += floats[i];
    }
    if (!ct_prepare_may_pack(prepare, in) || packing.matrix == 0)
        return CORTEN_OK;
    if (!ct_mul_size(total, (size_t)s->dirs * sizeof(float), &total))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "a packed weight is too large");
    const char *kernel = ct_gemm_f32_select(ct_cpu_features())->name;
    snprintf(key, sizeof key, "rnn:%s:%d", kernel + sizeof "ct_gemm" - 1, n_parts);
    CT_TRY(ct_prepare_pack(prepare, in, key, total, pack, &packing, &memory));
    *packed = memory;
    for (int i = 0; i < n_parts; i++)
        parts[i].b_packed = true;
    return CORTEN_OK;
}

/* n elements of the cell's type; false on overflow. */
static bool reserve(struct ct_prepare *prepare, const struct ct_recurrent *s, int64_t a, int64_t b,
                    size_t *at)
{
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return ct_mul_size((size_t)a, (size_t)b, &bytes) &&
           ct_mul_size(bytes, s->wide ? sizeof(double) : sizeof(float), &bytes) &&
           bytes < SIZE_MAX / 4 && ct_add_size(*at, bytes, &prepare->scratch_bytes);
}

static void set_problem(struct ct_gemm_problem *p, int64_t m, int64_t n, int64_t k, int64_t ldc)
{
    ct_gemm_problem_init(p, m, n, k);
    p->b_transposed = true;
    p->ldb = k;
    p->ldc = ldc;
}

static void describe(const struct ct_prepare *prepare, enum ct_cell cell, struct ct_recurrent *s)
{
    const struct ct_node *node = prepare->node;
    const struct ct_tensor *x = prepare->in[0];
    s->cell = cell;
    s->wide = x->dtype == CORTEN_F64;
    s->kernel = ct_elementwise_select(s->wide ? CT_CLASS_F64 : CT_CLASS_F32);
    s->batch_first = ct_attr_int(node, "layout", 0) != 0;
    s->dirs = directions(node);
    s->reverse[0] = ct_attr_is(node, "direction", "reverse", "forward");
    s->reverse[1] = true;
    s->linear_before_reset =
        cell == CT_CELL_GRU && ct_attr_int(node, "linear_before_reset", 0) != 0;
    s->input_forget = ct_attr_int(node, "input_forget", 0) != 0;
    s->clip = fabsf(ct_attr_float(node, "clip", 0));
    s->clips = ct_node_attr(node, "clip") && s->clip > 0;
    s->gates = gate_counts[cell];
    s->seq = x->dims[s->batch_first];
    s->batch = x->dims[!s->batch_first];
    s->input = x->dims[2];
    s->hidden = prepare->in[CT_RNN_R]->dims[2];
    int64_t n = s->hidden, all = s->gates * n;
    set_problem(&s->x_gemm, s->seq * s->batch, all, s->input, all);
    s->n_r = cell == CT_CELL_GRU && !s->linear_before_reset ? 2 : 1;
    set_problem(&s->r_gemm[0], s->batch, s->n_r == 2 ? 2 * n : all, n, all);
    set_problem(&s->r_gemm[1], s->batch, n, n, all);
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static ct_status prepare_cell(struct ct_prepare *prepare, enum ct_cell cell)
{
    struct ct_recurrent *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a recurrent operator");
    describe(prepare, cell, s);
    CT_TRY(ct_rnn_read_acts(prepare->node, cell, s->dirs, s->acts, prepare->error));
    unsigned ins = 0xEFu;
    if (!s->wide) {
        CT_TRY(pack_input(prepare, s, CT_RNN_W, &s->x_gemm, 1, &s->w_floats, &s->packed_w));
        CT_TRY(pack_input(prepare, s, CT_RNN_R, s->r_gemm, s->n_r, s->r_floats, &s->packed_r));
    }
    if (s->packed_w)
        ins &= ~(1u << CT_RNN_W);
    if (s->packed_r)
        ins &= ~(1u << CT_RNN_R);
    CT_TRY(ct_widen_init(&s->widen, prepare, s->wide ? CORTEN_F64 : CORTEN_F32, ins, 7));
    int64_t n = s->hidden, all = s->gates * n;
    bool fits = reserve(prepare, s, s->seq * s->batch, all, &s->gates_at) &&
                reserve(prepare, s, s->batch, all, &s->hidden_at) &&
                reserve(prepare, s, s->batch, n, &s->h_at) &&
                reserve(prepare, s, s->batch, n, &s->c_at) &&
                reserve(prepare, s, s->batch, n, &s->reset_at) &&
                reserve(prepare, s, all + n, 1, &s->bias_at) &&
                reserve(prepare, s, s->batch, 2, &s->lens_at);
    size_t gemm = 0;
    const struct ct_gemm_problem *problems[] = {&s->x_gemm, &s->r_gemm[0], &s->r_gemm[1]};
    for (int i = 0; i < 3 && !s->wide; i++) {
        gemm = max_size(gemm, ct_gemm_f32_scratch_bytes(problems[i], prepare->threads));
        gemm = max_size(gemm, ct_gemm_f32_scratch_bytes(problems[i], 1));
    }
    s->gemm_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!fits || !ct_add_size(s->gemm_at, gemm, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    prepare->state = s;
    prepare->kernel = s->wide ? NULL : ct_gemm_f32_select(ct_cpu_features())->name;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ the operators */

static void cost_cell(const struct ct_infer *infer, struct ct_cost *cost, enum ct_cell cell)
{
    const struct ct_fact *x = ct_infer_in(infer, 0), *r = ct_infer_in(infer, CT_RNN_R);
    double hidden = (double)r->dims[2], steps = (double)x->dims[0] * (double)x->dims[1];
    cost->flops += 2 * steps * directions(infer->node) * gate_counts[cell] * hidden *
                   (hidden + (double)x->dims[2]);
}

static ct_status infer_rnn(struct ct_infer *infer)
{
    return infer_cell(infer, CT_CELL_RNN);
}
static ct_status infer_gru(struct ct_infer *infer)
{
    return infer_cell(infer, CT_CELL_GRU);
}
static ct_status infer_lstm(struct ct_infer *infer)
{
    return infer_cell(infer, CT_CELL_LSTM);
}
static ct_status prepare_rnn(struct ct_prepare *prepare)
{
    return prepare_cell(prepare, CT_CELL_RNN);
}
static ct_status prepare_gru(struct ct_prepare *prepare)
{
    return prepare_cell(prepare, CT_CELL_GRU);
}
static ct_status prepare_lstm(struct ct_prepare *prepare)
{
    return prepare_cell(prepare, CT_CELL_LSTM);
}
static void cost_rnn(const struct ct_infer *infer, struct ct_cost *cost)
{
    cost_cell(infer, cost, CT_CELL_RNN);
}
static void cost_gru(const struct ct_infer *infer, struct ct_cost *cost)
{
    cost_cell(infer, cost, CT_CELL_GRU);
}
static void cost_lstm(const struct ct_infer *infer, struct ct_cost *cost)
{
    cost_cell(infer, cost, CT_CELL_LSTM);
}

const struct ct_op ct_op_rnn = {.infer = infer_rnn,
                                .prepare = prepare_rnn,
                                .run = ct_recurrent_run,
                                .cost = cost_rnn,
                                .min_in = 3,
                                .max_in = 6,
                                .min_out = 0,
                                .max_out = 2};
const struct ct_op ct_op_gru = {.infer = infer_gru,
                                .prepare = prepare_gru,
                                .run = ct_recurrent_run,
                                .cost = cost_gru,
                                .min_in = 3,
                                .max_in = 6,
                                .min_out = 0,
                                .max_out = 2};
const struct ct_op ct_op_lstm = {.infer = infer_lstm,
                                 .prepare = prepare_lstm,
                                 .run = ct_recurrent_run,
                                 .cost = cost_lstm,
                                 .min_in = 3,
                                 .max_in = 8,
                                 .min_out = 0,
                                 .max_out = 3};

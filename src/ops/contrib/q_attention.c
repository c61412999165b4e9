/* com.microsoft.QAttention: Q, K and V are a product of bytes, made floats with a bias; then
 * attention as that of com.microsoft.Attention. */
#include "ops/contrib/mha.h"
#include "ops/gemm_i8_driver.h"

#include <stdio.h>

enum { INPUT, WEIGHT, BIAS, INPUT_SCALE, WEIGHT_SCALE, MASK, INPUT_ZERO, WEIGHT_ZERO, PAST };

struct sizes {
    ct_dim batch, seq, hidden, past; /* hidden: of each of Q, K and V */
    int64_t heads;
};

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    const struct ct_fact *x = ct_infer_in(infer, INPUT), *w = ct_infer_in(infer, WEIGHT);
    const struct ct_fact *past = ct_infer_in(infer, PAST);
    CT_TRY(ct_contrib_required_int(infer, "num_heads", 1, &s->heads));
    s->batch = x->rank == 3 ? x->dims[0] : CT_DIM_UNKNOWN;
    s->seq = x->rank == 3 ? x->dims[1] : CT_DIM_UNKNOWN;
    s->hidden = s->past = CT_DIM_UNKNOWN;
    if (w->rank == 2 && ct_dim_known(w->dims[1])) {
        if (w->dims[1] == 0 || w->dims[1] % 3 || w->dims[1] / 3 % s->heads)
            return ct_infer_fail(infer, "%lld columns cannot be split into 3 times %lld heads",
                                 (long long)w->dims[1], (long long)s->heads);
        s->hidden = w->dims[1] / 3;
    }
    if (!past) {
        s->past = 0;
    } else if (past->rank == 5) {
        s->past = past->dims[3];
        CT_TRY(ct_contrib_agree(infer, "parts of past", past->dims[0], 2));
        CT_TRY(ct_contrib_agree(infer, "batch of past", past->dims[1], s->batch));
        CT_TRY(ct_contrib_agree(infer, "heads of past", past->dims[2], s->heads));
        if (ct_dim_known(s->hidden))
            CT_TRY(
                ct_contrib_agree(infer, "head size of past", past->dims[4], s->hidden / s->heads));
    }
    return CORTEN_OK;
}

static ct_status check_columns(const struct ct_infer *infer, int index, ct_dim n)
{
    ct_dim count = ct_infer_in(infer, index) ? ct_contrib_count(infer, index) : 1;
    return ct_dim_known(count) && count != 1 ? ct_contrib_vector(infer, index, n) : CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, INPUT), *w = ct_infer_in(infer, WEIGHT);
    struct sizes s;
    enum ct_mha_mask mask;
    ct_dim columns = w->rank == 2 ? w->dims[1] : CT_DIM_UNKNOWN;
    CT_TRY(ct_infer_check_rank(infer, INPUT, 3, 3));
    CT_TRY(ct_infer_check_rank(infer, WEIGHT, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, PAST, 5, 5));
    CT_TRY(ct_infer_check_dtype(infer, WEIGHT, CT_BIT(U8) | CT_BIT(I8)));
    for (int i = BIAS; i <= WEIGHT_SCALE; i++)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, PAST, CT_BIT(F32)));
    CT_TRY(ct_infer_check_same_dtype(infer, INPUT, INPUT_ZERO));
    CT_TRY(ct_infer_check_same_dtype(infer, WEIGHT, WEIGHT_ZERO));
    CT_TRY(ct_contrib_vector(infer, BIAS, columns));
    CT_TRY(ct_contrib_scalar(infer, INPUT_SCALE));
    CT_TRY(ct_contrib_scalar(infer, INPUT_ZERO));
    CT_TRY(check_columns(infer, WEIGHT_SCALE, columns));
    CT_TRY(check_columns(infer, WEIGHT_ZERO, columns));
    if (ct_attr_int(infer->node, "do_rotary", 0) ||
        ct_attr_int(infer->node, "past_present_share_buffer", 0))
        return ct_infer_fail(infer, "do_rotary and past_present_share_buffer are not possible");
    CT_TRY(read_sizes(infer, &s));
    if (x->rank == 3 && w->rank == 2)
        CT_TRY(ct_contrib_agree(infer, "rows of weight", w->dims[0], x->dims[2]));
    ct_dim total = ct_dim_add(infer, s.past, s.seq);
    CT_TRY(ct_mha_check_mask(infer, MASK, s.batch, s.seq, total, &mask));
    ct_dim size = ct_dim_known(s.hidden) ? s.hidden / s.heads : CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, CORTEN_F32, 3, (ct_dim[]){s.batch, s.seq, s.hidden});
    ct_infer_set(infer, 1, CORTEN_F32, 5, (ct_dim[]){2, s.batch, s.heads, total, size});
    return CORTEN_OK;
}

struct state {
    struct ct_mha mha;
    struct ct_gemm_i8_problem gemm;
    const void *packed;
    int64_t hidden;
    size_t qkv_at, scales_at, gemm_at;
};

static ct_status pack(void *arg, const struct ct_tensor *weight, void *packed, struct ct_pool *pool,
                      corten_error *error)
{
    (void)error;
    ct_gemm_i8_pack_b(pool, arg, weight->data, packed);
    return CORTEN_OK;
}

static ct_status prepare_product(struct ct_prepare *prepare, struct state *s, int64_t rows)
{
    const struct ct_tensor *w = prepare->in[WEIGHT], *zero = ct_contrib_in(prepare, WEIGHT_ZERO);
    struct ct_gemm_i8_problem *p = &s->gemm;
    ct_gemm_i8_problem_init(p, rows, w->dims[1], w->dims[0]);
    p->a_signed = prepare->in[INPUT]->dtype == CORTEN_I8;
    p->b_signed = w->dtype == CORTEN_I8;
    if (ct_prepare_may_pack(prepare, WEIGHT) && ct_count(w) &&
        (!zero || (zero->data && ct_count(zero) == 1))) {
        char key[64];
        p->b_zero = zero ? zero->data : NULL;
        snprintf(key, sizeof key, "qattention:%s:%lld:%lldx%lld",
                 ct_gemm_i8_select(ct_cpu_features())->name + sizeof "ct_gemm" - 1,
                 (long long)ct_contrib_i64(zero, 0), (long long)p->k, (long long)p->n);
        CT_TRY(ct_prepare_pack(prepare, WEIGHT, key, ct_gemm_i8_packed_b_bytes(p), pack, p,
                               &s->packed));
        p->b_packed = true;
    }
    size_t count;
    if (!ct_shape_count(2, (int64_t[]){p->m, p->n}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "Q, K and V are too large");
    CT_TRY(ct_contrib_reserve(prepare, count, sizeof(float), &s->qkv_at));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)p->n, sizeof(float), &s->scales_at));
    return ct_contrib_reserve(prepare, ct_gemm_i8_scratch_bytes(p), 1, &s->gemm_at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    struct ct_contrib_facts facts;
    struct sizes s;
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &s));
    CT_TRY(prepare_product(prepare, state, s.batch * s.seq));
    int64_t width = 3 * s.hidden, size = s.hidden / s.heads;
    struct ct_attention_strides strides = {s.seq * width, size, width};
    state->hidden = s.hidden;
    state->mha = (struct ct_mha){
        .batch = s.batch,
        .heads = s.heads,
        .q_len = s.seq,
        .new_len = s.seq,
        .past_len = s.past,
        .q = strides,
        .k = {.strides = strides, .size = size},
        .v = {.strides = strides, .size = size},
        .causal = ct_attr_int(prepare->node, "unidirectional", 0) != 0,
        .scale = ct_attr_float(prepare->node, "scale", 0),
        .filter = ct_attr_float(prepare->node, "mask_filter_value", -10000.0f),
    };
    state->mha.k.present = state->mha.v.present = ct_contrib_out(prepare, 1);
    CT_TRY(ct_mha_check_mask(&facts.infer, MASK, s.batch, s.seq, s.past + s.seq, &state->mha.mask));
    ct_mha_read_masks(&state->mha, prepare, MASK, -1);
    prepare->state = state;
    return ct_mha_prepare(&state->mha, prepare);
}

static void project(const struct ct_run *run, const struct state *s, float *qkv)
{
    struct ct_gemm_i8_problem p = s->gemm;
    const struct ct_tensor *zero = ct_contrib_run_in(run, WEIGHT_ZERO);
    const struct ct_tensor *a_zero = ct_contrib_run_in(run, INPUT_ZERO);
    const struct ct_tensor *scale = run->in[WEIGHT_SCALE];
    float *scales = ct_contrib_scratch(run, s->scales_at);
    float factor = ct_contrib_f32(run->in[INPUT_SCALE], 0, 1);
    bool one = ct_count(scale) == 1;
    for (int64_t j = 0; j < p.n; j++)
        scales[j] = factor * ct_contrib_f32(scale, one ? 0 : (size_t)j, 1);
    p.a_zero = a_zero ? a_zero->data : NULL;
    p.b_zero = zero ? zero->data : NULL;
    p.b_zero_stride = zero && ct_count(zero) > 1;
    p.post = (struct ct_gemm_i8_post){.output = CT_GEMM_I8_TO_F32,
                                      .scale = scales,
                                      .scale_stride = 1,
                                      .bias_f32 = run->in[BIAS]->data};
    ct_gemm_i8_run(run->exec->pool, &p, run->in[INPUT]->data,
                   s->packed ? s->packed : run->in[WEIGHT]->data, qkv,
                   ct_contrib_scratch(run, s->gemm_at));
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    const struct ct_mha *m = &s->mha;
    float *qkv = ct_contrib_scratch(run, s->qkv_at);
    const struct ct_tensor *past = ct_contrib_run_in(run, PAST);
    struct ct_tensor *present = ct_contrib_run_out(run, 1);
    project(run, s, qkv);
    struct ct_mha_data data = {
        .q = qkv,
        .k = qkv + s->hidden,
        .v = qkv + 2 * s->hidden,
        .mask = m->mask ? CT_DATA(const int32_t, run->in[MASK]) : NULL,
        .y = run->out[0]->data,
        .past_len = m->past_len,
    };
    if (past) {
        data.past_k = past->data;
        data.past_v = data.past_k + m->batch * m->heads * m->past_len * m->k.size;
    }
    if (present) {
        data.present_k = present->data;
        data.present_v = data.present_k + m->batch * m->heads * m->problem.kv_len * m->k.size;
    }
    ct_mha_run(m, run, &data);
    return CORTEN_OK;
}

const struct ct_op ct_op_qattention = {.infer = infer,
                                       .prepare = prepare,
                                       .run = run,
                                       .min_in = 5,
                                       .max_in = 9,
                                       .min_out = 1,
                                       .max_out = 2};

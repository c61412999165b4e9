/* GatherBlockQuantized: Gather of a table whose elements are quantised in blocks along an axis.
 * uint8 tables hold 8 / bits elements in a byte of the last axis. An index out of range gives
 * zeros. */
#include "ops/contrib/contrib.h"

enum { DATA, INDICES, SCALES, ZEROS };

struct shape {
    int rank, gather, quantize;
    int64_t block, bits, per_byte; /* per_byte: 1 but for uint8 */
};

static ct_status read_shape(const struct ct_infer *infer, int rank, ct_dtype dtype, struct shape *s)
{
    s->rank = rank;
    s->block = ct_attr_int(infer->node, "block_size", 128);
    s->bits = ct_attr_int(infer->node, "bits", 4);
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "gather_axis", 0), rank, &s->gather));
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "quantize_axis", 1), rank, &s->quantize));
    bool floats = ct_dtype_in(dtype, CT_F8S | CT_BIT(F4E2M1));
    if ((s->block != 0 || !floats) && (s->block < 16 || s->block & (s->block - 1)))
        return ct_infer_fail(infer, "block_size is %lld, a power of two of at least 16 is expected",
                             (long long)s->block);
    if (s->bits != 2 && s->bits != 4 && s->bits != 8)
        return ct_infer_fail(infer, "bits is %lld: 2, 4 or 8 are possible", (long long)s->bits);
    s->per_byte = dtype == CORTEN_U8 ? 8 / s->bits : 1;
    if (dtype == CORTEN_U8 && s->gather != 0)
        return ct_infer_fail(infer, "gather_axis must be 0 for uint8");
    if (dtype == CORTEN_U8 && s->quantize != rank - 1)
        return ct_infer_fail(infer, "quantize_axis must be the last one for uint8");
    return CORTEN_OK;
}

static ct_dim logical(const struct shape *s, const ct_dim *dims, int i)
{
    if (i != s->rank - 1 || s->per_byte == 1 || !ct_dim_known(dims[i]))
        return dims[i];
    return dims[i] > INT64_MAX / 8 ? INT64_MAX : dims[i] * s->per_byte;
}

static ct_status check_scales(const struct ct_infer *infer, const struct shape *s, bool floats)
{
    const struct ct_fact *data = ct_infer_in(infer, DATA), *f = ct_infer_in(infer, SCALES);
    const struct ct_fact *zeros = ct_infer_in(infer, ZEROS);
    if (f->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, SCALES, s->rank, s->rank));
    for (int i = 0; i < s->rank; i++) {
        ct_dim want = logical(s, data->dims, i);
        if (i == s->quantize && ct_dim_known(want))
            want = s->block ? want / s->block + (want % s->block != 0) : 1;
        if (floats && ct_dim_known(f->dims[i]) && f->dims[i] == 1 && i != s->quantize)
            continue;
        CT_TRY(ct_contrib_agree(infer, "dimensions of scales", f->dims[i], want));
        if (!zeros || zeros->rank != s->rank)
            continue;
        if (i == s->rank - 1 && s->per_byte > 1 && ct_dim_known(want))
            want = (want + s->per_byte - 1) / s->per_byte;
        CT_TRY(ct_contrib_agree(infer, "dimensions of zero_points", zeros->dims[i], want));
    }
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *data = ct_infer_in(infer, DATA), *indices = ct_infer_in(infer, INDICES);
    const struct ct_fact *scales = ct_infer_in(infer, SCALES);
    struct shape s;
    CT_TRY(ct_infer_check_dtype(infer, INDICES, CT_BIT(I32) | CT_BIT(I64)));
    CT_TRY(ct_infer_check_dtype(infer, SCALES, CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16)));
    CT_TRY(ct_infer_check_same_dtype(infer, DATA, ZEROS));
    ct_infer_set(infer, 0, scales->dtype, -1, NULL);
    bool floats = ct_dtype_in(data->dtype, CT_F8S | CT_BIT(F4E2M1));
    if (floats && ct_infer_in(infer, ZEROS))
        return ct_infer_fail(infer, "there are no zero points for tables of floats");
    if (data->rank < 0 || !data->dtype)
        return CORTEN_OK;
    CT_TRY(read_shape(infer, data->rank, data->dtype, &s));
    if (ct_infer_in(infer, ZEROS))
        CT_TRY(ct_infer_check_rank(infer, ZEROS, s.rank, s.rank));
    CT_TRY(check_scales(infer, &s, floats));
    if (indices->rank < 0)
        return CORTEN_OK;
    if (indices->rank + s.rank - 1 > CT_MAX_RANK)
        return ct_infer_fail(infer, "the output has more than %d dimensions", CT_MAX_RANK);
    ct_dim dims[CT_MAX_RANK];
    int n = 0;
    for (int i = 0; i < s.gather; i++)
        dims[n++] = logical(&s, data->dims, i);
    for (int i = 0; i < indices->rank; i++)
        dims[n++] = indices->dims[i];
    for (int i = s.gather + 1; i < s.rank; i++)
        dims[n++] = logical(&s, data->dims, i);
    ct_infer_set(infer, 0, scales->dtype, n, dims);
    return CORTEN_OK;
}

struct state {
    struct shape s;
    /* Elements: before, in and behind the axis of gathering; the axis of quantising and what is
     * behind it; strides of a scale (0: it broadcasts). */
    int64_t axis, inner, n_indices;
    int64_t dims[CT_MAX_RANK], scale_strides[CT_MAX_RANK], zero_row, scale_row;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *data = prepare->in[DATA], *scales = prepare->in[SCALES];
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_shape(&facts.infer, data->rank, data->dtype, &st->s));
    int64_t stride = 1;
    st->inner = 1;
    for (int i = st->s.rank - 1; i >= 0; i--) {
        st->dims[i] = logical(&st->s, data->dims, i);
        st->scale_strides[i] = scales->dims[i] == 1 ? 0 : stride;
        stride *= scales->dims[i];
        if (i > st->s.gather)
            st->inner *= st->dims[i];
    }
    st->axis = st->dims[st->s.gather];
    st->n_indices = (int64_t)ct_count(prepare->in[INDICES]);
    st->scale_row = scales->dims[st->s.rank - 1];
    st->zero_row = (st->scale_row + st->s.per_byte - 1) / st->s.per_byte;
    prepare->state = st;
    return CORTEN_OK;
}

/* Element `i` of a table or of zero points, whose rows are `row` elements long. */
static float element(const struct shape *s, const struct ct_tensor *t, int64_t i, int64_t row,
                     int64_t row_bytes)
{
    if (s->per_byte == 1)
        return ct_contrib_f32(t, (size_t)i, 0);
    int64_t col = i % row;
    unsigned byte = CT_DATA(const uint8_t, t)[i / row * row_bytes + col / s->per_byte];
    return (float)(byte >> (col % s->per_byte * s->bits) & ((1u << s->bits) - 1));
}

static float dequantised(const struct state *st, const struct ct_run *run, int64_t at)
{
    const struct shape *s = &st->s;
    const struct ct_tensor *data = run->in[DATA], *zeros = ct_contrib_run_in(run, ZEROS);
    int64_t scale_at = 0, rest = at;
    for (int i = s->rank - 1; i >= 0; i--) {
        int64_t index = rest % st->dims[i];
        rest /= st->dims[i];
        if (i == s->quantize)
            index = s->block ? index / s->block : 0;
        scale_at += index * st->scale_strides[i];
    }
    float zero = data->dtype == CORTEN_U8 ? (float)(1 << (s->bits - 1)) : 0;
    if (zeros)
        zero = element(s, zeros, scale_at, st->scale_row, st->zero_row);
    int64_t row = st->dims[s->rank - 1];
    float x = element(s, data, at, row, row / s->per_byte);
    return (x - zero) * ct_contrib_f32(run->in[SCALES], (size_t)scale_at, 0);
}

static void slices(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct state *st = run->state;
    struct ct_tensor *y = run->out[0];
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t outer = item / st->n_indices;
        int64_t index = ct_contrib_i64(run->in[INDICES], (size_t)(item % st->n_indices));
        index = index < 0 ? index + st->axis : index;
        bool inside = index >= 0 && index < st->axis;
        for (int64_t i = 0; i < st->inner; i++) {
            float x = 0;
            if (inside)
                x = dequantised(st, run, (outer * st->axis + index) * st->inner + i);
            ct_store_f32(y->dtype, y->data, (size_t)(item * st->inner + i), 1, &x);
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    size_t count = ct_count(run->out[0]);
    if (count)
        ct_run_parallel(run, (int64_t)count / st->inner, 20 * (double)st->inner, slices,
                        (void *)run);
    return CORTEN_OK;
}

const struct ct_op ct_op_gather_block_quantized = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 3, .max_in = 4, .min_out = 1};

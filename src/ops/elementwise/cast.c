/* Cast, CastLike, BitCast. Strings are in cast_string.c. */
#include "ops/elementwise/cast_string.h"

#include <string.h>

enum { PIECE = 16384 }; /* elements of a parallel item: whole bytes of any packed type */

struct cast_state {
    bool saturate;
    enum ct_e8m0_round round;
};

/* ------------------------------------------------------------------ infer */

static ct_status set_output(struct ct_infer *infer, ct_dtype to)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_infer_set(infer, 0, to, in->rank, in->rank < 0 ? NULL : in->dims);
    if (in->values && (to == CORTEN_I64 || to == CORTEN_I32))
        return ct_infer_set_values(infer, 0, in->values, in->n_values);
    return CORTEN_OK;
}

static ct_status infer_cast(struct ct_infer *infer)
{
    int64_t to = ct_attr_int(infer->node, "to", 0);
    if (!ct_dtype_valid(to) || !ct_dtype_in((ct_dtype)to, infer->node->op_dtypes))
        return ct_infer_fail(infer,
                             "attribute 'to' is %lld, which is no type to cast to at "
                             "opset %d",
                             (long long)to, infer->node->opset);
    return set_output(infer, (ct_dtype)to);
}

/* TensorProto's names of types, which opset 1 has in a string. */
static const struct {
    const char *name;
    ct_dtype dtype;
} type_names[] = {
    {"FLOAT", CORTEN_F32},   {"UINT8", CORTEN_U8},   {"INT8", CORTEN_I8},    {"UINT16", CORTEN_U16},
    {"INT16", CORTEN_I16},   {"INT32", CORTEN_I32},  {"INT64", CORTEN_I64},  {"BOOL", CORTEN_BOOL},
    {"FLOAT16", CORTEN_F16}, {"DOUBLE", CORTEN_F64}, {"UINT32", CORTEN_U32}, {"UINT64", CORTEN_U64},
};

static ct_status infer_cast_1(struct ct_infer *infer)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++)
        if (ct_attr_is(infer->node, "to", type_names[i].name, ""))
            return set_output(infer, type_names[i].dtype);
    return ct_infer_fail(infer, "attribute 'to' names no type");
}

static ct_status infer_cast_like(struct ct_infer *infer)
{
    const struct ct_fact *like = ct_infer_in(infer, 1);
    if (!like)
        return ct_infer_fail(infer, "input 1 is missing");
    CT_TRY(ct_infer_check_dtype(infer, 1, infer->node->op_dtypes));
    return set_output(infer, like->dtype);
}

/* ------------------------------------------------------------------ prepare, run */

struct cast_job {
    const struct cast_state *state;
    const struct ct_tensor *in;
    struct ct_tensor *out;
    int64_t n;
};

static void run_pieces(void *arg, int64_t begin, int64_t end, int worker)
{
    (void)worker;
    const struct cast_job *job = arg;
    const struct ct_tensor *in = job->in;
    struct ct_tensor *out = job->out;
    int64_t first = begin * PIECE, last = end * PIECE;
    last = last < job->n ? last : job->n;
    size_t from_at = 0, to_at = 0, n = (size_t)(last - first);
    ct_dtype_bytes(in->dtype, (size_t)first, &from_at);
    ct_dtype_bytes(out->dtype, (size_t)first, &to_at);
    const char *from = (const char *)in->data + from_at;
    char *to = (char *)out->data + to_at;
    if (out->dtype == CORTEN_F8E8M0 && in->dtype != CORTEN_F8E8M0)
        ct_convert_e8m0((uint8_t *)to, in->dtype, from, n, job->state->saturate, job->state->round);
    else
        ct_convert(out->dtype, to, in->dtype, from, n, job->state->saturate);
}

static ct_status run_cast(const struct ct_run *run)
{
    struct cast_job job = {run->state, run->in[0], run->out[0], (int64_t)ct_count(run->in[0])};
    if (job.in->data != job.out->data || job.in->dtype != job.out->dtype)
        ct_run_parallel(run, (job.n + PIECE - 1) / PIECE, PIECE * 0.5, run_pieces, &job);
    return CORTEN_OK;
}

static ct_status run_copy(const struct ct_run *run)
{
    if (run->in[0]->data != run->out[0]->data && run->in[0]->data)
        memcpy(run->out[0]->data, run->in[0]->data, ct_tensor_bytes(run->in[0]));
    return CORTEN_OK;
}

static ct_status prepare_cast(struct ct_prepare *prepare)
{
    const struct ct_tensor *in = prepare->in[0], *out = prepare->out[0];
    struct cast_state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    state->saturate = ct_attr_int(prepare->node, "saturate", 1) != 0;
    if (ct_attr_is(prepare->node, "round_mode", "down", "up"))
        state->round = CT_E8M0_DOWN;
    else if (ct_attr_is(prepare->node, "round_mode", "nearest", "up"))
        state->round = CT_E8M0_NEAREST;
    prepare->state = state;
    if (in->dtype == out->dtype) {
        prepare->run = run_copy;
        ct_prepare_in_place(prepare, 0, 0);
    } else if (out->dtype == CORTEN_STRING) {
        prepare->run = ct_run_cast_to_string;
        if (!ct_mul_size(ct_count(in), CT_CAST_TEXT_BYTES, &prepare->scratch_bytes))
            return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "too many strings");
    } else if (in->dtype == CORTEN_STRING) {
        prepare->run = ct_run_cast_from_string;
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ BitCast */

static ct_status infer_bit_cast(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    int64_t to = ct_attr_int(infer->node, "to", 0);
    if (!ct_dtype_valid(to) || to == CORTEN_STRING)
        return ct_infer_fail(infer, "attribute 'to' is %lld, which is no type of numbers",
                             (long long)to);
    if (in->dtype && corten_dtype_bits(in->dtype) != corten_dtype_bits((ct_dtype)to))
        return ct_infer_fail(infer, "%s and %s differ in width", corten_dtype_name(in->dtype),
                             corten_dtype_name((ct_dtype)to));
    ct_infer_set(infer, 0, (ct_dtype)to, in->rank, in->rank < 0 ? NULL : in->dims);
    return CORTEN_OK;
}

static ct_status prepare_bit_cast(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_cast = {
    .infer = infer_cast,
    .prepare = prepare_cast,
    .run = run_cast,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_cast_1 = {
    .infer = infer_cast_1,
    .prepare = prepare_cast,
    .run = run_cast,
    .min_in = 1,
    .max_in = 1,
};

const struct ct_op ct_op_cast_like = {
    .infer = infer_cast_like,
    .prepare = prepare_cast,
    .run = run_cast,
    .min_in = 2,
    .max_in = 2,
};

const struct ct_op ct_op_bit_cast = {
    .infer = infer_bit_cast,
    .prepare = prepare_bit_cast,
    .run = run_copy,
    .min_in = 1,
    .max_in = 1,
};

/* Clip: bounds as attributes (opset 1 to 10) or as inputs. */
#include <math.h>

#include "ops/elementwise/loops.h"

static ct_status infer_clip(struct ct_infer *infer)
{
    for (int i = 1; i < 3; i++) {
        const struct ct_fact *bound = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
        CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
        if (bound && bound->rank == 1 && ct_dim_known(bound->dims[0]) && bound->dims[0] != 1)
            return ct_infer_fail(infer, "input %d must be a scalar", i);
    }
    return ct_infer_unary(infer);
}

/* Without a bound, everything stays. */
static void set_no_bound(union ct_params *params, enum ct_class class_, int index)
{
    switch (class_) {
    case CT_CLASS_F32:
    case CT_CLASS_F64: ct_params_set(params, class_, index, index ? INFINITY : -INFINITY); break;
    case CT_CLASS_I32: params->i32[index] = index ? INT32_MAX : INT32_MIN; break;
    case CT_CLASS_I64: params->i64[index] = index ? INT64_MAX : INT64_MIN; break;
    case CT_CLASS_U8: params->u8[index] = index ? UINT8_MAX : 0; break;
    case CT_CLASS_U64:
    case CT_CLASS_COUNT: params->u64[index] = index ? UINT64_MAX : 0; break;
    }
}

static ct_status prepare_loop(struct ct_prepare *prepare, struct ct_unary_loop **result)
{
    struct ct_unary_loop *loop = ct_prepare_alloc(prepare, sizeof *loop);
    if (!loop)
        return ct_fail_memory(prepare->error, sizeof *loop, "an operator's state");
    enum ct_class class_ = ct_class_of(prepare->in[0]->dtype);
    ct_unary_loop_init(loop, CT_UNARY_CLIP, class_);
    set_no_bound(&loop->params, class_, 0);
    set_no_bound(&loop->params, class_, 1);
    prepare->state = loop;
    prepare->kernel = loop->kernel->name;
    ct_prepare_in_place(prepare, 0, 0);
    *result = loop;
    return CORTEN_OK;
}

static ct_status prepare_attributes(struct ct_prepare *prepare)
{
    struct ct_unary_loop *loop;
    CT_TRY(prepare_loop(prepare, &loop));
    static const char *const names[] = {"min", "max"};
    for (int i = 0; i < 2; i++)
        if (ct_node_attr(prepare->node, names[i]))
            ct_params_set(&loop->params, loop->kernel->class_, i,
                          ct_attr_float(prepare->node, names[i], 0));
    return CORTEN_OK;
}

static ct_status run_fixed(const struct ct_run *run)
{
    ct_unary_run(run->state, run->exec->pool, run->out[0], run->in[0]);
    return CORTEN_OK;
}

static ct_status prepare_inputs(struct ct_prepare *prepare)
{
    struct ct_unary_loop *loop;
    CT_TRY(prepare_loop(prepare, &loop));
    bool all_known = true;
    for (int i = 1; i < prepare->n_in && i < 3; i++) {
        if (prepare->in[i] && prepare->in[i]->data)
            ct_params_load(&loop->params, loop->kernel->class_, i - 1, prepare->in[i]);
        else if (prepare->in[i])
            all_known = false;
    }
    if (!all_known)
        return CORTEN_OK;
    prepare->run = run_fixed;
    ct_prepare_not_read(prepare, 1);
    ct_prepare_not_read(prepare, 2);
    return CORTEN_OK;
}

static ct_status run_clip(const struct ct_run *run)
{
    struct ct_unary_loop loop = *(const struct ct_unary_loop *)run->state;
    for (int i = 1; i < run->n_in && i < 3; i++)
        if (run->in[i])
            ct_params_load(&loop.params, loop.kernel->class_, i - 1, run->in[i]);
    ct_unary_run(&loop, run->exec->pool, run->out[0], run->in[0]);
    return CORTEN_OK;
}

const struct ct_op ct_op_clip = {
    .infer = infer_clip,
    .prepare = prepare_inputs,
    .run = run_clip,
    .min_in = 1,
    .max_in = 3,
};

const struct ct_op ct_op_clip_1 = {
    .infer = ct_infer_unary,
    .prepare = prepare_attributes,
    .run = run_fixed,
    .min_in = 1,
    .max_in = 1,
};

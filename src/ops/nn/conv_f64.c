/* Convolution in double, by plain loops: f64 models are rare. */
#include "ops/nn/conv.h"

#define T double
#define FN convolve
#include "ops/nn/conv_direct_tmpl.h"

struct call {
    const struct ct_conv_shape *shape;
    const double *x, *w, *bias;
    double *y;
};

static void run_planes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    int64_t filters = call->shape->groups * call->shape->oc;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        convolve(call->shape, call->x, call->w, call->bias, i / filters, i % filters,
                 call->y + i * call->shape->out_plane);
}

static ct_status run_f64(const struct ct_run *run)
{
    const struct ct_conv_shape *shape = run->state;
    struct call call = {.shape = shape, .x = run->in[0]->data, .w = run->in[1]->data};
    call.bias = run->n_in > 2 && run->in[2] ? run->in[2]->data : NULL;
    call.y = run->out[0]->data;
    double products = (double)(shape->ic * shape->kernel_volume) * (double)shape->out_plane;
    ct_run_parallel(run, shape->batch * shape->groups * shape->oc, products, run_planes, &call);
    return CORTEN_OK;
}

ct_status ct_conv_prepare_f64(struct ct_prepare *prepare, const struct ct_conv_shape *shape)
{
    struct ct_conv_shape *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "a convolution");
    *state = *shape;
    prepare->state = state;
    prepare->run = run_f64;
    return CORTEN_OK;
}

/* Convolutions whose window covers the whole input, as the 1x1 ones of squeeze-and-excite blocks
 * do: each output is one dot product of a filter and an image. */
#include "ops/nn/conv.h"
#include "ops/widen.h"

enum { ROWS = 32 }; /* filters of one work item */

struct conv_dot {
    struct ct_conv_f32 conv;
    const struct ct_gemm_f32_kernel *kernel;
    struct ct_widen widen;
    int64_t k, row_blocks;
};

struct call {
    const struct conv_dot *state;
    const float *x, *w;
    float *y;
    struct ct_gemm_post post;
};

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *call = arg;
    const struct conv_dot *s = call->state;
    const struct ct_conv_shape *shape = &s->conv.shape;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item % s->row_blocks * ROWS, image_group = item / s->row_blocks;
        int64_t group = image_group % shape->groups, at = image_group * shape->oc;
        struct ct_gemm_post post = call->post;
        if (post.bias.p)
            post.bias.p += group * shape->oc + row;
        if (post.residual.p)
            post.residual.p += at + row;
        int64_t m = shape->oc - row < ROWS ? shape->oc - row : ROWS;
        struct ct_gemm_f32_tile tile = {
            .m = (size_t)m,
            .n = 1,
            .k = (size_t)s->k,
            .a = call->w + (group * shape->oc + row) * s->k,
            .lda = (size_t)s->k,
            .b = call->x + image_group * s->k,
            .ldb = (size_t)s->k,
            .c = call->y + at + row,
            .ldc = 1,
            .post = &post,
        };
        s->kernel->fn->dot(&tile);
    }
}

static ct_status run_dot(const struct ct_run *run)
{
    const struct conv_dot *s = run->state;
    struct call call = {.state = s, .post = s->conv.post};
    call.x = ct_widen_in(&s->widen, run, 0);
    call.w = ct_widen_in(&s->widen, run, 1);
    call.post.bias = (struct ct_gemm_term){ct_widen_in(&s->widen, run, 2), 1, 0};
    call.post.residual = (struct ct_gemm_term){ct_widen_in(&s->widen, run, 3), 1, 0};
    call.y = ct_widen_out(&s->widen, run, 0);
    int64_t items = s->conv.shape.batch * s->conv.shape.groups * s->row_blocks;
    ct_run_parallel(run, items, (double)s->k * ROWS / 10, run_items, &call);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

ct_status ct_conv_prepare_dot(struct ct_prepare *prepare, const struct ct_conv_f32 *conv)
{
    struct conv_dot *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a convolution");
    s->conv = *conv;
    s->kernel = ct_gemm_f32_select(ct_cpu_features());
    s->k = conv->shape.ic * conv->shape.kernel_volume;
    s->row_blocks = (conv->shape.oc + ROWS - 1) / ROWS;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, 0xF, 1));
    prepare->state = s;
    prepare->run = run_dot;
    prepare->kernel = s->kernel->name;
    return CORTEN_OK;
}

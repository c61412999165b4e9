/* Col2Im: adds the columns that windows over an image have made back into the image. */
#include "ops/nn/conv.h"

#include <math.h>

#define T double
#define FN add_f64
#include "ops/nn/col2im_tmpl.h"
#define T uint64_t
#define FN add_u64
#include "ops/nn/col2im_tmpl.h"

struct col2im {
    struct ct_conv_shape shape; /* window.in: the image; window.out: positions of the window */
    int64_t channels, parts;
    bool ints;
    int64_t column_elems, image_elems;
};

/* The window, from the values of inputs 1 and 2. */
static ct_status read_window(const struct ct_node *node, int n, const int64_t *image,
                             const int64_t *block, struct ct_window *w, corten_error *error)
{
    CT_TRY(ct_window_read(node, n, image, block, w, error));
    return ct_window_resolve(node, NULL, w, error);
}

static ct_status infer_col2im(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    const int64_t *image, *block;
    int n, n_block;
    if (!x)
        return ct_infer_fail(infer, "input must be present");
    if (x->dtype == CORTEN_STRING)
        return ct_infer_fail(infer, "strings cannot be added");
    CT_TRY(ct_infer_check_rank(infer, 0, 3, 3));
    CT_TRY(ct_infer_ints(infer, 1, &image, &n));
    CT_TRY(ct_infer_ints(infer, 2, &block, &n_block));
    if (!image || !block) {
        ct_infer_set(infer, 0, x->dtype, image ? n + 2 : -1, NULL);
        return CORTEN_OK;
    }
    if (n != n_block || n < 1 || n > CT_WINDOW_MAX_AXES)
        return ct_infer_fail(infer,
                             "image_shape and block_shape must have one number for each "
                             "spatial axis, found %d and %d",
                             n, n_block);
    struct ct_window w;
    CT_TRY(read_window(infer->node, n, image, block, &w, infer->error));
    double volume = 1, positions = 1;
    for (int i = 0; i < n; i++) {
        volume *= (double)w.kernel[i];
        positions *= (double)w.out[i];
    }
    ct_dim dims[CT_MAX_RANK] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN};
    if (x->rank == 3) {
        dims[0] = x->dims[0];
        if (ct_dim_known(x->dims[1])) {
            if (fmod((double)x->dims[1], volume) != 0)
                return ct_infer_fail(infer, "%lld rows are no multiple of the block's %g",
                                     (long long)x->dims[1], volume);
            dims[1] = (int64_t)((double)x->dims[1] / volume);
        }
        if (ct_dim_known(x->dims[2]) && (double)x->dims[2] != positions)
            return ct_infer_fail(infer, "%lld columns, but the window has %g positions",
                                 (long long)x->dims[2], positions);
    }
    for (int i = 0; i < n; i++)
        dims[2 + i] = image[i];
    ct_infer_set(infer, 0, x->dtype, n + 2, dims);
    return CORTEN_OK;
}

static ct_dtype part_dtype(ct_dtype dtype)
{
    return dtype == CORTEN_C64 ? CORTEN_F32 : dtype == CORTEN_C128 ? CORTEN_F64 : dtype;
}

static void run_channels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct ct_run *run = arg;
    const struct col2im *s = run->state;
    size_t columns = (size_t)s->column_elems, image = (size_t)s->image_elems;
    char *memory = (char *)run->scratch + (size_t)worker * (columns + image) * 8;
    ct_dtype dtype = part_dtype(run->in[0]->dtype);
    for (int64_t i = begin; i < end; i++) {
        size_t from = (size_t)i * columns, to = (size_t)i * image;
        if (s->ints) {
            uint64_t *x = (uint64_t *)(void *)memory, *y = x + columns;
            ct_load_i64(dtype, run->in[0]->data, from, columns, (int64_t *)(void *)x);
            add_u64(&s->shape, s->parts, x, y);
            ct_store_i64(dtype, run->out[0]->data, to, image, (const int64_t *)(const void *)y);
        } else {
            double *x = (double *)(void *)memory, *y = x + columns;
            ct_load_f64(dtype, run->in[0]->data, from, columns, x);
            add_f64(&s->shape, s->parts, x, y);
            ct_store_f64(dtype, run->out[0]->data, to, image, y);
        }
    }
}

static ct_status run_col2im(const struct ct_run *run)
{
    const struct col2im *s = run->state;
    ct_run_parallel(run, s->channels, (double)s->column_elems * 2, run_channels,
                    (void *)(uintptr_t)run);
    return CORTEN_OK;
}

static ct_status prepare_col2im(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct col2im *s = ct_prepare_alloc(prepare, sizeof *s);
    int64_t image[CT_WINDOW_MAX_AXES], block[CT_WINDOW_MAX_AXES];
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "Col2Im");
    size_t n = ct_count(prepare->in[1]);
    ct_load_i64(prepare->in[1]->dtype, prepare->in[1]->data, 0, n, image);
    ct_load_i64(prepare->in[2]->dtype, prepare->in[2]->data, 0, n, block);
    struct ct_conv_shape *shape = &s->shape;
    CT_TRY(read_window(prepare->node, (int)n, image, block, &shape->window, prepare->error));
    shape->in_plane = ct_dims_product(shape->window.in, 0, (int)n);
    shape->out_plane = ct_dims_product(shape->window.out, 0, (int)n);
    shape->kernel_volume = ct_dims_product(shape->window.kernel, 0, (int)n);
    s->parts = ct_dtype_in(x->dtype, CT_COMPLEX) ? 2 : 1;
    s->ints = ct_dtype_is_int(x->dtype) || x->dtype == CORTEN_BOOL;
    s->channels = x->dims[0] * prepare->out[0]->dims[1];
    s->column_elems = shape->kernel_volume * shape->out_plane * s->parts;
    s->image_elems = shape->in_plane * s->parts;
    size_t bytes;
    if (!ct_mul_size((size_t)(s->column_elems + s->image_elems), 8 * (size_t)prepare->threads,
                     &bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "Col2Im: the image is too large");
    prepare->scratch_bytes = bytes;
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_col2im = {
    .infer = infer_col2im,
    .prepare = prepare_col2im,
    .run = run_col2im,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
};

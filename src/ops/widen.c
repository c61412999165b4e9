#include "ops/widen.h"

ct_dtype ct_widen_dtype(ct_dtype dtype)
{
    ct_dtypes wide = CT_BIT(F64) | CT_BIT(I32) | CT_BIT(U32) | CT_BIT(I64) | CT_BIT(U64);
    return ct_dtype_in(dtype, wide) ? CORTEN_F64 : CORTEN_F32;
}

static ct_status place(struct ct_prepare *prepare, const struct ct_tensor *tensor, ct_dtype dtype,
                       size_t *at)
{
    *at = SIZE_MAX;
    if (!tensor || tensor->dtype == dtype)
        return CORTEN_OK;
    size_t bytes;
    size_t start = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_dtype_bytes(dtype, ct_count(tensor), &bytes) ||
        !ct_add_size(start, bytes, &prepare->scratch_bytes) ||
        prepare->scratch_bytes > SIZE_MAX / 2)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    *at = start;
    prepare->scratch_bytes = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return CORTEN_OK;
}

ct_status ct_widen_init(struct ct_widen *widen, struct ct_prepare *prepare, ct_dtype dtype,
                        unsigned ins, unsigned outs)
{
    widen->dtype = dtype;
    for (int i = 0; i < CT_WIDEN_MAX; i++) {
        widen->in_at[i] = widen->out_at[i] = SIZE_MAX;
        if (i < prepare->n_in && ins >> i & 1)
            CT_TRY(place(prepare, prepare->in[i], dtype, &widen->in_at[i]));
        if (i < prepare->n_out && outs >> i & 1)
            CT_TRY(place(prepare, prepare->out[i], dtype, &widen->out_at[i]));
    }
    widen->scratch_bytes = prepare->scratch_bytes;
    return CORTEN_OK;
}

/* Blocks of this many elements are converted at a time: even, so that packed types split between
 * bytes. */
enum { BLOCK = 4096 };

struct conversion {
    ct_dtype wide;
    const struct ct_tensor *tensor;
    void *memory;
    size_t count;
};

static void load_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct conversion *c = arg;
    (void)worker;
    size_t first = (size_t)begin * BLOCK, stop = (size_t)end * BLOCK;
    size_t n = (stop < c->count ? stop : c->count) - first;
    if (c->wide == CORTEN_F32)
        ct_load_f32(c->tensor->dtype, c->tensor->data, first, n, (float *)c->memory + first);
    else
        ct_load_f64(c->tensor->dtype, c->tensor->data, first, n, (double *)c->memory + first);
}

static void store_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct conversion *c = arg;
    (void)worker;
    size_t first = (size_t)begin * BLOCK, stop = (size_t)end * BLOCK;
    size_t n = (stop < c->count ? stop : c->count) - first;
    if (c->wide == CORTEN_F32)
        ct_store_f32(c->tensor->dtype, c->tensor->data, first, n, (float *)c->memory + first);
    else
        ct_store_f64(c->tensor->dtype, c->tensor->data, first, n, (double *)c->memory + first);
}

static void convert(const struct ct_widen *widen, const struct ct_run *run,
                    const struct ct_tensor *tensor, void *memory, ct_loop_fn fn)
{
    struct conversion c = {widen->dtype, tensor, memory, ct_count(tensor)};
    int64_t blocks = (int64_t)((c.count + BLOCK - 1) / BLOCK);
    ct_run_parallel(run, blocks, 4000, fn, &c);
}

const void *ct_widen_in(const struct ct_widen *widen, const struct ct_run *run, int i)
{
    if (i >= run->n_in || !run->in[i])
        return NULL;
    if (widen->in_at[i] == SIZE_MAX)
        return run->in[i]->data;
    void *memory = (char *)run->scratch + widen->in_at[i];
    convert(widen, run, run->in[i], memory, load_blocks);
    return memory;
}

void *ct_widen_out(const struct ct_widen *widen, const struct ct_run *run, int i)
{
    if (i >= run->n_out || !run->out[i])
        return NULL;
    return widen->out_at[i] == SIZE_MAX ? run->out[i]->data
                                        : (char *)run->scratch + widen->out_at[i];
}

void ct_widen_done(const struct ct_widen *widen, const struct ct_run *run, int i)
{
    if (i < run->n_out && run->out[i] && widen->out_at[i] != SIZE_MAX)
        convert(widen, run, run->out[i], (char *)run->scratch + widen->out_at[i], store_blocks);
}

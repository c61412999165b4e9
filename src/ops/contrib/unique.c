/* com.microsoft.Unique: the different elements of a 1-D tensor in order of appearance, the place of
 * each element among them, and how often each stands there. */
#include "ops/contrib/contrib.h"

#include <string.h>

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim unknown = CT_DIM_UNKNOWN;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, 1));
    ct_infer_set(infer, 0, x->dtype, 1, &unknown);
    ct_infer_set(infer, 1, CORTEN_I64, 1, x->rank == 1 ? x->dims : &unknown);
    ct_infer_set(infer, 2, CORTEN_I64, 1, &unknown);
    return CORTEN_OK;
}

/* Open addressing over the places of first appearance, + 1; at least twice as many slots. */
static ct_status prepare(struct ct_prepare *prepare)
{
    size_t n = ct_count(prepare->in[0]), at;
    CT_TRY(ct_contrib_reserve(prepare, 4 * n + 16, sizeof(int64_t), &at));
    return ct_contrib_reserve(prepare, 2 * n, sizeof(int64_t), &at);
}

static uint32_t bits_of(float x)
{
    uint32_t bits;
    x = x == 0 ? 0 : x;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *x = run->in[0];
    const float *v = x->data;
    size_t n = ct_count(x), slots = 16;
    while (slots < 2 * n)
        slots *= 2;
    int64_t *table = run->scratch, *firsts = table + ct_align_up((4 * n + 16) * 8, CT_ALIGN) / 8;
    int64_t count = 0, length = (int64_t)n;
    memset(table, 0, slots * sizeof *table);
    CT_TRY(ct_run_output(run, 1, CORTEN_I64, 1, &length));
    int64_t *places = ct_contrib_run_out(run, 1) ? run->out[1]->data : NULL;
    int64_t *counts = firsts + n;
    for (size_t i = 0; i < n; i++) {
        size_t slot = bits_of(v[i]) * 2654435761u & (slots - 1);
        while (table[slot] && v[firsts[table[slot] - 1]] != v[i])
            slot = (slot + 1) & (slots - 1);
        if (!table[slot]) {
            counts[count] = 0;
            firsts[count++] = (int64_t)i;
            table[slot] = count;
        }
        counts[table[slot] - 1]++;
        if (places)
            places[i] = table[slot] - 1;
    }
    CT_TRY(ct_run_output(run, 0, x->dtype, 1, &count));
    CT_TRY(ct_run_output(run, 2, CORTEN_I64, 1, &count));
    for (int64_t i = 0; i < count; i++) {
        if (ct_contrib_run_out(run, 0))
            CT_DATA(float, run->out[0])[i] = v[firsts[i]];
        if (ct_contrib_run_out(run, 2))
            CT_DATA(int64_t, run->out[2])[i] = counts[i];
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_contrib_unique = {.infer = infer,
                                           .prepare = prepare,
                                           .run = run,
                                           .flags = CT_OP_ALLOCATES,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1,
                                           .max_out = 3};

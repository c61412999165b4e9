/* The tables of the kernel families that work on rows, and selection from them. */
#include "kernels/attention.h"
#include "kernels/norm.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"

static const struct ct_softmax_f32_kernel softmax_rows[] = {
#define CT_SOFTMAX_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/softmax.def"
};

static const struct ct_norm_f32_kernel norm_rows[] = {
#define CT_NORM_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/norm.def"
};

static const struct ct_reduce_f32_kernel reduce_rows[] = {
#define CT_REDUCE_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/reduce.def"
};

static const struct ct_attention_f32_kernel attention_rows[] = {
#define CT_ATTENTION_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/attention.def"
};

const struct ct_softmax_f32_kernel *ct_softmax_f32_kernels(size_t *count)
{
    *count = sizeof softmax_rows / sizeof *softmax_rows;
    return softmax_rows;
}

const struct ct_norm_f32_kernel *ct_norm_f32_kernels(size_t *count)
{
    *count = sizeof norm_rows / sizeof *norm_rows;
    return norm_rows;
}

const struct ct_reduce_f32_kernel *ct_reduce_f32_kernels(size_t *count)
{
    *count = sizeof reduce_rows / sizeof *reduce_rows;
    return reduce_rows;
}

const struct ct_attention_f32_kernel *ct_attention_f32_kernels(size_t *count)
{
    *count = sizeof attention_rows / sizeof *attention_rows;
    return attention_rows;
}

/* The last row of a list is always the reference, which every machine has. */

const struct ct_softmax_f32_kernel *ct_softmax_f32_select(unsigned cpu_features)
{
    const struct ct_softmax_f32_kernel *row = softmax_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_norm_f32_kernel *ct_norm_f32_select(unsigned cpu_features)
{
    const struct ct_norm_f32_kernel *row = norm_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_reduce_f32_kernel *ct_reduce_f32_select(unsigned cpu_features)
{
    const struct ct_reduce_f32_kernel *row = reduce_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_attention_f32_kernel *ct_attention_f32_select(unsigned cpu_features)
{
    const struct ct_attention_f32_kernel *row = attention_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

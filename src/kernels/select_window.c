/* The tables of the kernel families that slide a window over an image, and selection from them. */
#include "kernels/conv.h"
#include "kernels/pool.h"

static const struct ct_conv_f32_kernel conv_rows[] = {
#define CT_CONV_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/conv.def"
};

static const struct ct_pool_f32_kernel pool_rows[] = {
#define CT_POOL_F32(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/pool.def"
};

const struct ct_conv_f32_kernel *ct_conv_f32_kernels(size_t *count)
{
    *count = sizeof conv_rows / sizeof *conv_rows;
    return conv_rows;
}

const struct ct_pool_f32_kernel *ct_pool_f32_kernels(size_t *count)
{
    *count = sizeof pool_rows / sizeof *pool_rows;
    return pool_rows;
}

/* The last row of a list is always the reference, which every machine has. */

const struct ct_conv_f32_kernel *ct_conv_f32_select(unsigned cpu_features)
{
    const struct ct_conv_f32_kernel *row = conv_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_pool_f32_kernel *ct_pool_f32_select(unsigned cpu_features)
{
    const struct ct_pool_f32_kernel *row = pool_rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

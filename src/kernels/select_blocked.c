/* The table of the kernels of the blocked layout, and selection from it. */
#include "kernels/conv_blocked.h"

static const struct ct_conv_blocked_kernel rows[] = {
#define CT_CONV_BLOCKED_F32(name, isa, pixels, blocks) {#name, CT_ISA_##isa, pixels, blocks, &name},
#include "kernels/conv_blocked.def"
};

const struct ct_conv_blocked_kernel *ct_conv_blocked_f32_kernels(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

/* The last row is the reference, which every machine has. */
const struct ct_conv_blocked_kernel *ct_conv_blocked_f32_select(unsigned cpu_features)
{
    const struct ct_conv_blocked_kernel *row = rows;
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

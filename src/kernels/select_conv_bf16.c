/* The table of the kernels of bfloat16 convolutions, and selection from it. */
#include "kernels/conv_bf16.h"

static const struct ct_conv_bf16_kernel rows[] = {
#define CT_CONV_BF16(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/conv_bf16.def"
    {NULL, CT_ISA_REF, NULL}, /* the end: the list may be empty */
};

const struct ct_conv_bf16_kernel *ct_conv_bf16_kernels(size_t *count)
{
    *count = sizeof rows / sizeof *rows - 1;
    return rows;
}

const struct ct_conv_bf16_kernel *ct_conv_bf16_select(unsigned cpu_features)
{
    for (const struct ct_conv_bf16_kernel *row = rows; row->name; row++)
        if (cpu_features >> row->isa & 1)
            return row;
    return NULL;
}

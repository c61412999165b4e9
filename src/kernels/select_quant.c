/* The tables of the quantisation kernels, and selection from them. */
#include "kernels/depthwise_i8.h"
#include "kernels/quant.h"

static const struct ct_quant_kernel quant_rows[] = {
#define CT_QUANT(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/quant.def"
};

static const struct ct_depthwise_i8_kernel depthwise_rows[] = {
#define CT_DEPTHWISE_I8(name, isa, w_most) {#name, CT_ISA_##isa, w_most, &name},
#include "kernels/quant.def"
};

const struct ct_quant_kernel *ct_quant_kernels(size_t *count)
{
    *count = sizeof quant_rows / sizeof *quant_rows;
    return quant_rows;
}

const struct ct_quant_kernel *ct_quant_select(unsigned cpu_features)
{
    const struct ct_quant_kernel *row = quant_rows; /* the last is the reference */
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_depthwise_i8_kernel *ct_depthwise_i8_kernels(size_t *count)
{
    *count = sizeof depthwise_rows / sizeof *depthwise_rows;
    return depthwise_rows;
}

const struct ct_depthwise_i8_kernel *ct_depthwise_i8_select(unsigned cpu_features, bool wide)
{
    const struct ct_depthwise_i8_kernel *row = depthwise_rows;
    while (row->isa != CT_ISA_REF &&
           (!(cpu_features >> row->isa & 1) || (wide && row->w_most < 255)))
        row++;
    return row;
}

/* The table of the quantisation kernels, and selection from it. */
#include "kernels/quant.h"

static const struct ct_quant_kernel rows[] = {
#define CT_QUANT(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/quant.def"
};

const struct ct_quant_kernel *ct_quant_kernels(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

const struct ct_quant_kernel *ct_quant_select(unsigned cpu_features)
{
    const struct ct_quant_kernel *row = rows; /* the last is the reference */
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

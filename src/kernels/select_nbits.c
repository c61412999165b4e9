/* The table of the kernels for weights of few bits, and selection from it. */
#include "kernels/gemm_nbits.h"

static const struct ct_gemm_nbits_kernel rows[] = {
#define CT_GEMM_NBITS(name, isa) {#name, CT_ISA_##isa, &name},
#include "kernels/gemm_nbits.def"
};

const struct ct_gemm_nbits_kernel *ct_gemm_nbits_kernels(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

const struct ct_gemm_nbits_kernel *ct_gemm_nbits_select(unsigned cpu_features)
{
    const struct ct_gemm_nbits_kernel *row = rows; /* the last is the reference */
    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

/* The tables that the kernel lists make, and selection from them. */
#include "kernels/gemm.h"

static const struct ct_gemm_f32_kernel gemm_f32_rows[] = {
#define CT_GEMM_F32(name, isa, mr, nr) {#name, CT_ISA_##isa, mr, nr, &name},
#include "kernels/gemm.def"
};

const struct ct_gemm_f32_kernel *ct_gemm_f32_kernels(size_t *count)
{
    *count = sizeof gemm_f32_rows / sizeof *gemm_f32_rows;
    return gemm_f32_rows;
}

/* The last row of a list is always the reference, which every machine has. */
const struct ct_gemm_f32_kernel *ct_gemm_f32_select(unsigned cpu_features)
{
    size_t count, i = 0;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_f32_kernels(&count);

    while (i < count - 1 && !(cpu_features >> rows[i].isa & 1))
        i++;
    return &rows[i];
}

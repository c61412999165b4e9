/* The tables that gemm.def makes, and selection from them. */
#include "kernels/gemm.h"

#include "kernels/gemm_i8.h"

static const struct ct_gemm_f32_kernel gemm_f32_rows[] = {
#define CT_GEMM_F32(name, isa, mr, nr) {#name, CT_ISA_##isa, mr, nr, 1, 1, 1, &name},
#include "kernels/gemm.def"
};

static const struct ct_gemm_f32_kernel gemm_bf16_rows[] = {
#define CT_GEMM_BF16(name, isa, mr, nr, m_step, k_step)                                            \
    {#name, CT_ISA_##isa, mr, nr, m_step, k_step, 2, &name},
#include "kernels/gemm.def"
};

static const struct ct_gemm_i8_kernel gemm_i8_rows[] = {
#define CT_GEMM_I8(name, isa, mr, nr, m_step, k_step, a_bytes)                                     \
    {#name, CT_ISA_##isa, mr, nr, m_step, k_step, a_bytes, &name},
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
    const struct ct_gemm_f32_kernel *row = gemm_f32_rows;

    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

const struct ct_gemm_f32_kernel *ct_gemm_bf16_kernels(size_t *count)
{
    *count = sizeof gemm_bf16_rows / sizeof *gemm_bf16_rows;
    return gemm_bf16_rows;
}

const struct ct_gemm_f32_kernel *ct_gemm_bf16_select(unsigned cpu_features)
{
    size_t count;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_bf16_kernels(&count);

    for (size_t i = 0; i < count; i++)
        if (cpu_features >> rows[i].isa & 1)
            return &rows[i];
    return ct_gemm_f32_select(cpu_features);
}

const struct ct_gemm_i8_kernel *ct_gemm_i8_kernels(size_t *count)
{
    *count = sizeof gemm_i8_rows / sizeof *gemm_i8_rows;
    return gemm_i8_rows;
}

const struct ct_gemm_i8_kernel *ct_gemm_i8_select(unsigned cpu_features)
{
    const struct ct_gemm_i8_kernel *row = gemm_i8_rows;

    while (row->isa != CT_ISA_REF && !(cpu_features >> row->isa & 1))
        row++;
    return row;
}

/* What the processor can do. */
#ifndef CT_CPU_CPU_H
#define CT_CPU_CPU_H

#include "base/status.h"

/** Features that kernels ask for, each implying those before it on x86-64. A row of a kernel list
 *  names one. X(NAME, bit, name) */
#define CT_ISA_MAP(X)                                                                              \
    X(REF, 0, "ref")                                                                               \
    X(SSE41, 1, "sse41")                                                                           \
    X(AVX2, 2, "avx2")                                                                             \
    X(AVX512, 3, "avx512")                                                                         \
    X(AVX512VNNI, 4, "avx512vnni")                                                                 \
    X(AVX512BF16, 5, "avx512bf16")                                                                 \
    X(AMX, 6, "amx")

enum ct_isa {
#define CT_X(name, bit, text) CT_ISA_##name = bit,
    CT_ISA_MAP(CT_X)
#undef CT_X
        CT_ISA_COUNT
};

/** Bits 1 << ct_isa that the machine and its system have, under the mask. CT_ISA_REF is always
 *  there. Detected once. AMX is tiles with products of bytes and of bfloat16; detection asks the
 *  system for the process's permission to use them, unless CORTEN_CPU_MASK leaves them out. */
unsigned ct_cpu_features(void);
/** Limits the features of this process, for tests and the command line; call before any session
 *  is open. The environment variable CORTEN_CPU_MASK, read once, limits them further: a name of
 *  CT_ISA_MAP, the highest to use; other text is ignored. */
void ct_cpu_set_mask(unsigned mask);
/** "ref" and so on. */
const char *ct_isa_name(enum ct_isa isa);
/** False for an unknown name. */
bool ct_isa_parse(const char *name, enum ct_isa *isa);
/** The highest of ct_cpu_features. */
enum ct_isa ct_cpu_best(void);

struct ct_cpu_caches {
    size_t l1d_bytes, l2_bytes, l3_bytes; /* per core, per core, shared */
};
/** Detected once; never 0 (where there is no third level, l3_bytes is that of the second). */
const struct ct_cpu_caches *ct_cpu_get_caches(void);

#endif

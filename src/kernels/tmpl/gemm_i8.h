/* The 8-bit GEMM kernel of kernels/gemm_i8.h over the vector vocabulary.
 *
 * Before including it: a simd/ header, the parameters of tmpl/gemm_i8_post.h but GEMM_K_STEP, and
 *   GEMM_FN     name of the struct ct_gemm_i8_functions that it defines
 *   GEMM_MR     rows of a tile; its columns are 2 * V_WIDTH
 *   gemm_load_b(p)         V_WIDTH * GEMM_GROUP elements of packed B, widened as gemm_dot wants
 *   gemm_dot(sum, a, b)    sum + the products of each lane's GEMM_GROUP pairs
 *
 * A lane-wide broadcast takes GEMM_GROUP elements of a row of A. */
#define GEMM_K_STEP 4
#include "kernels/tmpl/gemm_i8_post.h"

V_INLINE void tile_body(const struct ct_gemm_i8_tile *t, const size_t mr, const size_t nv,
                        int32_t *sums)
{
    const char *a = t->a;
    const int8_t *b = t->b;
    const size_t lda = t->lda;
    v_i32 acc[GEMM_MR][NV];

    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < nv; j++)
            acc[i][j] = v_i32_set1(0);
    }
    for (size_t p = t->k / GEMM_GROUP; p > 0; p--) {
        v_i32 bv[NV];
        UNROLL
        for (size_t j = 0; j < nv; j++)
            bv[j] = gemm_load_b(b + j * V_WIDTH * GEMM_GROUP);
        UNROLL
        for (size_t i = 0; i < mr; i++) {
            int32_t group;
            memcpy(&group, a + i * lda, sizeof group);
            v_i32 av = v_i32_set1(group);
            UNROLL
            for (size_t j = 0; j < nv; j++)
                acc[i][j] = gemm_dot(acc[i][j], av, bv[j]);
        }
        a += sizeof(int32_t);
        b += NR * GEMM_GROUP;
    }
    UNROLL
    for (size_t i = 0; i < mr; i++) {
        UNROLL
        for (size_t j = 0; j < nv; j++)
            v_i32_store(sums + i * NR + j * V_WIDTH, acc[i][j]);
    }
}

V_INLINE void tile_rows(const struct ct_gemm_i8_tile *t, const size_t nv, int32_t *sums)
{
#define CASE(mr)                                                                                   \
    case mr: tile_body(t, mr <= GEMM_MR ? mr : 1, nv, sums); break;
    switch (t->m) {
        CASE(1)
        CASE(2)
        CASE(3)
        CASE(4)
#if GEMM_MR > 4
        CASE(5)
        CASE(6)
#endif
#if GEMM_MR > 6
        CASE(7)
        CASE(8)
        CASE(9)
        CASE(10)
        CASE(11)
        CASE(12)
        CASE(13)
        CASE(14)
#endif
    default: break;
    }
#undef CASE
}

static __attribute__((noinline)) void tile_narrow(const struct ct_gemm_i8_tile *t, int32_t *sums)
{
    tile_rows(t, 1, sums);
}

static __attribute__((noinline)) void tile_wide(const struct ct_gemm_i8_tile *t, int32_t *sums)
{
    tile_rows(t, 2, sums);
}

static void tile(const struct ct_gemm_i8_tile *t)
{
    int32_t sums[GEMM_MR * NR] __attribute__((aligned(64)));

    if (t->n > V_WIDTH)
        tile_wide(t, sums);
    else
        tile_narrow(t, sums);
    apply_post(t, sums);
}

const struct ct_gemm_i8_functions GEMM_FN = {.tile = tile, .pack_a = pack_a, .pack_b = pack_b};

#undef UNROLL

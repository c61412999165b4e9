/* What follows the product of a float32 tile (struct ct_gemm_post), over the vector vocabulary.
 * Included by tmpl/gemm_f32.h, after NR, the columns of a tile. GEMM_ACT is the function of
 * activations, v_act unless it is defined before. */
#ifndef CT_KERNELS_TMPL_GEMM_POST_F32_H
#define CT_KERNELS_TMPL_GEMM_POST_F32_H

#ifndef GEMM_ACT
#define GEMM_ACT v_act
#endif

V_INLINE v_f32 load_term(const struct ct_gemm_term *term, size_t row, size_t col, v_tail tail)
{
    const float *p = term->p + (int64_t)row * term->row_stride;
    return term->col_stride ? v_load_tail(p + col, tail) : v_set1(*p);
}

/* Sums of the tile, rows of NR, to C. */
V_INLINE void post_rows(const struct ct_gemm_f32_tile *t, const float *sums, enum ct_act act)
{
    const struct ct_gemm_post *post = t->post;
    v_f32 alpha = v_set1(post->alpha), beta = v_set1(post->beta);
    v_f32 p0 = v_set1(post->act_params[0]), p1 = v_set1(post->act_params[1]);

    for (size_t j = 0; j < t->n; j += V_WIDTH) {
        v_tail tail = v_tail_make(t->n - j);
        for (size_t i = 0; i < t->m; i++) {
            v_f32 x = v_mul(alpha, v_load(sums + i * NR + j));
            if (post->bias.p)
                x = v_add(x, load_term(&post->bias, t->row + i, t->col + j, tail));
            if (post->residual.p)
                x = v_fma(beta, load_term(&post->residual, t->row + i, t->col + j, tail), x);
            v_store_tail(t->c + i * t->ldc + j, GEMM_ACT(act, p0, p1, x), tail);
        }
    }
}

static __attribute__((noinline)) void apply_post(const struct ct_gemm_f32_tile *t,
                                                 const float *sums)
{
    switch (t->post->act) {
#define CT_X(name, formula)                                                                        \
    case CT_ACT_##name: post_rows(t, sums, CT_ACT_##name); break;
        CT_ACT_MAP(CT_X)
#undef CT_X
    case CT_ACT_COUNT: break;
    }
}

#endif

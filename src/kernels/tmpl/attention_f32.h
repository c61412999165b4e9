/* Online softmax of a run of scores over the vector vocabulary. Include a simd/ header first.
 *   FUNCTIONS  name of the struct ct_attention_f32_functions to define */
#include "kernels/attention.h"
#include "kernels/tmpl/vmath_f32.h"

/* Scale, softcap and mask; in their own pass, which plain attention does not have. */
V_INLINE v_f32 adjusted(const struct ct_attention_f32_row *row, v_f32 s, v_f32 mask)
{
    v_f32 cap = v_set1(row->softcap);
    s = v_mul(s, v_set1(row->scale));
    if (row->softcap != 0.0f)
        s = v_mul(cap, v_tanh(v_div(s, cap)));
    return v_add(s, mask);
}

static void adjust(const struct ct_attention_f32_row *row)
{
    size_t i = 0;
    for (; i + V_WIDTH <= row->n; i += V_WIDTH) {
        v_f32 mask = row->mask ? v_load(row->mask + i) : v_zero();
        v_store(row->s + i, adjusted(row, v_load(row->s + i), mask));
    }
    if (i < row->n) {
        v_tail t = v_tail_make(row->n - i);
        v_f32 mask = row->mask ? v_load_tail(row->mask + i, t) : v_zero();
        v_store_tail(row->s + i, adjusted(row, v_load_tail(row->s + i, t), mask), t);
    }
}

static float run_max(const float *s, size_t n)
{
    v_f32 m0 = v_set1(-__builtin_inff()), m1 = m0, m2 = m0, m3 = m0;
    size_t i = 0;
    for (; i + 4 * V_WIDTH <= n; i += 4 * V_WIDTH) {
        m0 = v_max(m0, v_load(s + i));
        m1 = v_max(m1, v_load(s + i + V_WIDTH));
        m2 = v_max(m2, v_load(s + i + 2 * V_WIDTH));
        m3 = v_max(m3, v_load(s + i + 3 * V_WIDTH));
    }
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        m0 = v_max(m0, v_load(s + i));
    float max = v_hmax(v_max(v_max(m0, m1), v_max(m2, m3)));
    for (; i < n; i++)
        max = s[i] > max ? s[i] : max;
    return max;
}

static float exp_sum(float *s, size_t n, float by, float base)
{
    v_f32 a = v_set1(by), b = v_set1(-base), s0 = v_zero(), s1 = v_zero();
    float rest = 0;
    size_t i = 0;
    for (; i + 2 * V_WIDTH <= n; i += 2 * V_WIDTH) {
        v_f32 x = v_exp_nonpos(v_fma(v_load(s + i), a, b));
        v_f32 y = v_exp_nonpos(v_fma(v_load(s + i + V_WIDTH), a, b));
        v_store(s + i, x);
        v_store(s + i + V_WIDTH, y);
        s0 = v_add(s0, x);
        s1 = v_add(s1, y);
    }
    for (; i < n; i += V_WIDTH) {
        size_t left = n - i < V_WIDTH ? n - i : V_WIDTH;
        v_tail t = v_tail_make(left);
        v_store_tail(s + i, v_exp_nonpos(v_fma(v_load_tail(s + i, t), a, b)), t);
        for (size_t j = 0; j < left; j++)
            rest += s[i + j];
    }
    return rest + v_sum(v_add(s0, s1));
}

/* At most V_WIDTH rows: what is one number a row is computed for all at once. */
static void softmax_rows(struct ct_attention_f32_row *rows, size_t count)
{
    float by[V_WIDTH], before[V_WIDTH] = {0}, base[V_WIDTH] = {0}, correction[V_WIDTH];

    for (size_t r = 0; r < count; r++) {
        struct ct_attention_f32_row *row = &rows[r];
        bool plain = row->softcap == 0.0f && !row->mask && row->scale > 0;
        if (!plain)
            adjust(row);
        by[r] = plain ? row->scale : 1;
        float max = by[r] * run_max(row->s, row->n);
        before[r] = row->max;
        row->max = max > row->max ? max : row->max;
        /* Where everything so far is masked, any finite number does. */
        base[r] = row->max == -__builtin_inff() ? 0 : row->max;
    }
    v_store(correction, v_exp_nonpos(v_sub(v_load(before), v_load(base))));
    for (size_t r = 0; r < count; r++) {
        struct ct_attention_f32_row *row = &rows[r];
        row->correction = correction[r];
        row->sum = row->sum * correction[r] + exp_sum(row->s, row->n, by[r], base[r]);
    }
}

static void softmax(struct ct_attention_f32_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i += V_WIDTH)
        softmax_rows(rows + i, count - i < V_WIDTH ? count - i : V_WIDTH);
}

static void scale(float *x, size_t n, float by)
{
    v_f32 b = v_set1(by);
    size_t i = 0;
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        v_store(x + i, v_mul(v_load(x + i), b));
    if (i < n) {
        v_tail t = v_tail_make(n - i);
        v_store_tail(x + i, v_mul(v_load_tail(x + i, t), b), t);
    }
}

const struct ct_attention_f32_functions FUNCTIONS = {softmax, scale};

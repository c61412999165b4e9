/* Softmax of a row over the vector vocabulary. Include a simd/ header first.
 *   FUNCTIONS  name of the struct ct_softmax_f32_functions to define */
#include "kernels/softmax.h"
#include "kernels/tmpl/vmath_f32.h"

static float row_max(const float *x, size_t n)
{
    v_f32 low = v_set1(-__builtin_inff());
    v_f32 m0 = low, m1 = low, m2 = low, m3 = low;
    size_t i = 0;
    for (; i + 4 * V_WIDTH <= n; i += 4 * V_WIDTH) {
        m0 = v_max(m0, v_load(x + i));
        m1 = v_max(m1, v_load(x + i + V_WIDTH));
        m2 = v_max(m2, v_load(x + i + 2 * V_WIDTH));
        m3 = v_max(m3, v_load(x + i + 3 * V_WIDTH));
    }
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        m0 = v_max(m0, v_load(x + i));
    float max = v_hmax(v_max(v_max(m0, m1), v_max(m2, m3)));
    for (; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

/* Sum of exp(x - max); y, unless NULL, gets the terms. */
V_INLINE float exp_sum(const float *x, float *y, size_t n, float max)
{
    v_f32 m = v_set1(max), s0 = v_zero(), s1 = v_zero();
    size_t i = 0;
    for (; i + 2 * V_WIDTH <= n; i += 2 * V_WIDTH) {
        v_f32 a = v_exp_nonpos(v_sub(v_load(x + i), m));
        v_f32 b = v_exp_nonpos(v_sub(v_load(x + i + V_WIDTH), m));
        if (y) {
            v_store(y + i, a);
            v_store(y + i + V_WIDTH, b);
        }
        s0 = v_add(s0, a);
        s1 = v_add(s1, b);
    }
    float sum = 0;
    for (; i < n; i += V_WIDTH) {
        size_t left = n - i < V_WIDTH ? n - i : V_WIDTH;
        v_tail t = v_tail_make(left);
        v_f32 a = v_exp_nonpos(v_sub(v_load_tail(x + i, t), m));
        if (y)
            v_store_tail(y + i, a, t);
        if (left == V_WIDTH) {
            s0 = v_add(s0, a);
        } else {
            float lanes[V_WIDTH];
            v_store(lanes, a);
            for (size_t j = 0; j < left; j++)
                sum += lanes[j];
        }
    }
    return sum + v_sum(v_add(s0, s1));
}

static void softmax(const float *x, float *y, size_t n)
{
    float sum = exp_sum(x, y, n, row_max(x, n));
    v_f32 scale = v_set1(1.0f / sum);
    size_t i = 0;
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        v_store(y + i, v_mul(v_load(y + i), scale));
    if (i < n) {
        v_tail t = v_tail_make(n - i);
        v_store_tail(y + i, v_mul(v_load_tail(y + i, t), scale), t);
    }
}

static void log_softmax(const float *x, float *y, size_t n)
{
    float max = row_max(x, n);
    v_f32 m = v_set1(max), shift = v_log(v_set1(exp_sum(x, NULL, n, max)));
    size_t i = 0;
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        v_store(y + i, v_sub(v_sub(v_load(x + i), m), shift));
    if (i < n) {
        v_tail t = v_tail_make(n - i);
        v_store_tail(y + i, v_sub(v_sub(v_load_tail(x + i, t), m), shift), t);
    }
}

const struct ct_softmax_f32_functions FUNCTIONS = {softmax, log_softmax};

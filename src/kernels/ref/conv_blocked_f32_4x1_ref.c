/* Kernels of the blocked layout in plain C. */
#include "kernels/conv_blocked.h"
#include "kernels/ref/act_ref.h"

enum { BLOCK = CT_CONV_BLOCK };

static bool is_cut(const struct ct_conv_blocked_tap *tap, size_t pixel, size_t pixels)
{
    return (tap->cut == CT_CUT_FIRST && pixel == 0) ||
           (tap->cut == CT_CUT_LAST && pixel == pixels - 1);
}

static float tile_element(const struct ct_conv_blocked_tile *t, size_t block, size_t pixel,
                          size_t o)
{
    float sum = t->bias ? t->bias[block * BLOCK + o] : 0;
    for (size_t first = 0; first < t->channels; first += BLOCK) {
        size_t n = t->channels - first < BLOCK ? t->channels - first : BLOCK;
        for (size_t k = 0; k < t->n_taps; k++) {
            const struct ct_conv_blocked_tap *tap = &t->taps[k];
            if (is_cut(tap, pixel, t->pixels))
                continue;
            const float *x = t->x + tap->x + first / BLOCK * t->x_block + pixel * t->x_pixel;
            const float *w = t->w + block * t->w_out + first / BLOCK * t->w_in + tap->w + o;
            for (size_t c = 0; c < n; c++)
                sum += x[c * t->x_channel] * w[c * BLOCK];
        }
    }
    return sum;
}

static void tile(const struct ct_conv_blocked_tile *t)
{
    for (size_t b = 0; b < t->blocks; b++)
        for (size_t p = 0; p < t->pixels; p++)
            for (size_t o = 0; o < BLOCK; o++) {
                size_t at = b * t->y_block + p * BLOCK + o;
                float sum = tile_element(t, b, p, o);
                if (t->residual)
                    sum += t->residual[at];
                t->y[at] = ct_act_f32_ref(t->post->act, t->post->act_params, sum);
            }
}

static void depthwise(const struct ct_conv_blocked_depthwise *r)
{
    for (size_t p = 0; p < r->pixels; p++)
        for (size_t o = 0; o < BLOCK; o++) {
            float sum = r->bias ? r->bias[o] : 0;
            for (size_t k = 0; k < r->kernel_rows; k++)
                for (size_t c = 0; c < r->kernel_cols; c++)
                    sum += r->x[p * r->x_pixel + k * r->x_row + c * r->x_col + o] *
                           r->w[k * r->w_row + c * BLOCK + o];
            if (r->residual)
                sum += r->residual[p * r->y_pixel + o];
            r->y[p * r->y_pixel + o] = ct_act_f32_ref(r->post->act, r->post->act_params, sum);
        }
}

/* The transforms by their matrices. */
static const double bt[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                                {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const double at[4][6] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

static void winograd_in(const struct ct_conv_blocked_winograd_in *s)
{
    for (size_t k = 0; k < s->n; k++)
        for (size_t o = 0; o < BLOCK; o++)
            for (size_t p = 0; p < CT_WINOGRAD_PLACES; p++) {
                double sum = 0;
                for (size_t i = 0; i < 6; i++)
                    for (size_t j = 0; j < 6; j++)
                        sum += bt[p / 6][i] * bt[p % 6][j] *
                               (double)s->x[i * s->x_row + (k * CT_WINOGRAD_OUT + j) * BLOCK + o];
                s->v[p * s->v_place + k * BLOCK + o] = (float)sum;
            }
}

static void winograd_out(const struct ct_conv_blocked_winograd_out *s)
{
    for (size_t r = 0; r < s->rows; r++)
        for (size_t c = 0; c < s->cols; c++)
            for (size_t o = 0; o < BLOCK; o++) {
                size_t k = c / CT_WINOGRAD_OUT, to = r * s->y_row + c * BLOCK + o;
                double sum = s->bias ? (double)s->bias[o] : 0;
                for (size_t p = 0; p < CT_WINOGRAD_PLACES; p++)
                    sum += at[r][p / 6] * at[c % CT_WINOGRAD_OUT][p % 6] *
                           (double)s->m[p * s->m_place + k * BLOCK + o];
                if (s->residual)
                    sum += (double)s->residual[to];
                s->y[to] = ct_act_f32_ref(s->post->act, s->post->act_params, (float)sum);
            }
}

static void max(const struct ct_conv_blocked_window *w)
{
    for (size_t o = 0; o < BLOCK; o++) {
        float best = w->x[o];
        for (size_t r = 0; r < w->rows; r++)
            for (size_t c = 0; c < w->cols; c++) {
                float x = w->x[r * w->x_row + c * w->x_col + o];
                best = x > best || x != x ? x : best;
            }
        w->y[o] = best;
    }
}

static void average(const struct ct_conv_blocked_window *w)
{
    for (size_t o = 0; o < BLOCK; o++) {
        double sum = 0;
        for (size_t r = 0; r < w->rows; r++)
            for (size_t c = 0; c < w->cols; c++)
                sum += (double)w->x[r * w->x_row + c * w->x_col + o];
        w->y[o] = (float)(sum * (double)w->scale);
    }
}

static void to_blocked(size_t n, size_t channels, const float *plain, size_t plane, float *blocked)
{
    for (size_t p = 0; p < n; p++)
        for (size_t c = 0; c < BLOCK; c++)
            blocked[p * BLOCK + c] = c < channels ? plain[c * plane + p] : 0;
}

static void to_plain(size_t n, size_t channels, const float *blocked, float *plain, size_t plane)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t p = 0; p < n; p++)
            plain[c * plane + p] = blocked[p * BLOCK + c];
}

const struct ct_conv_blocked_functions ct_conv_blocked_f32_4x1_ref = {
    .tile = tile,
    .depthwise = depthwise,
    .winograd_in = winograd_in,
    .winograd_out = winograd_out,
    .max = max,
    .average = average,
    .to_blocked = to_blocked,
    .to_plain = to_plain,
};

/* bfloat16 convolution in tiles of 32 pixels x 2 blocks: two tiles of pixels times two of channels. */
#include "kernels/simd/avx512.h"

#include "kernels/conv_bf16.h"

#include "kernels/simd/amx.h"

#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

#include "kernels/tmpl/act_bf16.h"

enum { W_TILE = 512, W_STEP = 2 * W_TILE, SUMS_TILE = 16 * 16, SUMS_BLOCK = 2 * SUMS_TILE };

V_INLINE void multiply(const struct ct_conv_bf16_tile *t, const int rows, const int cols)
{
    const size_t x_row = t->x_pixel * sizeof *t->x, sums_row = 16 * sizeof *t->sums;
    const uint16_t *w = t->w;

    _tile_zero(0);
    if (cols > 1)
        _tile_zero(1);
    if (rows > 1)
        _tile_zero(2);
    if (rows > 1 && cols > 1)
        _tile_zero(3);
    for (size_t s = 0; s < t->steps; s++, w += W_STEP) {
        const uint16_t *x = t->x + t->x_step[s];
        _tile_loadd(6, w, AMX_ROW_BYTES);
        _tile_loadd(4, x, x_row);
        _tile_dpbf16ps(0, 4, 6);
        if (cols > 1) {
            _tile_loadd(7, w + W_TILE, AMX_ROW_BYTES);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (rows > 1) {
            _tile_loadd(5, x + AMX_ROWS * t->x_pixel, x_row);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (rows > 1 && cols > 1)
            _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, t->sums, sums_row);
    if (cols > 1)
        _tile_stored(1, t->sums + SUMS_BLOCK, sums_row);
    if (rows > 1)
        _tile_stored(2, t->sums + SUMS_TILE, sums_row);
    if (rows > 1 && cols > 1)
        _tile_stored(3, t->sums + SUMS_BLOCK + SUMS_TILE, sums_row);
}

static void tile(const struct ct_conv_bf16_tile *t)
{
    if (t->pixels > 16 && t->blocks > 1)
        multiply(t, 2, 2);
    else if (t->pixels > 16)
        multiply(t, 2, 1);
    else if (t->blocks > 1)
        multiply(t, 1, 2);
    else
        multiply(t, 1, 1);
}

V_INLINE void finish_act(const struct ct_conv_bf16_finish *f, enum ct_act act)
{
    const v_f32 p0 = v_set1(f->post->act_params[0]), p1 = v_set1(f->post->act_params[1]);
    const v_f32 bias = f->bias ? v_load(f->bias) : v_zero();

    for (size_t i = 0; i < 16 * f->pixels; i += 16) {
        v_f32 x = v_add(v_load(f->sums + i), bias);
        if (f->residual)
            x = v_add(x, v_load(f->residual + i));
        v_store(f->y + i, v_act_bf16(act, p0, p1, x));
    }
}

static void finish(const struct ct_conv_bf16_finish *f)
{
    switch (f->post->act) {
#define CT_X(name, formula)                                                                        \
    case CT_ACT_##name: finish_act(f, CT_ACT_##name); break;
        CT_ACT_MAP(CT_X)
#undef CT_X
    case CT_ACT_COUNT: break;
    }
}

static void round_blocks(size_t n, size_t channels, const float *first, const float *second,
                         size_t x_pixel, uint16_t *to)
{
    const v_tail low = v_tail_make(channels);
    const v_tail high = v_tail_make(second && channels > 16 ? channels - 16 : 0);

    if (!second)
        second = first; /* no lane of it is read */
    for (size_t i = 0; i < n; i++) {
        __m512bh both = _mm512_cvtne2ps_pbh(v_load_tail(second + i * x_pixel, high),
                                            v_load_tail(first + i * x_pixel, low));
        _mm512_storeu_si512(to + i * CT_CONV_BF16_STEP, (__m512i)both);
    }
}

/* Channels 2 c and 2 c + 1 of 16 pixels, in 32-bit units. */
V_INLINE __m512i plain_pair(const float *x, size_t plane, size_t channels, size_t c, v_tail tail)
{
    const float *from = x + 2 * c * plane;
    __m256i first =
        (__m256i)_mm512_cvtneps_pbh(2 * c < channels ? v_load_tail(from, tail) : v_zero());
    __m256i second = (__m256i)_mm512_cvtneps_pbh(
        2 * c + 1 < channels ? v_load_tail(from + plane, tail) : v_zero());

    return _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
}

static void round_plain(size_t n, size_t channels, const float *x, size_t plane, uint16_t *to)
{
    const __m512i left = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i right = _mm512_add_epi32(left, _mm512_set1_epi32(8));

    for (size_t i = 0; i < n; i += 16) {
        const size_t units = 2 * (n - i);
        const v_tail tail = v_tail_make(n - i);
        __m512i p = plain_pair(x + i, plane, channels, 0, tail);
        __m512i q = plain_pair(x + i, plane, channels, 1, tail);
        _mm512_mask_storeu_epi32(to + i * CT_CONV_BF16_PLAIN, v_tail_make(units),
                                 _mm512_permutex2var_epi32(p, left, q));
        _mm512_mask_storeu_epi32(to + (i + 8) * CT_CONV_BF16_PLAIN,
                                 v_tail_make(units > 16 ? units - 16 : 0),
                                 _mm512_permutex2var_epi32(p, right, q));
    }
}

const struct ct_conv_bf16_functions ct_conv_bf16_32x2_amx = {
    .enter = amx_enter,
    .leave = amx_leave,
    .tile = tile,
    .finish = finish,
    .round = round_blocks,
    .round_plain = round_plain,
};

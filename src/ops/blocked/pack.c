/* Weights of convolutions in the order in which the kernels read them. */
#include <string.h>

#include "ops/blocked/blocked.h"

struct pack {
    const struct ct_blocked_conv *conv;
    const char *from; /* maybe misaligned */
    float *to;
};

static float load(const char *from, int64_t index)
{
    float x;
    memcpy(&x, from + index * (int64_t)sizeof x, sizeof x);
    return x;
}

/* One block of output channels: [input block][tap][row][16]. */
static void pack_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct pack *p = arg;
    const struct ct_blocked_conv *c = p->conv;
    int64_t taps = c->window.kernel[0] * c->window.kernel[1], rows = ct_blocked_rows(c->ic);
    int64_t row_step = taps * c->ic;
    (void)worker;
    for (int64_t b = begin; b < end; b++) {
        float *to = p->to + b * ct_blocks(c->ic) * taps * rows * CT_CONV_BLOCK;
        for (int64_t first = 0; first < c->ic; first += CT_CONV_BLOCK)
            for (int64_t tap = 0; tap < taps; tap++)
                for (int64_t i = first; i < first + rows; i++)
                    for (int64_t o = b * CT_CONV_BLOCK; o < (b + 1) * CT_CONV_BLOCK; o++)
                        *to++ = o < c->oc && i < c->ic
                                    ? load(p->from, o * row_step + i * taps + tap)
                                    : 0;
    }
}

ct_status ct_blocked_pack_dense(void *arg, const struct ct_tensor *constant, void *packed,
                                struct ct_pool *pool, corten_error *error)
{
    struct pack pack = {arg, constant->data, packed};
    const struct ct_blocked_conv *c = arg;
    (void)error;
    double elems = (double)(c->window.kernel[0] * c->window.kernel[1] * c->ic) * CT_CONV_BLOCK;
    ct_parallel_for(pool, ct_blocks(c->oc), ct_grain(elems), pack_blocks, &pack);
    return CORTEN_OK;
}

/* G g G^T of the 3 x 3 weights at `from` (row-major), in double. */
static void transform(const char *from, float u[CT_WINOGRAD_PLACES])
{
    static const double g[6][3] = {{1.0 / 4, 0, 0},
                                   {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                   {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                   {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                   {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                   {0, 0, 1}};
    double half[6][3];
    for (int i = 0; i < 6; i++)
        for (int c = 0; c < 3; c++) {
            half[i][c] = 0;
            for (int k = 0; k < 3; k++)
                half[i][c] += g[i][k] * (double)load(from, k * 3 + c);
        }
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            double sum = 0;
            for (int k = 0; k < 3; k++)
                sum += half[i][k] * g[j][k];
            u[i * 6 + j] = (float)sum;
        }
}

/* [place][output block][input block][16][16]. */
static void pack_winograd_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct pack *p = arg;
    const struct ct_blocked_conv *c = p->conv;
    int64_t rows = ct_blocks(c->ic) * CT_CONV_BLOCK;
    int64_t place = ct_blocks(c->oc) * CT_CONV_BLOCK * rows;
    (void)worker;
    for (int64_t b = begin; b < end; b++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < CT_CONV_BLOCK; k++) {
                int64_t o = b * CT_CONV_BLOCK + k;
                float u[CT_WINOGRAD_PLACES] = {0};
                if (o < c->oc && i < c->ic)
                    transform(p->from + (o * c->ic + i) * 9 * (int64_t)sizeof(float), u);
                for (int64_t e = 0; e < CT_WINOGRAD_PLACES; e++)
                    p->to[e * place + (b * rows + i) * CT_CONV_BLOCK + k] = u[e];
            }
}

ct_status ct_blocked_pack_winograd(void *arg, const struct ct_tensor *constant, void *packed,
                                   struct ct_pool *pool, corten_error *error)
{
    struct pack pack = {arg, constant->data, packed};
    const struct ct_blocked_conv *c = arg;
    (void)error;
    ct_parallel_for(pool, ct_blocks(c->oc), ct_grain((double)c->ic * CT_CONV_BLOCK * 200),
                    pack_winograd_blocks, &pack);
    return CORTEN_OK;
}

ct_status ct_blocked_pack_depthwise(void *arg, const struct ct_tensor *constant, void *packed,
                                    struct ct_pool *pool, corten_error *error)
{
    const struct ct_blocked_conv *c = arg;
    int64_t taps = c->window.kernel[0] * c->window.kernel[1];
    float *to = packed;
    (void)pool;
    (void)error;
    for (int64_t first = 0; first < c->oc; first += CT_CONV_BLOCK)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t o = first; o < first + CT_CONV_BLOCK; o++)
                *to++ = o < c->oc ? load(constant->data, o * taps + tap) : 0;
    return CORTEN_OK;
}

ct_status ct_blocked_pack_bias(void *arg, const struct ct_tensor *constant, void *packed,
                               struct ct_pool *pool, corten_error *error)
{
    const struct ct_blocked_conv *c = arg;
    (void)pool;
    (void)error;
    memset(packed, 0, (size_t)ct_blocks(c->oc) * CT_CONV_BLOCK * sizeof(float));
    memcpy(packed, constant->data, (size_t)c->oc * sizeof(float));
    return CORTEN_OK;
}

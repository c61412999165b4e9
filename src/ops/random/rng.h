/* Random numbers by counter: element i of a stream depends on the seed and i alone, so that any
 * thread can make any of them.
 * Method: Philox4x32-10 of J. Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011. */
#ifndef CT_OPS_RANDOM_RNG_H
#define CT_OPS_RANDOM_RNG_H

#include "graph/op.h"

#include <string.h>

/** 128 random bits of counter `i`. */
static inline void ct_rng_block(uint64_t seed, uint64_t i, uint32_t out[4])
{
    uint32_t x[4] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
        uint64_t a = UINT64_C(0xD2511F53) * x[0], b = UINT64_C(0xCD9E8D57) * x[2];
        uint32_t y[4] = {(uint32_t)(b >> 32) ^ x[1] ^ key[0], (uint32_t)b,
                         (uint32_t)(a >> 32) ^ x[3] ^ key[1], (uint32_t)a};
        memcpy(x, y, sizeof x);
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    memcpy(out, x, sizeof x);
}

/** Uniform in [0, 1), 53 bits; element i of the stream. */
static inline double ct_rng_uniform(uint64_t seed, uint64_t i)
{
    uint32_t x[4];
    ct_rng_block(seed, i >> 1, x);
    const uint32_t *pair = i & 1 ? x + 2 : x;
    uint64_t bits = (uint64_t)pair[0] << 32 | pair[1];
    return (double)(bits >> 11) * 0x1p-53;
}

/** What the node's `seed` attribute says; without one, the session's next, or another number on every
 *  call. */
uint64_t ct_rng_seed(const struct ct_run *run);

#endif

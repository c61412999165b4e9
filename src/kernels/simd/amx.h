/* Tiles of AMX, for kernels beside the vector words of avx512.h.
 *
 * There is one configuration: all eight tiles are 16 rows of 64 bytes. Edges are padded in packed
 * memory, so that no kernel asks for another one: LDTILECFG and TILERELEASE cost some fifty
 * nanoseconds each. A family's functions have two optional ones, `enter` and `leave`, which the
 * driver calls around a block of tiles, on the thread that computes it; between them nobody else
 * uses tiles. A thread that holds tiles has 8 KiB more for the system to save: none keeps them when
 * its work is done. */
#ifndef CT_KERNELS_SIMD_AMX_H
#define CT_KERNELS_SIMD_AMX_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { AMX_ROWS = 16, AMX_ROW_BYTES = 64 };

/* The memory operand of LDTILECFG (Intel SDM volume 1, chapter 18). */
struct amx_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static inline __attribute__((unused)) void amx_enter(void)
{
    static const struct amx_config config = {
        .palette = 1,
        .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
        .rows = {16, 16, 16, 16, 16, 16, 16, 16},
    };

    _tile_loadconfig(&config);
}

static inline __attribute__((unused)) void amx_leave(void)
{
    _tile_release();
}

#endif

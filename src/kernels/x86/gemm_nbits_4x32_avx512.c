/* Up to 4 bits are looked up: VPERMPS takes the low four bits of each lane as a place in a vector,
 * so a shift is all that comes before it. A byte moves to the top of its lane by VPSHUFB. */
#include "kernels/simd/avx512.h"

typedef __m512 nbits_table;

V_INLINE nbits_table make_table(const int bits)
{
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    return bits == 8 ? v_zero() : v_from_i32(_mm512_sllv_epi32(lanes, v_i32_set1(32 - bits)));
}

V_INLINE v_f32 byte_of(v_i32 words, int i)
{
    /* The other three bytes of a lane: zero, which is what bit 7 of a place asks for. */
    const __m128i places = _mm_slli_epi32(_mm_setr_epi32(i, i + 4, i + 8, i + 12), 24);
    const __m128i order = _mm_or_si128(places, _mm_set1_epi32(0x00808080));

    return v_from_i32(_mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(order)));
}

V_INLINE v_f32 decode(v_i32 words, const int bits, const int i, nbits_table table)
{
    if (bits == 8)
        return byte_of(words, i);
    /* Written so, since the intrinsic wants a count that is constant before loops are unrolled. */
    return _mm512_permutexvar_ps((v_i32)((__v16su)words >> bits * i), table);
}

#define NBITS_DECODE decode
#define FUNCTIONS ct_gemm_nbits_4x32_avx512
#include "kernels/tmpl/gemm_nbits.h"

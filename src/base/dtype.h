/* Element types: what the table in corten.h does not say, and conversions of the narrow ones. */
#ifndef CT_BASE_DTYPE_H
#define CT_BASE_DTYPE_H

#include "base/status.h"

typedef corten_dtype ct_dtype;

/* Sets of types, as masks. */
typedef uint64_t ct_dtypes;
#define CT_BIT(name) (UINT64_C(1) << CORTEN_##name)
#define CT_UINTS_8_64 (CT_BIT(U8) | CT_BIT(U16) | CT_BIT(U32) | CT_BIT(U64))
#define CT_SINTS_8_64 (CT_BIT(I8) | CT_BIT(I16) | CT_BIT(I32) | CT_BIT(I64))
#define CT_INTS_8_64 (CT_UINTS_8_64 | CT_SINTS_8_64)
#define CT_INTS_NARROW (CT_BIT(U4) | CT_BIT(I4) | CT_BIT(U2) | CT_BIT(I2))
#define CT_FLOATS (CT_BIT(F16) | CT_BIT(BF16) | CT_BIT(F32) | CT_BIT(F64))
#define CT_F8S                                                                                     \
    (CT_BIT(F8E4M3FN) | CT_BIT(F8E4M3FNUZ) | CT_BIT(F8E5M2) | CT_BIT(F8E5M2FNUZ) | CT_BIT(F8E8M0))
#define CT_F6S (CT_BIT(F6E2M3) | CT_BIT(F6E3M2))
#define CT_FLOATS_NARROW (CT_F8S | CT_F6S | CT_BIT(F4E2M1))
#define CT_NUMBERS (CT_FLOATS | CT_INTS_8_64)
#define CT_COMPLEX (CT_BIT(C64) | CT_BIT(C128))
#define CT_ALL_DTYPES                                                                              \
    (CT_NUMBERS | CT_INTS_NARROW | CT_FLOATS_NARROW | CT_COMPLEX | CT_BIT(BOOL) | CT_BIT(STRING))
#define CT_DTYPES_25 (CT_ALL_DTYPES & ~CT_F6S)               /* those of opsets 25 to 27 */
#define CT_PACKED (CT_INTS_NARROW | CT_F6S | CT_BIT(F4E2M1)) /* below 8 bits */

static inline bool ct_dtype_in(ct_dtype dtype, ct_dtypes set)
{
    return (unsigned)dtype < 64 && (set >> dtype & 1);
}
bool ct_dtype_valid(int64_t number);
bool ct_dtype_is_float(ct_dtype dtype);  /* f4 to f64 */
bool ct_dtype_is_int(ct_dtype dtype);    /* 2 to 64 bits, not bool */
bool ct_dtype_is_signed(ct_dtype dtype); /* signed int */
/** Bytes of n elements (packed below 8 bits, rounded up). False on overflow. */
bool ct_dtype_bytes(ct_dtype dtype, size_t n_elems, size_t *size_bytes);
/** Whole bytes of one element; 0 for packed types. */
size_t ct_dtype_elem_bytes(ct_dtype dtype);

/* One value. Rounding is to nearest, ties to even. Float to f8, f6 and f4 saturates as ONNX's Cast does
 * with saturate=1 where the function has no such argument. */
float ct_f16_to_f32(uint16_t bits);
uint16_t ct_f32_to_f16(float x);
static inline float ct_bf16_to_f32(uint16_t bits)
{
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)bits << 16};
    return v.f;
}
uint16_t ct_f32_to_bf16(float x);
/** f16, directly from double: rounding once. */
uint16_t ct_f64_to_f16(double x);
uint16_t ct_f64_to_bf16(double x);
/** Any of CT_FLOATS_NARROW. */
float ct_narrow_to_f32(ct_dtype dtype, uint8_t bits);
uint8_t ct_f32_to_narrow(ct_dtype dtype, float x, bool saturate);

/** How a number between two powers of two becomes an f8e8m0: Cast's round_mode. */
enum ct_e8m0_round {
    CT_E8M0_UP = 0, /* away from zero; what every other conversion here does */
    CT_E8M0_DOWN = 1,
    CT_E8M0_NEAREST = 2 /* ties go up */
};
/** The sign is dropped. Saturating, infinity and what is too large give the largest number, zero
 *  and what is too small the smallest; else they give NaN. */
uint8_t ct_f32_to_e8m0(float x, bool saturate, enum ct_e8m0_round round);

/* Runs of values; the edge of a loop over a narrow type. `first` is the index of the first
 * element from `base`, so that packed types can start inside a byte; stores leave the other
 * elements of that byte alone. Any type but strings and complex numbers; what they read may be
 * unaligned. Floats become integers as in ct_convert. */
void ct_load_f32(ct_dtype dtype, const void *base, size_t first, size_t n, float *to);
void ct_store_f32(ct_dtype dtype, void *base, size_t first, size_t n, const float *from);
/** Floats are exact, 64-bit integers above 2^53 round. */
void ct_load_f64(ct_dtype dtype, const void *base, size_t first, size_t n, double *to);
void ct_store_f64(ct_dtype dtype, void *base, size_t first, size_t n, const double *from);
/** Integers are exact (u64 by its bits). */
void ct_load_i64(ct_dtype dtype, const void *base, size_t first, size_t n, int64_t *to);
/** Keeps the low bits; bool gets x != 0. */
void ct_store_i64(ct_dtype dtype, void *base, size_t first, size_t n, const int64_t *from);

/** Converts as ONNX's Cast does, between any two types but string. `saturate` is Cast's
 *  attribute (f8 targets). Same dtype copies. UNSUPPORTED never happens.
 *  Where ONNX leaves it open: a float outside the integer's range becomes what x86 truncation to
 *  32 bits (to 64 for u32, i64, u64) leaves in the low bits; complex numbers lose their imaginary
 *  part, but for bool; unused bits of a last packed byte are 0. `from` may be unaligned. */
void ct_convert(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from, size_t n_elems,
                bool saturate);
/** The same to f8e8m0, with Cast's round_mode. */
void ct_convert_e8m0(uint8_t *to, ct_dtype from_dtype, const void *from, size_t n_elems,
                     bool saturate, enum ct_e8m0_round round);

/** Moves n elements; handles packed types that start inside a byte. Not for overlapping. */
void ct_copy_elems(ct_dtype dtype, void *to, size_t to_first, const void *from, size_t from_first,
                   size_t n_elems);

#endif

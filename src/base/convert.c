#include "base/loops.h"
#include "base/narrow.h"

#include <string.h>

/* Every conversion goes through float, double or int64_t, whichever holds what both sides need,
 * in blocks that stay in the first-level cache; when one side is that type itself, in one pass. */
enum { BLOCK = 512 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_packed(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_PACKED);
}

static bool goes_through_f32(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_FLOATS_NARROW | CT_BIT(F16) | CT_BIT(BF16));
}

/* ------------------------------------------------------------------ packed types */

/* A group is the least number of elements that fill whole bytes: four of 6 bits, else one byte. */
static unsigned group_bytes(unsigned bits)
{
    return bits == 6 ? 3 : 1;
}

/* The bits of element `index` and those around it, in the one or two bytes where it lies. */
static unsigned bytes_of(const uint8_t *at, unsigned shift, unsigned bits)
{
    return shift + bits > 8 ? at[0] | (unsigned)at[1] << 8 : at[0];
}

static uint8_t get_code(const uint8_t *base, unsigned bits, size_t index)
{
    const unsigned shift = (unsigned)(index * bits % 8), mask = (1u << bits) - 1;
    return (uint8_t)(bytes_of(base + index * bits / 8, shift, bits) >> shift & mask);
}

static void put_code(uint8_t *base, unsigned bits, size_t index, uint8_t code)
{
    const unsigned shift = (unsigned)(index * bits % 8), mask = (1u << bits) - 1;
    uint8_t *at = base + index * bits / 8;
    unsigned word = bytes_of(at, shift, bits);
    word = (word & ~(mask << shift)) | (code & mask) << shift;
    at[0] = (uint8_t)word;
    if (shift + bits > 8)
        at[1] = (uint8_t)(word >> 8);
}

/* Elements first.. of `bits` each as one code a byte. */
static void unpack_bits(const uint8_t *base, unsigned bits, size_t first, size_t n, uint8_t *codes)
{
    const unsigned bytes = group_bytes(bits), group = bytes * 8 / bits, mask = (1u << bits) - 1;
    size_t i = 0;
    for (; i < n && (first + i) % group; i++)
        codes[i] = get_code(base, bits, first + i);
    const uint8_t *whole = base + (first + i) / group * bytes;
    for (; n - i >= group; i += group, whole += bytes) {
        unsigned word = 0;
        for (unsigned k = 0; k < bytes; k++)
            word |= (unsigned)whole[k] << (8 * k);
        for (unsigned k = 0; k < group; k++)
            codes[i + k] = (uint8_t)(word >> (k * bits) & mask);
    }
    for (; i < n; i++)
        codes[i] = get_code(base, bits, first + i);
}

static void pack_bits(uint8_t *base, unsigned bits, size_t first, size_t n, const uint8_t *codes)
{
    const unsigned bytes = group_bytes(bits), group = bytes * 8 / bits, mask = (1u << bits) - 1;
    size_t i = 0;
    for (; i < n && (first + i) % group; i++)
        put_code(base, bits, first + i, codes[i]);
    uint8_t *whole = base + (first + i) / group * bytes;
    for (; n - i >= group; i += group, whole += bytes) {
        unsigned word = 0;
        for (unsigned k = 0; k < group; k++)
            word |= (codes[i + k] & mask) << (k * bits);
        for (unsigned k = 0; k < bytes; k++)
            whole[k] = (uint8_t)(word >> (8 * k));
    }
    for (; i < n; i++)
        put_code(base, bits, first + i, codes[i]);
}

/* Separate calls, so that the number of bits is a constant in the loops. */
static void unpack_codes(ct_dtype dtype, const void *base, size_t first, size_t n, uint8_t *codes)
{
    switch (corten_dtype_bits(dtype)) {
    case 2: unpack_bits(base, 2, first, n, codes); break;
    case 4: unpack_bits(base, 4, first, n, codes); break;
    default: unpack_bits(base, 6, first, n, codes);
    }
    if (ct_dtype_is_signed(dtype)) {
        unsigned sign = dtype == CORTEN_I4 ? 8 : 2;
        for (size_t i = 0; i < n; i++)
            codes[i] = (uint8_t)((codes[i] ^ sign) - sign);
    }
}

static void pack_codes(ct_dtype dtype, void *base, size_t first, size_t n, const uint8_t *codes)
{
    switch (corten_dtype_bits(dtype)) {
    case 2: pack_bits(base, 2, first, n, codes); break;
    case 4: pack_bits(base, 4, first, n, codes); break;
    default: pack_bits(base, 6, first, n, codes);
    }
}

/* The type whose loops convert unpacked codes. */
static ct_dtype code_dtype(ct_dtype dtype)
{
    return ct_dtype_is_float(dtype) ? dtype : ct_dtype_is_signed(dtype) ? CORTEN_I8 : CORTEN_U8;
}

/* ------------------------------------------------------------------ runs */

static const char *at(ct_dtype dtype, const void *base, size_t first)
{
    return (const char *)base + first * ct_dtype_elem_bytes(dtype);
}

static char *at_mutable(ct_dtype dtype, void *base, size_t first)
{
    return (char *)base + first * ct_dtype_elem_bytes(dtype);
}

void ct_load_f32(ct_dtype dtype, const void *base, size_t first, size_t n, float *to)
{
    if (!is_packed(dtype)) {
        ct_loops_of(dtype)->load_f32(at(dtype, base, first), n, to);
        return;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        unpack_codes(dtype, base, first + done, count, codes);
        ct_loops_of(code_dtype(dtype))->load_f32(codes, count, to + done);
    }
}

void ct_store_f32(ct_dtype dtype, void *base, size_t first, size_t n, const float *from)
{
    if (!is_packed(dtype)) {
        ct_loops_of(dtype)->store_f32(at_mutable(dtype, base, first), n, from);
        return;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        ct_loops_of(code_dtype(dtype))->store_f32(codes, count, from + done);
        pack_codes(dtype, base, first + done, count, codes);
    }
}

void ct_load_f64(ct_dtype dtype, const void *base, size_t first, size_t n, double *to)
{
    const struct ct_loops *loops = ct_loops_of(dtype);
    if (loops->load_f64) {
        loops->load_f64(at(dtype, base, first), n, to);
        return;
    }
    float block[BLOCK]; /* exact: the rest are narrow floats and integers */
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        ct_load_f32(dtype, base, first + done, count, block);
        ct_loops_of(CORTEN_F32)->load_f64(block, count, to + done);
    }
}

void ct_store_f64(ct_dtype dtype, void *base, size_t first, size_t n, const double *from)
{
    const struct ct_loops *loops = ct_loops_of(dtype);
    if (loops->store_f64) {
        loops->store_f64(at_mutable(dtype, base, first), n, from);
        return;
    }
    if (goes_through_f32(dtype)) {
        float block[BLOCK];
        for (size_t done = 0; done < n; done += BLOCK) {
            size_t count = least(n - done, BLOCK);
            for (size_t i = 0; i < count; i++) {
                double x;
                memcpy(&x, (const char *)from + (done + i) * sizeof x, sizeof x);
                block[i] = ct_f64_to_f32_odd(x);
            }
            ct_store_f32(dtype, base, first + done, count, block);
        }
        return;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        ct_loops_of(code_dtype(dtype))->store_f64(codes, count, from + done);
        pack_codes(dtype, base, first + done, count, codes);
    }
}

void ct_load_i64(ct_dtype dtype, const void *base, size_t first, size_t n, int64_t *to)
{
    const struct ct_loops *loops = ct_loops_of(dtype);
    if (loops->load_i64) {
        loops->load_i64(at(dtype, base, first), n, to);
        return;
    }
    if (goes_through_f32(dtype)) {
        float block[BLOCK];
        for (size_t done = 0; done < n; done += BLOCK) {
            size_t count = least(n - done, BLOCK);
            ct_load_f32(dtype, base, first + done, count, block);
            ct_loops_of(CORTEN_F32)->load_i64(block, count, to + done);
        }
        return;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        unpack_codes(dtype, base, first + done, count, codes);
        ct_loops_of(code_dtype(dtype))->load_i64(codes, count, to + done);
    }
}

void ct_store_i64(ct_dtype dtype, void *base, size_t first, size_t n, const int64_t *from)
{
    const struct ct_loops *loops = ct_loops_of(dtype);
    if (loops->store_i64) {
        loops->store_i64(at_mutable(dtype, base, first), n, from);
        return;
    }
    if (goes_through_f32(dtype)) {
        float block[BLOCK];
        for (size_t done = 0; done < n; done += BLOCK) {
            size_t count = least(n - done, BLOCK);
            ct_loops_of(CORTEN_F32)->store_i64(block, count, from + done);
            ct_store_f32(dtype, base, first + done, count, block);
        }
        return;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n; done += BLOCK) {
        size_t count = least(n - done, BLOCK);
        ct_loops_of(code_dtype(dtype))->store_i64(codes, count, from + done);
        pack_codes(dtype, base, first + done, count, codes);
    }
}

void ct_copy_elems(ct_dtype dtype, void *to, size_t to_first, const void *from, size_t from_first,
                   size_t n_elems)
{
    if (!n_elems)
        return;
    size_t elem_bytes = ct_dtype_elem_bytes(dtype);
    if (elem_bytes) {
        memcpy((char *)to + to_first * elem_bytes, (const char *)from + from_first * elem_bytes,
               n_elems * elem_bytes);
        return;
    }
    const unsigned bits = (unsigned)corten_dtype_bits(dtype), bytes = group_bytes(bits);
    const size_t group = bytes * 8 / bits;
    if (to_first % group == 0 && from_first % group == 0) {
        size_t whole = n_elems / group;
        memcpy((char *)to + to_first / group * bytes,
               (const char *)from + from_first / group * bytes, whole * bytes);
        to_first += whole * group;
        from_first += whole * group;
        n_elems -= whole * group;
    }
    uint8_t codes[BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        unpack_codes(dtype, from, from_first + done, count, codes);
        pack_codes(dtype, to, to_first + done, count, codes);
    }
}

/* ------------------------------------------------------------------ conversion */

/* Cuts what is behind the last element of a packed type. */
static void clear_unused_bits(ct_dtype dtype, void *to, size_t n_elems)
{
    size_t used_bits = n_elems * corten_dtype_bits(dtype) % 8;
    if (used_bits && is_packed(dtype)) {
        uint8_t *last = (uint8_t *)to + n_elems * corten_dtype_bits(dtype) / 8;
        *last = (uint8_t)(*last & ((1u << used_bits) - 1));
    }
}

/* The type that everything goes through: the narrowest that loses nothing that the result needs. */
static ct_dtype middle_of(ct_dtype to, ct_dtype from)
{
    bool to_integer = ct_dtype_is_int(to) || to == CORTEN_BOOL;
    if (ct_dtype_is_float(from))
        return from == CORTEN_F64 || to == CORTEN_F64 ? CORTEN_F64 : CORTEN_F32;
    if (to_integer)
        return CORTEN_I64;
    return to == CORTEN_F64 ? CORTEN_F64 : CORTEN_F32;
}

static void convert_f32(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from,
                        size_t n_elems)
{
    if (to_dtype == CORTEN_F32) {
        ct_load_f32(from_dtype, from, 0, n_elems, to);
        return;
    }
    if (from_dtype == CORTEN_F32) {
        ct_store_f32(to_dtype, to, 0, n_elems, from);
        return;
    }
    float block[BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        ct_load_f32(from_dtype, from, done, count, block);
        ct_store_f32(to_dtype, to, done, count, block);
    }
}

static void convert_f64(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from,
                        size_t n_elems)
{
    if (to_dtype == CORTEN_F64)
        ct_load_f64(from_dtype, from, 0, n_elems, to);
    else
        ct_store_f64(to_dtype, to, 0, n_elems, from); /* middle_of: from is F64 */
}

static void convert_i64(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from,
                        size_t n_elems)
{
    if (to_dtype == CORTEN_I64) {
        ct_load_i64(from_dtype, from, 0, n_elems, to);
        return;
    }
    if (from_dtype == CORTEN_I64) {
        ct_store_i64(to_dtype, to, 0, n_elems, from);
        return;
    }
    int64_t block[BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        ct_load_i64(from_dtype, from, done, count, block);
        ct_store_i64(to_dtype, to, done, count, block);
    }
}

/* The real parts, or for bool the imaginary ones where those are 0, as double. */
static void load_complex(ct_dtype dtype, const void *from, size_t first, size_t n, bool as_truth,
                         double *to)
{
    ct_dtype part = dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
    double pair[2];
    for (size_t i = 0; i < n; i++) {
        ct_load_f64(part, from, (first + i) * 2, 2, pair);
        to[i] = as_truth && pair[0] == 0 ? pair[1] : pair[0];
    }
}

static void convert_from_complex(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from,
                                 size_t n_elems)
{
    double block[BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        load_complex(from_dtype, from, done, count, to_dtype == CORTEN_BOOL, block);
        ct_store_f64(to_dtype, to, done, count, block);
    }
}

static void convert_to_complex(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from,
                               size_t n_elems)
{
    ct_dtype part = to_dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
    double block[BLOCK], pairs[2 * BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        ct_load_f64(from_dtype, from, done, count, block);
        for (size_t i = 0; i < count; i++) {
            pairs[2 * i] = block[i];
            pairs[2 * i + 1] = 0;
        }
        ct_store_f64(part, to, 2 * done, 2 * count, pairs);
    }
}

/* Not saturating is rare: one element at a time. */
static void convert_unsaturated(ct_dtype to_dtype, uint8_t *to, ct_dtype from_dtype,
                                const void *from, size_t n_elems, enum ct_e8m0_round round,
                                bool saturate)
{
    float block[BLOCK];
    double wide[BLOCK];
    for (size_t done = 0; done < n_elems; done += BLOCK) {
        size_t count = least(n_elems - done, BLOCK);
        if (from_dtype == CORTEN_F64) {
            ct_load_f64(from_dtype, from, done, count, wide);
            for (size_t i = 0; i < count; i++)
                block[i] = ct_f64_to_f32_odd(wide[i]);
        } else {
            ct_load_f32(from_dtype, from, done, count, block);
        }
        for (size_t i = 0; i < count; i++)
            to[done + i] = to_dtype == CORTEN_F8E8M0
                               ? ct_e8m0_encode(block[i], saturate, round)
                               : ct_f32_to_narrow(to_dtype, block[i], saturate);
    }
}

void ct_convert(ct_dtype to_dtype, void *to, ct_dtype from_dtype, const void *from, size_t n_elems,
                bool saturate)
{
    if (!n_elems)
        return;
    bool to_complex = ct_dtype_in(to_dtype, CT_COMPLEX);
    bool from_complex = ct_dtype_in(from_dtype, CT_COMPLEX);
    if (to_dtype == from_dtype)
        ct_copy_elems(to_dtype, to, 0, from, 0, n_elems);
    else if (from_complex && to_complex)
        ct_convert(to_dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64, to,
                   from_dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64, from, 2 * n_elems, saturate);
    else if (from_complex)
        convert_from_complex(to_dtype, to, from_dtype, from, n_elems);
    else if (to_complex)
        convert_to_complex(to_dtype, to, from_dtype, from, n_elems);
    else if (!saturate && ct_dtype_in(to_dtype, CT_F8S))
        convert_unsaturated(to_dtype, to, from_dtype, from, n_elems, CT_E8M0_UP, false);
    else if (middle_of(to_dtype, from_dtype) == CORTEN_F32)
        convert_f32(to_dtype, to, from_dtype, from, n_elems);
    else if (middle_of(to_dtype, from_dtype) == CORTEN_F64)
        convert_f64(to_dtype, to, from_dtype, from, n_elems);
    else
        convert_i64(to_dtype, to, from_dtype, from, n_elems);
    clear_unused_bits(to_dtype, to, n_elems);
}

void ct_convert_e8m0(uint8_t *to, ct_dtype from_dtype, const void *from, size_t n_elems,
                     bool saturate, enum ct_e8m0_round round)
{
    if (from_dtype == CORTEN_F8E8M0 || ct_dtype_in(from_dtype, CT_COMPLEX))
        ct_convert(CORTEN_F8E8M0, to, from_dtype, from, n_elems, saturate);
    else
        convert_unsaturated(CORTEN_F8E8M0, to, from_dtype, from, n_elems, round, saturate);
}

#include "base/dtype.h"

#include "base/memory.h"

struct dtype_row {
    const char *name;
    uint8_t bits;
};

/* By number. */
static const struct dtype_row rows[] = {[CORTEN_DTYPE_NONE] = {"none", 0},
#define CT_X(name, number, bits, text) [number] = {text, bits},
                                        CORTEN_DTYPE_MAP(CT_X)
#undef CT_X
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static const struct dtype_row *row_of(ct_dtype dtype)
{
    return &rows[(unsigned)dtype < ROW_COUNT ? (unsigned)dtype : CORTEN_DTYPE_NONE];
}

const char *corten_dtype_name(corten_dtype dtype)
{
    return row_of(dtype)->name;
}

size_t corten_dtype_bits(corten_dtype dtype)
{
    return row_of(dtype)->bits;
}

bool ct_dtype_valid(int64_t number)
{
    return number > CORTEN_DTYPE_NONE && number < ROW_COUNT;
}

bool ct_dtype_is_float(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_FLOATS | CT_FLOATS_NARROW);
}

bool ct_dtype_is_int(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_INTS_8_64 | CT_INTS_NARROW);
}

bool ct_dtype_is_signed(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_SINTS_8_64 | CT_BIT(I4) | CT_BIT(I2));
}

bool ct_dtype_bytes(ct_dtype dtype, size_t n_elems, size_t *size_bytes)
{
    size_t bits = row_of(dtype)->bits;
    if (bits >= 8)
        return ct_mul_size(n_elems, bits / 8, size_bytes);
    if (!bits) {
        *size_bytes = 0;
        return true;
    }
    /* Eight elements are `bits` bytes. */
    *size_bytes = n_elems / 8 * bits + (n_elems % 8 * bits + 7) / 8;
    return true;
}

size_t ct_dtype_elem_bytes(ct_dtype dtype)
{
    return row_of(dtype)->bits / 8u;
}

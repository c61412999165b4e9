#include "element.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

enum specials {
    IEEE,      /* infinities and NaN in the largest exponent             */
    ONE_NAN,   /* no infinity; all ones is NaN                           */
    NAN_AS_N0, /* no infinity; the pattern of negative zero is NaN       */
    ALL_FINITE /* every pattern is a number                              */
};

struct narrow {
    corten_dtype dtype;
    int exponent_bits, fraction_bits, bias;
    enum specials specials;
};

static const struct narrow narrows[] = {
    {CORTEN_F16, 5, 10, 15, IEEE},        {CORTEN_BF16, 8, 7, 127, IEEE},
    {CORTEN_F8E4M3FN, 4, 3, 7, ONE_NAN},  {CORTEN_F8E4M3FNUZ, 4, 3, 8, NAN_AS_N0},
    {CORTEN_F8E5M2, 5, 2, 15, IEEE},      {CORTEN_F8E5M2FNUZ, 5, 2, 16, NAN_AS_N0},
    {CORTEN_F4E2M1, 2, 1, 1, ALL_FINITE}, {CORTEN_F6E2M3, 2, 3, 1, ALL_FINITE},
    {CORTEN_F6E3M2, 3, 2, 3, ALL_FINITE},
};

static const struct narrow *narrow_of(corten_dtype dtype)
{
    for (size_t i = 0; i < sizeof narrows / sizeof narrows[0]; i++)
        if (narrows[i].dtype == dtype)
            return &narrows[i];
    return NULL;
}

enum ct_cli_class ct_cli_class_of(corten_dtype dtype)
{
    switch (dtype) {
    case CORTEN_F32:
    case CORTEN_F64:
    case CORTEN_F16:
    case CORTEN_BF16:
    case CORTEN_F8E4M3FN:
    case CORTEN_F8E4M3FNUZ:
    case CORTEN_F8E5M2:
    case CORTEN_F8E5M2FNUZ:
    case CORTEN_F4E2M1:
    case CORTEN_F6E2M3:
    case CORTEN_F6E3M2:
    case CORTEN_F8E8M0: return CT_CLI_CLASS_FLOAT;
    case CORTEN_I8:
    case CORTEN_I16:
    case CORTEN_I32:
    case CORTEN_I64:
    case CORTEN_I4:
    case CORTEN_I2: return CT_CLI_CLASS_SIGNED;
    case CORTEN_U8:
    case CORTEN_U16:
    case CORTEN_U32:
    case CORTEN_U64:
    case CORTEN_U4:
    case CORTEN_U2:
    case CORTEN_BOOL: return CT_CLI_CLASS_UNSIGNED;
    case CORTEN_C64:
    case CORTEN_C128: return CT_CLI_CLASS_COMPLEX;
    case CORTEN_STRING: return CT_CLI_CLASS_STRING;
    case CORTEN_DTYPE_NONE: break;
    }
    return CT_CLI_CLASS_NONE;
}

void ct_cli_integer_range(corten_dtype dtype, int64_t *least, int64_t *most)
{
    size_t bits = dtype == CORTEN_BOOL ? 1 : corten_dtype_bits(dtype);
    bool is_signed = ct_cli_class_of(dtype) == CT_CLI_CLASS_SIGNED;
    if (is_signed)
        bits--;
    *most = bits >= 63 ? INT64_MAX : (int64_t)((UINT64_C(1) << bits) - 1);
    *least = is_signed ? -*most - 1 : 0;
}

uint64_t ct_cli_element_bits(corten_dtype dtype, const void *data, size_t index)
{
    size_t bits = corten_dtype_bits(dtype);
    const unsigned char *bytes = data;
    uint64_t value = 0;
    if (bits < 8) {
        unsigned shift = (unsigned)(index * bits % 8);
        unsigned word = bytes[index * bits / 8];
        if (shift + bits > 8)
            word |= (unsigned)bytes[index * bits / 8 + 1] << 8;
        return (uint64_t)(word >> shift) & ((1u << bits) - 1u);
    }
    /* Little endian, as the library's one platform is. */
    memcpy(&value, bytes + index * (bits / 8), bits / 8 < 8 ? bits / 8 : 8);
    return value;
}

void ct_cli_element_set_bits(corten_dtype dtype, void *data, size_t index, uint64_t value)
{
    size_t bits = corten_dtype_bits(dtype);
    unsigned char *bytes = data;
    if (bits < 8) {
        unsigned shift = (unsigned)(index * bits % 8);
        unsigned mask = ((1u << bits) - 1u) << shift;
        unsigned word = (unsigned)value << shift & mask;
        unsigned char *byte = &bytes[index * bits / 8];
        byte[0] = (unsigned char)((byte[0] & ~mask) | word);
        if (shift + bits > 8)
            byte[1] = (unsigned char)((byte[1] & ~(mask >> 8)) | word >> 8);
        return;
    }
    memcpy(bytes + index * (bits / 8), &value, bits / 8 < 8 ? bits / 8 : 8);
}

static double decode_narrow(const struct narrow *type, uint64_t bits)
{
    int sign_shift = type->exponent_bits + type->fraction_bits;
    int exponent_most = (1 << type->exponent_bits) - 1;
    int fraction_most = (1 << type->fraction_bits) - 1;
    int exponent = (int)(bits >> type->fraction_bits) & exponent_most;
    int fraction = (int)bits & fraction_most;
    bool negative = (bits >> sign_shift & 1) != 0;
    if (type->specials == IEEE && exponent == exponent_most) {
        if (fraction != 0)
            return (double)NAN;
        return negative ? -(double)INFINITY : (double)INFINITY;
    }
    if (type->specials == ONE_NAN && exponent == exponent_most && fraction == fraction_most)
        return (double)NAN;
    if (type->specials == NAN_AS_N0 && negative && exponent == 0 && fraction == 0)
        return (double)NAN;
    int digits = exponent > 0 ? fraction + fraction_most + 1 : fraction;
    int power = (exponent > 0 ? exponent : 1) - type->bias - type->fraction_bits;
    double magnitude = ldexp((double)digits, power);
    return negative ? -magnitude : magnitude;
}

/* Bits of the largest finite number, without the sign. */
static uint64_t largest_of(const struct narrow *type)
{
    uint64_t all = (UINT64_C(1) << (type->exponent_bits + type->fraction_bits)) - 1;
    if (type->specials == IEEE)
        return all - (UINT64_C(1) << type->fraction_bits);
    return type->specials == ONE_NAN ? all - 1 : all;
}

static uint64_t encode_narrow(const struct narrow *type, double value)
{
    int power = 0;
    frexp(value, &power);
    /* frexp gives a fraction in [0.5, 1): the exponent of the leading bit is one less. */
    int exponent = power - 1 + type->bias;
    if (value == 0.0 || exponent < 1)
        exponent = 1;
    double digits = nearbyint(ldexp(fabs(value), type->fraction_bits + type->bias - exponent));
    uint64_t bits = largest_of(type);
    /* Digits carry into the exponent by themselves, from subnormal to normal too. */
    if (digits < ldexp(1.0, type->fraction_bits + 2)) {
        uint64_t sum = ((uint64_t)(exponent - 1) << type->fraction_bits) + (uint64_t)digits;
        if (sum < bits)
            bits = sum;
    }
    bool sign = signbit(value) && !(type->specials == NAN_AS_N0 && bits == 0);
    return bits | (uint64_t)sign << (type->exponent_bits + type->fraction_bits);
}

double ct_cli_element_real(corten_dtype dtype, const void *data, size_t index)
{
    float single;
    double number;
    const struct narrow *type;
    const char *bytes = data;
    uint64_t bits;
    switch (ct_cli_class_of(dtype)) {
    case CT_CLI_CLASS_FLOAT:
        if (dtype == CORTEN_F32) {
            memcpy(&single, bytes + index * sizeof single, sizeof single);
            return (double)single;
        }
        if (dtype == CORTEN_F64) {
            memcpy(&number, bytes + index * sizeof number, sizeof number);
            return number;
        }
        bits = ct_cli_element_bits(dtype, data, index);
        if (dtype == CORTEN_F8E8M0)
            return bits == 0xFF ? (double)NAN : ldexp(1.0, (int)bits - 127);
        type = narrow_of(dtype);
        return type ? decode_narrow(type, bits) : 0.0;
    case CT_CLI_CLASS_UNSIGNED: return (double)ct_cli_element_bits(dtype, data, index);
    case CT_CLI_CLASS_SIGNED: {
        unsigned unused = (unsigned)(64 - corten_dtype_bits(dtype));
        bits = ct_cli_element_bits(dtype, data, index) << unused;
        return (double)((int64_t)bits >> unused);
    }
    case CT_CLI_CLASS_COMPLEX:
        return ct_cli_element_real(dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64, data, 2 * index);
    case CT_CLI_CLASS_STRING:
    case CT_CLI_CLASS_NONE: break;
    }
    return 0.0;
}

double ct_cli_element_imaginary(corten_dtype dtype, const void *data, size_t index)
{
    if (ct_cli_class_of(dtype) != CT_CLI_CLASS_COMPLEX)
        return 0.0;
    corten_dtype part = dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
    return ct_cli_element_real(part, data, 2 * index + 1);
}

static void set_integer(corten_dtype dtype, void *data, size_t index, double value)
{
    int64_t least = 0;
    int64_t most = 0;
    ct_cli_integer_range(dtype, &least, &most);
    int64_t integer = least;
    if (value >= (double)most)
        integer = most;
    else if (value > (double)least)
        integer = (int64_t)nearbyint(value);
    ct_cli_element_set_bits(dtype, data, index, (uint64_t)integer);
}

void ct_cli_element_set_real(corten_dtype dtype, void *data, size_t index, double value)
{
    float single = (float)value;
    const struct narrow *type = narrow_of(dtype);
    char *bytes = data;
    switch (ct_cli_class_of(dtype)) {
    case CT_CLI_CLASS_FLOAT:
        if (dtype == CORTEN_F32) {
            memcpy(bytes + index * sizeof single, &single, sizeof single);
        } else if (dtype == CORTEN_F64) {
            memcpy(bytes + index * sizeof value, &value, sizeof value);
        } else if (type) {
            ct_cli_element_set_bits(dtype, data, index, encode_narrow(type, value));
        } else {
            /* E8M0 holds powers of two only. */
            double power = value == 0.0 ? -127.0 : nearbyint(log2(fabs(value)));
            power = fmin(fmax(power, -127.0), 127.0);
            ct_cli_element_set_bits(dtype, data, index, (uint64_t)(power + 127.0));
        }
        return;
    case CT_CLI_CLASS_SIGNED:
    case CT_CLI_CLASS_UNSIGNED: set_integer(dtype, data, index, value); return;
    case CT_CLI_CLASS_COMPLEX: {
        corten_dtype part = dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64;
        ct_cli_element_set_real(part, data, 2 * index, value);
        ct_cli_element_set_real(part, data, 2 * index + 1, 0.0);
        return;
    }
    case CT_CLI_CLASS_STRING:
    case CT_CLI_CLASS_NONE: return;
    }
}

void ct_cli_element_set_imaginary(corten_dtype dtype, void *data, size_t index, double value)
{
    if (ct_cli_class_of(dtype) == CT_CLI_CLASS_COMPLEX)
        ct_cli_element_set_real(dtype == CORTEN_C64 ? CORTEN_F32 : CORTEN_F64, data, 2 * index + 1,
                                value);
}

static void real_text(corten_dtype dtype, double value, char *out, size_t size_bytes)
{
    if (!isfinite(value)) {
        snprintf(out, size_bytes, "%s", isnan(value) ? "nan" : value > 0.0 ? "inf" : "-inf");
        return;
    }
    bool is_double = dtype == CORTEN_F64 || dtype == CORTEN_C128;
    int most = is_double ? 17 : 9;
    for (int digits = is_double ? 15 : 6; digits <= most; digits++) {
        snprintf(out, size_bytes, "%.*g", digits, value);
        double back = 0.0;
        if (!ct_cli_parse_real(out, &back))
            continue;
        if (is_double ? back == value : (float)back == (float)value)
            return;
    }
}

static void string_text(const corten_string *string, char *out, size_t size_bytes)
{
    size_t used = 0;
    out[used++] = '"';
    for (size_t i = 0; i < string->size_bytes; i++) {
        unsigned char c = (unsigned char)string->data[i];
        if (used + 9 > size_bytes) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (c == '"' || c == '\\') {
            out[used++] = '\\';
            out[used++] = (char)c;
        } else if (c < 0x20 || c == 0x7F) {
            used += (size_t)snprintf(out + used, size_bytes - used, "\\x%02x", c);
        } else {
            out[used++] = (char)c;
        }
    }
    out[used++] = '"';
    out[used] = '\0';
}

const char *ct_cli_element_text(corten_dtype dtype, const void *data, size_t index, char *out)
{
    size_t size = CT_CLI_ELEMENT_TEXT_SIZE;
    char imaginary[CT_CLI_ELEMENT_TEXT_SIZE / 2];
    uint64_t bits;
    out[0] = '\0';
    switch (ct_cli_class_of(dtype)) {
    case CT_CLI_CLASS_FLOAT:
        real_text(dtype, ct_cli_element_real(dtype, data, index), out, size);
        break;
    case CT_CLI_CLASS_SIGNED: {
        unsigned unused = (unsigned)(64 - corten_dtype_bits(dtype));
        bits = ct_cli_element_bits(dtype, data, index) << unused;
        snprintf(out, size, "%lld", (long long)((int64_t)bits >> unused));
        break;
    }
    case CT_CLI_CLASS_UNSIGNED:
        bits = ct_cli_element_bits(dtype, data, index);
        if (dtype == CORTEN_BOOL)
            snprintf(out, size, "%s", bits ? "true" : "false");
        else
            snprintf(out, size, "%llu", (unsigned long long)bits);
        break;
    case CT_CLI_CLASS_COMPLEX:
        real_text(dtype, ct_cli_element_real(dtype, data, index), out, size / 2);
        real_text(dtype, ct_cli_element_imaginary(dtype, data, index), imaginary, sizeof imaginary);
        snprintf(out + strlen(out), size - strlen(out), "%s%sj", imaginary[0] == '-' ? "" : "+",
                 imaginary);
        break;
    case CT_CLI_CLASS_STRING: string_text((const corten_string *)data + index, out, size); break;
    case CT_CLI_CLASS_NONE: break;
    }
    return out;
}

const char *ct_cli_index_text(const corten_value *tensor, size_t index, char *out)
{
    int rank = corten_tensor_rank(tensor);
    const int64_t *dims = corten_tensor_dims(tensor);
    int64_t places[CORTEN_MAX_RANK] = {0};
    for (int i = rank - 1; i >= 0; i--) {
        size_t dim = dims[i] > 0 ? (size_t)dims[i] : 1;
        places[i] = (int64_t)(index % dim);
        index /= dim;
    }
    return ct_cli_shape_text(out, rank, places, NULL);
}

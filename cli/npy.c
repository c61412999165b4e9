#include "npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "npy_header.h"
#include "text.h"
#include "utf8.h"

/* Element types that NumPy has a name for. */
static const struct {
    char kind;
    size_t item_size_bytes;
    corten_dtype dtype;
    const char *descr;
} named[] = {
    {'b', 1, CORTEN_BOOL, "|b1"}, {'i', 1, CORTEN_I8, "|i1"},     {'i', 2, CORTEN_I16, "<i2"},
    {'i', 4, CORTEN_I32, "<i4"},  {'i', 8, CORTEN_I64, "<i8"},    {'u', 1, CORTEN_U8, "|u1"},
    {'u', 2, CORTEN_U16, "<u2"},  {'u', 4, CORTEN_U32, "<u4"},    {'u', 8, CORTEN_U64, "<u8"},
    {'f', 2, CORTEN_F16, "<f2"},  {'f', 4, CORTEN_F32, "<f4"},    {'f', 8, CORTEN_F64, "<f8"},
    {'c', 8, CORTEN_C64, "<c8"},  {'c', 16, CORTEN_C128, "<c16"},
};

enum { NAMED_COUNT = sizeof named / sizeof named[0] };

static bool is_narrow(corten_dtype dtype)
{
    for (size_t i = 0; i < NAMED_COUNT; i++)
        if (named[i].dtype == dtype)
            return false;
    return dtype != CORTEN_DTYPE_NONE && dtype != CORTEN_STRING;
}

/* Bytes of one element in a file, where nothing is packed. */
static size_t file_item_bytes(corten_dtype dtype)
{
    return (corten_dtype_bits(dtype) + 7) / 8;
}

static corten_status resolve_dtype(const struct ct_cli_npy_header *header, corten_dtype declared,
                                   corten_dtype *dtype, corten_error *error)
{
    size_t size = header->item_size_bytes;
    bool bytes = size == 1 && (header->kind == 'i' || header->kind == 'u');
    *dtype = CORTEN_DTYPE_NONE;
    if (header->kind == 'U' || header->kind == 'S') {
        *dtype = CORTEN_STRING;
    } else if (header->kind == 'V' || (header->kind == 'f' && size == 1)) {
        if (is_narrow(declared) && file_item_bytes(declared) == size)
            *dtype = declared;
        else if (size == 2)
            *dtype = CORTEN_BF16;
        else if (header->kind == 'f')
            *dtype = CORTEN_F8E5M2; /* What ml_dtypes calls "<f1". */
        else if (size == 1)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "npy elements of type 'V1' are raw bytes, and the model's %s does "
                               "not say what they mean",
                               corten_dtype_name(declared));
    } else if (bytes && corten_dtype_bits(declared) < 8 && is_narrow(declared)) {
        *dtype = declared;
    } else {
        for (size_t i = 0; i < NAMED_COUNT; i++)
            if (named[i].kind == header->kind && named[i].item_size_bytes == size)
                *dtype = named[i].dtype;
    }
    if (*dtype == CORTEN_DTYPE_NONE)
        return ct_cli_fail(error, CORTEN_UNSUPPORTED, "npy element type '%c%zu' is not supported",
                           header->kind, size);
    return CORTEN_OK;
}

static void swap_bytes(unsigned char *data, size_t size_bytes, size_t unit_bytes)
{
    for (size_t i = 0; i + unit_bytes <= size_bytes; i += unit_bytes) {
        for (size_t j = 0; j < unit_bytes / 2; j++) {
            unsigned char low = data[i + j];
            data[i + j] = data[i + unit_bytes - 1 - j];
            data[i + unit_bytes - 1 - j] = low;
        }
    }
}

/* From first-fastest to last-fastest order. The place in the source of the element that the
 * odometer `index` shows is kept by addition only. */
static void reorder(const struct ct_cli_npy_header *header, const unsigned char *from,
                    unsigned char *to)
{
    size_t item = header->item_size_bytes;
    size_t strides[CORTEN_MAX_RANK];
    int64_t index[CORTEN_MAX_RANK] = {0};
    size_t stride = item;
    for (int i = 0; i < header->rank; i++) {
        strides[i] = stride;
        stride *= (size_t)header->dims[i];
    }
    size_t source = 0;
    for (size_t n = 0; n < header->n_elems; n++) {
        memcpy(to + n * item, from + source, item);
        for (int i = header->rank - 1; i >= 0; i--) {
            source += strides[i];
            if (++index[i] < header->dims[i])
                break;
            source -= strides[i] * (size_t)header->dims[i];
            index[i] = 0;
        }
    }
}

/* One fixed-size field of code points as UTF-8; returns false if a code point is not one. */
static bool field_to_utf8(const unsigned char *field, size_t size_bytes, char *out,
                          size_t *out_bytes)
{
    size_t count = size_bytes / 4;
    uint32_t point = 0;
    for (; count > 0; count--) {
        memcpy(&point, field + 4 * (count - 1), 4);
        if (point != 0)
            break;
    }
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(&point, field + 4 * i, 4);
        size_t size = ct_cli_utf8_encode(point, out + used);
        if (size == 0)
            return false;
        used += size;
    }
    *out_bytes = used;
    return true;
}

static corten_status set_strings(const struct ct_cli_npy_header *header, const unsigned char *data,
                                 corten_value *tensor, corten_error *error)
{
    size_t item = header->item_size_bytes;
    corten_string *strings = calloc(header->n_elems + 1, sizeof *strings);
    /* UTF-8 takes at most the four bytes of the code point in the file. */
    char *text = malloc(header->data_size_bytes + 1);
    corten_status status = strings && text ? CORTEN_OK : ct_cli_no_memory(error, "strings");
    for (size_t i = 0; i < header->n_elems && status == CORTEN_OK; i++) {
        const unsigned char *field = data + i * item;
        char *out = text + i * item;
        size_t size = item;
        if (header->kind == 'S') {
            while (size > 0 && field[size - 1] == 0)
                size--;
            memcpy(out, field, size);
        } else if (!field_to_utf8(field, item, out, &size)) {
            status = ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                                 "npy string %zu has a number that is no code point", i);
        }
        strings[i] = (corten_string){out, size};
    }
    if (status == CORTEN_OK)
        status = corten_tensor_set_strings(tensor, strings, header->n_elems, error);
    free(strings);
    free(text);
    return status;
}

/* Elements of one byte each into a type below 8 bits. */
static corten_status pack(const struct ct_cli_npy_header *header, corten_dtype dtype,
                          const unsigned char *data, corten_value *tensor, corten_error *error)
{
    unsigned bits = (unsigned)corten_dtype_bits(dtype);
    int64_t least = 0;
    int64_t most = (1 << bits) - 1;
    void *to = corten_tensor_data(tensor);
    if (ct_cli_class_of(dtype) != CT_CLI_CLASS_FLOAT)
        ct_cli_integer_range(dtype, &least, &most);
    for (size_t i = 0; i < header->n_elems; i++) {
        int value = header->kind == 'u' || least == 0 ? data[i] : (signed char)data[i];
        /* Raw elements may have their upper bits set or clear: the low bits count. */
        if (header->kind != 'V' && (value < least || value > most))
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "npy element %zu is %d, expected %lld to %lld for %s", i, value,
                               (long long)least, (long long)most, corten_dtype_name(dtype));
        ct_cli_element_set_bits(dtype, to, i, data[i]);
    }
    return CORTEN_OK;
}

static corten_status place(const struct ct_cli_npy_header *header, corten_dtype dtype,
                           unsigned char *data, corten_value *tensor, corten_error *error)
{
    if (header->big_endian && header->item_size_bytes > 1) {
        size_t unit = header->item_size_bytes;
        if (header->kind == 'c')
            unit /= 2;
        if (header->kind == 'U')
            unit = 4;
        if (header->kind != 'S')
            swap_bytes(data, header->data_size_bytes, unit);
    }
    if (dtype == CORTEN_STRING)
        return set_strings(header, data, tensor, error);
    if (corten_dtype_bits(dtype) < 8)
        return pack(header, dtype, data, tensor, error);
    if (dtype == CORTEN_BOOL)
        for (size_t i = 0; i < header->n_elems; i++)
            data[i] = data[i] != 0;
    unsigned char *to = corten_tensor_data(tensor);
    if (to != data && header->data_size_bytes > 0)
        memcpy(to, data, header->data_size_bytes);
    return CORTEN_OK;
}

static corten_status reordered(const struct ct_cli_npy_header *header, unsigned char **data,
                               corten_error *error)
{
    unsigned char *ordered = malloc(header->data_size_bytes + 1);
    if (!ordered)
        return ct_cli_no_memory(error, "an npy array");
    reorder(header, *data, ordered);
    free(*data);
    *data = ordered;
    return CORTEN_OK;
}

static corten_status read_elements(const struct ct_cli_reader *reader,
                                   const struct ct_cli_npy_header *header, corten_dtype dtype,
                                   corten_value *tensor, corten_error *error)
{
    bool transposed = header->fortran && header->rank > 1;
    /* Most arrays are read straight into their tensor. */
    if (dtype != CORTEN_STRING && corten_dtype_bits(dtype) >= 8 && !transposed) {
        unsigned char *data = corten_tensor_data(tensor);
        CT_CLI_TRY(ct_cli_read_all(reader, data, header->data_size_bytes, "npy data", error));
        return place(header, dtype, data, tensor, error);
    }
    unsigned char *data = malloc(header->data_size_bytes + 1);
    if (!data)
        return ct_cli_no_memory(error, "an npy array");
    corten_status status =
        ct_cli_read_all(reader, data, header->data_size_bytes, "npy data", error);
    if (status == CORTEN_OK && transposed)
        status = reordered(header, &data, error);
    if (status == CORTEN_OK)
        status = place(header, dtype, data, tensor, error);
    free(data);
    return status;
}

static corten_status read_header(const struct ct_cli_reader *reader,
                                 struct ct_cli_npy_header *header, corten_error *error)
{
    unsigned char prefix[CT_CLI_NPY_PREFIX_SIZE];
    size_t size = 0;
    CT_CLI_TRY(ct_cli_read_all(reader, prefix, sizeof prefix, "the npy header", error));
    CT_CLI_TRY(ct_cli_npy_header_size(prefix, &size, error));
    unsigned char *bytes = malloc(size);
    if (!bytes)
        return ct_cli_no_memory(error, "an npy header");
    memcpy(bytes, prefix, sizeof prefix);
    corten_status status = ct_cli_read_all(reader, bytes + sizeof prefix, size - sizeof prefix,
                                           "the npy header", error);
    if (status == CORTEN_OK)
        status = ct_cli_npy_header_parse(bytes, size, header, error);
    free(bytes);
    uint64_t left = reader->size_bytes > size ? reader->size_bytes - size : 0;
    if (status == CORTEN_OK && header->data_size_bytes > left)
        status = ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                             "npy array of %zu bytes, more than the %llu that follow its header",
                             header->data_size_bytes, (unsigned long long)left);
    return status;
}

corten_status ct_cli_npy_read(const struct ct_cli_reader *reader, corten_dtype declared,
                              corten_value **tensor, corten_error *error)
{
    struct ct_cli_npy_header header;
    corten_dtype dtype = CORTEN_DTYPE_NONE;
    corten_value *value = NULL;
    CT_CLI_TRY(read_header(reader, &header, error));
    CT_CLI_TRY(resolve_dtype(&header, declared, &dtype, error));
    CT_CLI_TRY(corten_tensor_create(NULL, dtype, header.rank, header.dims, &value, error));
    corten_status status = read_elements(reader, &header, dtype, value, error);

    /* The end is read too: that is where a zip file checks its sum. */
    char extra = 0;
    size_t got = 0;
    if (status == CORTEN_OK)
        status = reader->read(reader->source, &extra, 1, &got, error);
    if (status == CORTEN_OK && got > 0)
        status = ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                             "npy array is followed by more bytes than its shape needs");
    if (status != CORTEN_OK) {
        corten_value_destroy(value);
        return status;
    }
    *tensor = value;
    return CORTEN_OK;
}

/* Longest string in code points, 0 if one of them is not UTF-8 (or holds a zero, which NumPy
 * would cut); `*most_bytes` is the longest in bytes. */
static size_t longest_string(const corten_string *strings, size_t count, size_t *most_bytes)
{
    size_t most = 1;
    bool valid = true;
    *most_bytes = 1;
    for (size_t i = 0; i < count; i++) {
        size_t points = 0;
        if (strings[i].size_bytes > *most_bytes)
            *most_bytes = strings[i].size_bytes;
        for (size_t at = 0; at < strings[i].size_bytes && valid; points++) {
            uint32_t point = 0;
            size_t size =
                ct_cli_utf8_decode(strings[i].data + at, strings[i].size_bytes - at, &point);
            valid = size > 0;
            at += size;
        }
        if (points > most)
            most = points;
    }
    return valid ? most : 0;
}

/* Strings as fields of one size: code points, or bytes where they are not UTF-8. */
static corten_status write_strings(const corten_value *tensor, struct ct_cli_npy_bytes *bytes,
                                   char *descr, size_t descr_size, corten_error *error)
{
    const corten_string *strings = corten_tensor_const_data(tensor);
    size_t count = corten_tensor_element_count(tensor);
    size_t most_bytes = 0;
    size_t points = longest_string(strings, count, &most_bytes);
    size_t item = points > 0 ? 4 * points : most_bytes;
    size_t total = 0;
    if (__builtin_mul_overflow(item, count, &total))
        return ct_cli_no_memory(error, "strings");
    unsigned char *fields = calloc(total + 1, 1);
    if (!fields)
        return ct_cli_no_memory(error, "strings");
    for (size_t i = 0; i < count; i++) {
        unsigned char *field = fields + i * item;
        if (points == 0) {
            if (strings[i].size_bytes > 0)
                memcpy(field, strings[i].data, strings[i].size_bytes);
            continue;
        }
        for (size_t at = 0; at < strings[i].size_bytes; field += 4) {
            uint32_t point = 0;
            at += ct_cli_utf8_decode(strings[i].data + at, strings[i].size_bytes - at, &point);
            memcpy(field, &point, 4);
        }
    }
    snprintf(descr, descr_size, "%s%zu", points > 0 ? "<U" : "|S",
             points > 0 ? points : most_bytes);
    bytes->owned = fields;
    bytes->body = fields;
    bytes->body_bytes = total;
    return CORTEN_OK;
}

static corten_status write_narrow(const corten_value *tensor, struct ct_cli_npy_bytes *bytes,
                                  corten_error *error)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    size_t count = corten_tensor_element_count(tensor);
    const void *data = corten_tensor_const_data(tensor);
    unsigned char *unpacked = malloc(count + 1);
    if (!unpacked)
        return ct_cli_no_memory(error, "an npy array");
    /* Signed elements are extended, as ml_dtypes holds them. */
    bool is_signed = ct_cli_class_of(dtype) == CT_CLI_CLASS_SIGNED;
    for (size_t i = 0; i < count; i++)
        unpacked[i] = is_signed ? (unsigned char)(int)ct_cli_element_real(dtype, data, i)
                                : (unsigned char)ct_cli_element_bits(dtype, data, i);
    bytes->owned = unpacked;
    bytes->body = unpacked;
    bytes->body_bytes = count;
    return CORTEN_OK;
}

corten_status ct_cli_npy_write(const corten_value *tensor, struct ct_cli_npy_bytes *bytes,
                               corten_error *error)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    struct ct_cli_npy_bytes made = {.body = corten_tensor_const_data(tensor),
                                    .body_bytes = corten_tensor_size_bytes(tensor)};
    char descr[32];
    corten_status status = CORTEN_OK;
    snprintf(descr, sizeof descr, "|V%zu", file_item_bytes(dtype));
    for (size_t i = 0; i < NAMED_COUNT; i++)
        if (named[i].dtype == dtype)
            snprintf(descr, sizeof descr, "%s", named[i].descr);
    if (dtype == CORTEN_STRING)
        status = write_strings(tensor, &made, descr, sizeof descr, error);
    else if (corten_dtype_bits(dtype) < 8)
        status = write_narrow(tensor, &made, error);
    if (status == CORTEN_OK)
        status =
            ct_cli_npy_header_make(descr, corten_tensor_rank(tensor), corten_tensor_dims(tensor),
                                   &made.head, &made.head_bytes, error);
    if (status != CORTEN_OK) {
        ct_cli_npy_bytes_deinit(&made);
        return status;
    }
    *bytes = made;
    return CORTEN_OK;
}

void ct_cli_npy_bytes_deinit(struct ct_cli_npy_bytes *bytes)
{
    free(bytes->head);
    free(bytes->owned);
    *bytes = (struct ct_cli_npy_bytes){.head = NULL};
}

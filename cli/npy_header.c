#include "npy_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

/* Reads the dictionary from `at` to `end`. */
struct cursor {
    const char *at, *end;
};

corten_status ct_cli_npy_header_size(const unsigned char *prefix, size_t *size_bytes,
                                     corten_error *error)
{
    if (memcmp(prefix, magic, sizeof magic) != 0)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "not an npy array: no magic string");
    int version = prefix[6];
    size_t size = 0;
    if (version == 1) {
        size = 10 + (size_t)(prefix[8] | prefix[9] << 8);
    } else if (version == 2 || version == 3) {
        uint32_t length = (uint32_t)prefix[8] | (uint32_t)prefix[9] << 8 |
                          (uint32_t)prefix[10] << 16 | (uint32_t)prefix[11] << 24;
        size = CT_CLI_NPY_PREFIX_SIZE + (size_t)length;
    } else {
        return ct_cli_fail(error, CORTEN_UNSUPPORTED, "npy format version %d, expected 1 to 3",
                           version);
    }
    if (size < CT_CLI_NPY_PREFIX_SIZE || size > CT_CLI_NPY_HEADER_SIZE_MAX)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "npy header of %zu bytes, expected %d to %d", size,
                           CT_CLI_NPY_PREFIX_SIZE, CT_CLI_NPY_HEADER_SIZE_MAX);
    *size_bytes = size;
    return CORTEN_OK;
}

static corten_status malformed(const struct cursor *cursor, const char *expected,
                               corten_error *error)
{
    size_t left = (size_t)(cursor->end - cursor->at);
    return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "npy header: expected %s before '%.*s'",
                       expected, (int)(left < 24 ? left : 24), cursor->at);
}

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at) && *cursor->at != '\0')
        cursor->at++;
}

static bool take(struct cursor *cursor, const char *word)
{
    skip_space(cursor);
    size_t size = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, word, size) != 0)
        return false;
    cursor->at += size;
    return true;
}

/* A quoted string without escapes: no key and no descr has one. */
static corten_status parse_string(struct cursor *cursor, char *out, size_t out_size,
                                  corten_error *error)
{
    skip_space(cursor);
    if (cursor->at == cursor->end || (*cursor->at != '\'' && *cursor->at != '"'))
        return malformed(cursor, "a string", error);
    char quote = *cursor->at++;
    const char *end = memchr(cursor->at, quote, (size_t)(cursor->end - cursor->at));
    size_t size = end ? (size_t)(end - cursor->at) : 0;
    if (!end || size >= out_size || memchr(cursor->at, '\\', size) || memchr(cursor->at, 0, size))
        return malformed(cursor, "a short string", error);
    memcpy(out, cursor->at, size);
    out[size] = '\0';
    cursor->at = end + 1;
    return CORTEN_OK;
}

static corten_status parse_descr(struct cursor *cursor, struct ct_cli_npy_header *header,
                                 corten_error *error)
{
    skip_space(cursor);
    if (cursor->at < cursor->end && *cursor->at == '[')
        return ct_cli_fail(error, CORTEN_UNSUPPORTED,
                           "npy array of records, expected one of plain elements");
    char descr[24];
    CT_CLI_TRY(parse_string(cursor, descr, sizeof descr, error));
    const char *text = descr;
    header->big_endian = text[0] == '>';
    if (text[0] != '\0' && strchr("<>|=", text[0]))
        text++;
    header->kind = text[0];
    if (text[0] == 'O')
        return ct_cli_fail(error, CORTEN_UNSUPPORTED,
                           "npy array of Python objects, expected numbers or fixed-size strings");
    int64_t size = 0;
    bool known = text[0] != '\0' && strchr("biufcSUV", text[0]) && text[1] >= '0' && text[1] <= '9';
    if (!known || !ct_cli_parse_int(text + 1, &size) || size < 0 || size > INT32_MAX)
        return ct_cli_fail(error, CORTEN_UNSUPPORTED, "npy element type '%s' is not known", descr);
    header->item_size_bytes = (size_t)size * (header->kind == 'U' ? 4 : 1);
    return CORTEN_OK;
}

static corten_status parse_shape(struct cursor *cursor, struct ct_cli_npy_header *header,
                                 corten_error *error)
{
    if (!take(cursor, "("))
        return malformed(cursor, "a tuple", error);
    header->rank = 0;
    while (!take(cursor, ")")) {
        char digits[24];
        size_t size = 0;
        while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9' &&
               size + 1 < sizeof digits)
            digits[size++] = *cursor->at++;
        digits[size] = '\0';
        if (header->rank == CORTEN_MAX_RANK)
            return ct_cli_fail(error, CORTEN_UNSUPPORTED, "npy array of more than %d dimensions",
                               CORTEN_MAX_RANK);
        /* A leading zero would make a number octal. */
        const char *number = digits;
        while (number[0] == '0' && number[1] != '\0')
            number++;
        if (size == 0 || !ct_cli_parse_int(number, &header->dims[header->rank]))
            return malformed(cursor, "a dimension", error);
        header->rank++;
        take(cursor, "L"); /* Python 2 wrote long integers so. */
        if (!take(cursor, ",")) {
            if (!take(cursor, ")"))
                return malformed(cursor, "')'", error);
            return CORTEN_OK;
        }
    }
    return CORTEN_OK;
}

static corten_status parse_dictionary(struct cursor *cursor, struct ct_cli_npy_header *header,
                                      corten_error *error)
{
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    if (!take(cursor, "{"))
        return malformed(cursor, "'{'", error);
    while (!take(cursor, "}")) {
        char key[24];
        CT_CLI_TRY(parse_string(cursor, key, sizeof key, error));
        if (!take(cursor, ":"))
            return malformed(cursor, "':'", error);
        if (strcmp(key, "descr") == 0) {
            CT_CLI_TRY(parse_descr(cursor, header, error));
            has_descr = true;
        } else if (strcmp(key, "shape") == 0) {
            CT_CLI_TRY(parse_shape(cursor, header, error));
            has_shape = true;
        } else if (strcmp(key, "fortran_order") == 0) {
            header->fortran = take(cursor, "True");
            if (!header->fortran && !take(cursor, "False"))
                return malformed(cursor, "True or False", error);
            has_order = true;
        } else {
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "npy header: unknown key '%s'", key);
        }
        if (!take(cursor, ",")) {
            if (!take(cursor, "}"))
                return malformed(cursor, "'}'", error);
            break;
        }
    }
    if (!has_descr || !has_order || !has_shape)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "npy header: no '%s'",
                           !has_descr   ? "descr"
                           : !has_order ? "fortran_order"
                                        : "shape");
    return CORTEN_OK;
}

corten_status ct_cli_npy_header_parse(const unsigned char *bytes, size_t size_bytes,
                                      struct ct_cli_npy_header *header, corten_error *error)
{
    struct ct_cli_npy_header parsed = {.kind = 0};
    size_t start = bytes[6] == 1 ? 10 : CT_CLI_NPY_PREFIX_SIZE;
    if (size_bytes < start)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "npy header of %zu bytes", size_bytes);
    struct cursor cursor = {(const char *)bytes + start, (const char *)bytes + size_bytes};
    CT_CLI_TRY(parse_dictionary(&cursor, &parsed, error));
    skip_space(&cursor);
    if (cursor.at != cursor.end)
        return malformed(&cursor, "the end", error);

    /* Dimensions next to a zero may be as large as they like, but not their product's size. */
    parsed.n_elems = 1;
    for (int i = 0; i < parsed.rank; i++)
        if (__builtin_mul_overflow(parsed.n_elems, (size_t)parsed.dims[i], &parsed.n_elems))
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "npy shape has more elements than memory has addresses");
    if (__builtin_mul_overflow(parsed.n_elems, parsed.item_size_bytes, &parsed.data_size_bytes) ||
        parsed.data_size_bytes > (size_t)PTRDIFF_MAX)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "npy array is larger than memory has addresses");
    *header = parsed;
    return CORTEN_OK;
}

corten_status ct_cli_npy_header_make(const char *descr, int rank, const int64_t *dims, char **bytes,
                                     size_t *size_bytes, corten_error *error)
{
    enum { ALIGNMENT = 64, PREFIX = 10 };
    char shape[24 * CORTEN_MAX_RANK + 8] = "";
    size_t used = 0;
    for (int i = 0; i < rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%lld,%s", (long long)dims[i],
                                 i + 1 < rank ? " " : "");
    /* (2, 3,) is a tuple as well, but NumPy writes the comma only where it is needed. */
    if (rank > 1)
        shape[used - 1] = '\0';
    char dictionary[sizeof shape + 128];
    int size = snprintf(dictionary, sizeof dictionary,
                        "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape);
    size_t total = (PREFIX + (size_t)size + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    char *header = malloc(total);
    if (!header)
        return ct_cli_no_memory(error, "an npy header");
    memset(header, ' ', total);
    memcpy(header, magic, sizeof magic);
    header[6] = 1;
    header[7] = 0;
    header[8] = (char)((total - PREFIX) & 0xFF);
    header[9] = (char)((total - PREFIX) >> 8);
    memcpy(header + PREFIX, dictionary, (size_t)size);
    header[total - 1] = '\n';
    *bytes = header;
    *size_bytes = total;
    return CORTEN_OK;
}

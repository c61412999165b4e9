#include "ops/elementwise/cast_string.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------ to text */

/* Whether the text gives the same element of the type. */
static bool reads_back(const char *text, double x, ct_dtype dtype)
{
    uint64_t want = 0, got = 0;
    double y = dtype == CORTEN_F64 ? strtod(text, NULL) : (double)strtof(text, NULL);
    ct_store_f64(dtype, &want, 0, 1, &x);
    ct_store_f64(dtype, &got, 0, 1, &y);
    return want == got;
}

/* "123.0", "0.001", "1e-05", "1.5e+20". No type needs more digits than double's 17. */
static int format_float(char *text, double x, ct_dtype dtype)
{
    if (isnan(x))
        return snprintf(text, CT_CAST_TEXT_BYTES, "nan");
    if (isinf(x))
        return snprintf(text, CT_CAST_TEXT_BYTES, x < 0 ? "-inf" : "inf");
    char science[40];
    int digits = 1;
    do
        snprintf(science, sizeof science, "%.*e", digits - 1, x);
    while (!reads_back(science, x, dtype) && digits++ < 17);
    int exponent = atoi(strchr(science, 'e') + 1);
    if (exponent < -4 || exponent >= 16)
        return snprintf(text, CT_CAST_TEXT_BYTES, "%s", science);
    /* The same digits with the point where it belongs: the others are zeros. */
    double shortest = strtod(science, NULL);
    int decimals = digits - 1 - exponent;
    return snprintf(text, CT_CAST_TEXT_BYTES, "%.*f", decimals > 1 ? decimals : 1, shortest);
}

static int format_element(char *text, const struct ct_tensor *in, size_t i)
{
    if (in->dtype == CORTEN_BOOL)
        return snprintf(text, CT_CAST_TEXT_BYTES, CT_DATA(const bool, in)[i] ? "True" : "False");
    if (!ct_dtype_is_int(in->dtype)) {
        double x;
        ct_load_f64(in->dtype, in->data, i, 1, &x);
        return format_float(text, x, in->dtype);
    }
    int64_t x;
    ct_load_i64(in->dtype, in->data, i, 1, &x);
    if (in->dtype == CORTEN_U64)
        return snprintf(text, CT_CAST_TEXT_BYTES, "%" PRIu64, (uint64_t)x);
    return snprintf(text, CT_CAST_TEXT_BYTES, "%" PRId64, x);
}

ct_status ct_run_cast_to_string(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    corten_string *to = run->out[0]->data;
    char *text = run->scratch;
    size_t n = ct_count(in);
    for (size_t i = 0; i < n; i++, text += CT_CAST_TEXT_BYTES) {
        to[i].data = text;
        to[i].size_bytes = (size_t)format_element(text, in, i);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ from text */

/* The whole text, but for blanks around it, is a number. Integers that fit are exact. */
static bool parse_number(const char *text, double *x, int64_t *integer, bool *is_integer)
{
    char *end;
    errno = 0;
    *is_integer = true;
    *integer = strtoll(text, &end, 10);
    if (errno == ERANGE) { /* perhaps it is a large u64 */
        errno = 0;
        *integer = (int64_t)strtoull(text, &end, 10);
    }
    if (end == text || errno || *(end + strspn(end, " \t\r\n"))) {
        *is_integer = false;
        *x = strtod(text, &end);
    } else {
        *x = strtod(text, NULL);
    }
    return end != text && !*(end + strspn(end, " \t\r\n"));
}

static bool store_number(struct ct_tensor *out, size_t i, const char *text)
{
    double x;
    int64_t integer;
    bool is_integer;
    if (!parse_number(text, &x, &integer, &is_integer)) {
        if (out->dtype != CORTEN_BOOL)
            return false;
        integer = !strcmp(text, "True") || !strcmp(text, "true");
        is_integer = true;
    }
    if (is_integer && (ct_dtype_is_int(out->dtype) || out->dtype == CORTEN_BOOL)) {
        ct_store_i64(out->dtype, out->data, i, 1, &integer);
    } else if (out->dtype == CORTEN_F32) {
        float narrow = strtof(text, NULL); /* rounding once */
        ct_store_f32(out->dtype, out->data, i, 1, &narrow);
    } else {
        ct_store_f64(out->dtype, out->data, i, 1, &x);
    }
    return true;
}

ct_status ct_run_cast_from_string(const struct ct_run *run)
{
    const corten_string *from = CT_DATA(const corten_string, run->in[0]);
    size_t n = ct_count(run->in[0]);
    for (size_t i = 0; i < n; i++) {
        char text[512]; /* a double's exact decimal digits are more, but no number needs them */
        if (from[i].size_bytes >= sizeof text)
            return ct_run_fail(run, "string %zu is too long for a number", i);
        if (from[i].size_bytes)
            memcpy(text, from[i].data, from[i].size_bytes);
        text[from[i].size_bytes] = 0;
        if (!store_number(run->out[0], i, text))
            return ct_run_fail(run, "string %zu, \"%.40s\", is not a number", i, text);
    }
    return CORTEN_OK;
}

/* Arithmetic of dimensions. A derived symbol is named by its expression in one form: a sum of
 * products, terms and factors sorted, numbers first in a product and last in a sum. So equal
 * expressions are equal symbols as far as that form can tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"

enum { MAX_FACTORS = 6, MAX_TERMS = 6, MAX_TEXT = 128 };

struct product {
    int64_t number;
    corten_string factors[MAX_FACTORS]; /* sorted */
    int n_factors;
};

struct sum {
    int64_t number;
    struct product terms[MAX_TERMS];
    int n_terms;
};

/* ------------------------------------------------------------------ reading */

static int compare(corten_string a, corten_string b)
{
    size_t n = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : a.size_bytes < b.size_bytes ? -1 : a.size_bytes > b.size_bytes;
}

/* Offset of the first " op " outside of parentheses, for one of the given operators; -1: none. */
static long find_operator(corten_string text, const char *ops)
{
    int depth = 0;
    for (size_t i = 0; i + 2 < text.size_bytes; i++) {
        depth += text.data[i] == '(' ? 1 : text.data[i] == ')' ? -1 : 0;
        if (depth == 0 && text.data[i] == ' ' && text.data[i + 2] == ' ' &&
            strchr(ops, text.data[i + 1]))
            return (long)i;
    }
    return -1;
}

/* Without the parentheses around all of it. */
static corten_string strip(corten_string text)
{
    while (text.size_bytes > 2 && text.data[0] == '(' && text.data[text.size_bytes - 1] == ')') {
        int depth = 0;
        for (size_t i = 0; i + 1 < text.size_bytes; i++) {
            depth += text.data[i] == '(' ? 1 : text.data[i] == ')' ? -1 : 0;
            if (depth == 0)
                return text;
        }
        text = (corten_string){text.data + 1, text.size_bytes - 2};
    }
    return text;
}

static bool read_number(corten_string text, int64_t *number)
{
    char copy[24], *end;
    if (!text.size_bytes || text.size_bytes >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size_bytes);
    copy[text.size_bytes] = 0;
    if (copy[strspn(copy, "0123456789")])
        return false;
    *number = strtoll(copy, &end, 10);
    return ct_dim_known(*number) && text.size_bytes < 19;
}

static bool add_factor(struct product *p, corten_string factor)
{
    if (p->n_factors == MAX_FACTORS)
        return false;
    int at = p->n_factors++;
    for (; at > 0 && compare(p->factors[at - 1], factor) > 0; at--)
        p->factors[at] = p->factors[at - 1];
    p->factors[at] = factor;
    return true;
}

static bool read_product(corten_string text, struct product *p)
{
    text = strip(text);
    long at = find_operator(text, "+-/") < 0 ? find_operator(text, "*") : -1;
    int64_t number;
    if (at >= 0) {
        corten_string left = {text.data, (size_t)at};
        corten_string right = {text.data + at + 3, text.size_bytes - (size_t)at - 3};
        return read_product(left, p) && read_product(right, p);
    }
    if (read_number(text, &number))
        return !__builtin_mul_overflow(p->number, number, &p->number);
    return add_factor(p, text);
}

static bool same_factors(const struct product *a, const struct product *b)
{
    bool same = a->n_factors == b->n_factors;
    for (int i = 0; same && i < a->n_factors; i++)
        same = compare(a->factors[i], b->factors[i]) == 0;
    return same;
}

static int compare_products(const struct product *a, const struct product *b)
{
    for (int i = 0; i < a->n_factors && i < b->n_factors; i++) {
        int order = compare(a->factors[i], b->factors[i]);
        if (order)
            return order;
    }
    return a->n_factors - b->n_factors;
}

static bool add_term(struct sum *s, const struct product *term, int64_t sign)
{
    struct product t = *term;
    if (__builtin_mul_overflow(t.number, sign, &t.number))
        return false;
    if (!t.n_factors)
        return !__builtin_add_overflow(s->number, t.number, &s->number);
    for (int i = 0; i < s->n_terms; i++) {
        if (!same_factors(&s->terms[i], &t))
            continue;
        if (__builtin_add_overflow(s->terms[i].number, t.number, &s->terms[i].number))
            return false;
        if (s->terms[i].number == 0) {
            size_t after = (size_t)(s->n_terms - i - 1);
            memmove(&s->terms[i], &s->terms[i + 1], after * sizeof s->terms[0]);
            s->n_terms--;
        }
        return true;
    }
    if (s->n_terms == MAX_TERMS)
        return false;
    int at = s->n_terms++;
    for (; at > 0 && compare_products(&s->terms[at - 1], &t) > 0; at--)
        s->terms[at] = s->terms[at - 1];
    s->terms[at] = t;
    return true;
}

static bool read_sum(corten_string text, struct sum *s)
{
    text = strip(text);
    for (int64_t sign = 1;;) {
        long at = find_operator(text, "+-");
        corten_string part = {text.data, at < 0 ? text.size_bytes : (size_t)at};
        struct product term = {.number = 1};
        if (!read_product(part, &term) || !add_term(s, &term, sign))
            return false;
        if (at < 0)
            return true;
        sign = text.data[at + 1] == '-' ? -1 : 1;
        text = (corten_string){text.data + at + 3, text.size_bytes - (size_t)at - 3};
    }
}

static bool read_dim(const struct ct_infer *infer, ct_dim dim, struct sum *s)
{
    *s = (struct sum){.number = 0};
    if (ct_dim_known(dim)) {
        s->number = dim;
        return true;
    }
    const char *text = ct_symbol_name(infer->symbols, dim);
    return *text && strlen(text) < MAX_TEXT && read_sum((corten_string){text, strlen(text)}, s);
}

/* ------------------------------------------------------------------ writing */

struct text {
    char data[MAX_TEXT];
    size_t size_bytes;
    bool full;
};

static void put(struct text *text, corten_string part)
{
    text->full |= text->size_bytes + part.size_bytes >= MAX_TEXT;
    if (text->full)
        return;
    memcpy(text->data + text->size_bytes, part.data, part.size_bytes);
    text->size_bytes += part.size_bytes;
    text->data[text->size_bytes] = 0;
}

static void put_text(struct text *text, const char *part)
{
    put(text, (corten_string){part, strlen(part)});
}

static void put_number(struct text *text, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put_text(text, digits);
}

static void put_product(struct text *text, const struct product *p, int64_t number)
{
    if (number != 1) {
        put_number(text, number);
        put_text(text, " * ");
    }
    for (int i = 0; i < p->n_factors; i++) {
        /* A sum or quotient among factors stands in parentheses; min(a, b) does not need them. */
        bool inner = find_operator(p->factors[i], "+-*/") >= 0 && (number != 1 || p->n_factors > 1);
        put_text(text, i ? " * " : "");
        put_text(text, inner ? "(" : "");
        put(text, p->factors[i]);
        put_text(text, inner ? ")" : "");
    }
}

/* The symbol of a sum; terms that are added stand before those that are taken away. */
static ct_dim dim_of(const struct ct_infer *infer, const struct sum *s)
{
    if (!s->n_terms)
        return ct_dim_known(s->number) ? s->number : CT_DIM_UNKNOWN;
    struct text text = {.size_bytes = 0};
    for (int negative = 0; negative < 2; negative++) {
        for (int i = 0; i < s->n_terms; i++) {
            int64_t number = s->terms[i].number;
            if ((number < 0) != (negative == 1) || number == INT64_MIN)
                continue;
            bool first = text.size_bytes == 0;
            put_text(&text, first ? "" : negative ? " - " : " + ");
            put_product(&text, &s->terms[i], negative && !first ? -number : number);
        }
    }
    if (s->number) {
        put_text(&text, s->number < 0 ? " - " : " + ");
        put_number(&text, s->number < 0 ? -s->number : s->number);
    }
    return text.full || s->number == INT64_MIN ? CT_DIM_UNKNOWN
                                               : ct_symbol(infer->symbols, text.data);
}

/* ------------------------------------------------------------------ the operations */

static bool can_derive(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    return infer->symbols && a != CT_DIM_UNKNOWN && b != CT_DIM_UNKNOWN;
}

static ct_dim known_or_unknown(bool overflow, int64_t value)
{
    return overflow || !ct_dim_known(value) ? CT_DIM_UNKNOWN : value;
}

static ct_dim add(const struct ct_infer *infer, ct_dim a, ct_dim b, int64_t sign)
{
    struct sum x, y;
    struct product number = {.number = 0};
    if (!can_derive(infer, a, b) || !read_dim(infer, a, &x) || !read_dim(infer, b, &y))
        return CT_DIM_UNKNOWN;
    number.number = y.number;
    if (!add_term(&x, &number, sign))
        return CT_DIM_UNKNOWN;
    for (int i = 0; i < y.n_terms; i++)
        if (!add_term(&x, &y.terms[i], sign))
            return CT_DIM_UNKNOWN;
    return dim_of(infer, &x);
}

ct_dim ct_dim_add(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    int64_t r;
    if (ct_dim_known(a) && ct_dim_known(b)) {
        bool overflow = __builtin_add_overflow(a, b, &r);
        return known_or_unknown(overflow, r);
    }
    if (a == 0)
        return b;
    return b == 0 ? a : add(infer, a, b, 1);
}

ct_dim ct_dim_sub(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    int64_t r;
    if (ct_dim_known(a) && ct_dim_known(b)) {
        bool overflow = __builtin_sub_overflow(a, b, &r);
        return known_or_unknown(overflow, r);
    }
    if (b == 0)
        return a;
    if (a == b && a != CT_DIM_UNKNOWN)
        return 0;
    return add(infer, a, b, -1);
}

/* A sum as one factor, for what cannot be multiplied out. */
static bool as_product(const struct ct_infer *infer, ct_dim dim, struct product *p)
{
    struct sum s;
    if (!read_dim(infer, dim, &s))
        return false;
    *p = (struct product){.number = 1};
    if (!s.n_terms)
        p->number = s.number;
    else if (s.n_terms == 1 && s.number == 0)
        *p = s.terms[0];
    else
        return add_factor(p, (corten_string){ct_symbol_name(infer->symbols, dim),
                                             strlen(ct_symbol_name(infer->symbols, dim))});
    return true;
}

static ct_dim scale(const struct ct_infer *infer, ct_dim dim, int64_t number)
{
    struct sum s;
    if (!read_dim(infer, dim, &s) || __builtin_mul_overflow(s.number, number, &s.number))
        return CT_DIM_UNKNOWN;
    for (int i = 0; i < s.n_terms; i++)
        if (__builtin_mul_overflow(s.terms[i].number, number, &s.terms[i].number))
            return CT_DIM_UNKNOWN;
    return dim_of(infer, &s);
}

ct_dim ct_dim_mul(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    int64_t r;
    if (ct_dim_known(a) && ct_dim_known(b)) {
        bool overflow = __builtin_mul_overflow(a, b, &r);
        return known_or_unknown(overflow, r);
    }
    if (a == 0 || b == 0)
        return 0;
    if (a == 1)
        return b;
    if (b == 1)
        return a;
    if (!can_derive(infer, a, b))
        return CT_DIM_UNKNOWN;
    if (ct_dim_known(a) || ct_dim_known(b))
        return ct_dim_known(a) ? scale(infer, b, a) : scale(infer, a, b);
    struct sum s = {.n_terms = 1};
    struct product y;
    if (!as_product(infer, a, &s.terms[0]) || !as_product(infer, b, &y) ||
        __builtin_mul_overflow(s.terms[0].number, y.number, &s.terms[0].number))
        return CT_DIM_UNKNOWN;
    for (int i = 0; i < y.n_factors; i++)
        if (!add_factor(&s.terms[0], y.factors[i]))
            return CT_DIM_UNKNOWN;
    return dim_of(infer, &s);
}

/* Takes the divisor's number and factors out of the product, if they are there. */
static bool divide_product(struct product *p, const struct product *divisor)
{
    if (divisor->number <= 0 || p->number % divisor->number)
        return false;
    p->number /= divisor->number;
    for (int i = 0; i < divisor->n_factors; i++) {
        int k = 0;
        while (k < p->n_factors && compare(p->factors[k], divisor->factors[i]))
            k++;
        if (k == p->n_factors)
            return false;
        memmove(&p->factors[k], &p->factors[k + 1],
                (size_t)(p->n_factors - k - 1) * sizeof p->factors[0]);
        p->n_factors--;
    }
    return true;
}

/* The quotient when every term can be divided. */
static bool divide(const struct ct_infer *infer, ct_dim a, ct_dim b, ct_dim *quotient)
{
    struct sum s, result = {.number = 0};
    struct product divisor, number = {.number = 0};
    if (!read_dim(infer, a, &s) || !as_product(infer, b, &divisor))
        return false;
    number.number = s.number;
    if (s.number && !divide_product(&number, &divisor))
        return false;
    result.number = number.number;
    for (int i = 0; i < s.n_terms; i++)
        if (!divide_product(&s.terms[i], &divisor) || !add_term(&result, &s.terms[i], 1))
            return false;
    *quotient = dim_of(infer, &result);
    return true;
}

ct_dim ct_dim_div(const struct ct_infer *infer, ct_dim a, ct_dim b)
{
    ct_dim quotient;
    if (ct_dim_known(a) && ct_dim_known(b)) {
        if (b <= 0)
            return CT_DIM_UNKNOWN;
        int64_t q = a / b;
        return a % b < 0 ? q - 1 : q;
    }
    if (b == 1)
        return a;
    if (a == b && a != CT_DIM_UNKNOWN)
        return 1;
    if (!can_derive(infer, a, b))
        return CT_DIM_UNKNOWN;
    if (divide(infer, a, b, &quotient))
        return quotient;
    char left[24], right[24];
    const char *l = ct_symbol_name(infer->symbols, a), *r = ct_symbol_name(infer->symbols, b);
    snprintf(left, sizeof left, "%lld", (long long)a);
    snprintf(right, sizeof right, "%lld", (long long)b);
    l = l ? l : left;
    r = r ? r : right;
    bool lp = strchr(l, ' ') != NULL, rp = strchr(r, ' ') != NULL;
    struct text text = {.size_bytes = 0};
    put_text(&text, lp ? "(" : "");
    put_text(&text, l);
    put_text(&text, lp ? ") / " : " / ");
    put_text(&text, rp ? "(" : "");
    put_text(&text, r);
    put_text(&text, rp ? ")" : "");
    return text.full ? CT_DIM_UNKNOWN : ct_symbol(infer->symbols, text.data);
}

ct_dim ct_dim_min(const struct ct_infer *infer, ct_dim symbol, int64_t most)
{
    const char *name = infer->symbols ? ct_symbol_name(infer->symbols, symbol) : NULL;
    char text[256];
    if (!name || !*name || strlen(name) > 96)
        return CT_DIM_UNKNOWN;
    snprintf(text, sizeof text, "min(%s, %lld)", name, (long long)most);
    return ct_symbol(infer->symbols, text);
}

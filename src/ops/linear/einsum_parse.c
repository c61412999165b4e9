#include "ops/linear/einsum_parse.h"

#include <string.h>

struct reader {
    const char *p, *end;
    corten_error *error;
};

static int label_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    return c >= 'a' && c <= 'z' ? c - 'a' + 26 : -1;
}

static void skip_spaces(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t'))
        r->p++;
}

static bool at_arrow(const struct reader *r)
{
    return r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] == '>';
}

/* One term, up to a comma, the arrow or the end. `rank` -1: an ellipsis stands for `dots`
 * dimensions; else for what the letters leave over, which goes to *dots. */
static ct_status read_term(struct reader *r, int rank, int *dots, struct ct_einsum_term *term)
{
    uint8_t letters[CT_MAX_RANK];
    int n = 0, dots_at = -1;
    for (skip_spaces(r); r->p < r->end && *r->p != ',' && !at_arrow(r); skip_spaces(r)) {
        if (*r->p == '.') {
            if (dots_at >= 0 || r->end - r->p < 3 || r->p[1] != '.' || r->p[2] != '.')
                return ct_fail(r->error, CORTEN_INVALID_MODEL, "the equation has a stray '.'");
            dots_at = n;
            r->p += 3;
            continue;
        }
        int label = label_of(*r->p);
        if (label < 0)
            return ct_fail(r->error, CORTEN_INVALID_MODEL,
                           "the equation has a character that is no letter");
        if (n == CT_MAX_RANK)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "a term of the equation is too long");
        letters[n++] = (uint8_t)label;
        r->p++;
    }
    int hidden = dots_at < 0 ? 0 : rank < 0 ? *dots : rank - n;
    if (hidden < 0 || n + hidden > CT_MAX_RANK || (rank >= 0 && n + hidden != rank))
        return ct_fail(r->error, CORTEN_INVALID_MODEL,
                       "a term of %d letters does not fit an operand of rank %d", n, rank);
    term->n = 0;
    for (int i = 0; i <= n; i++) {
        for (int d = 0; i == dots_at && d < hidden; d++)
            term->labels[term->n++] = (uint8_t)(CT_EINSUM_LABELS - hidden + d);
        if (i < n)
            term->labels[term->n++] = letters[i];
    }
    if (rank >= 0 && hidden > *dots)
        *dots = hidden;
    return CORTEN_OK;
}

/* Without an arrow: what stands under an ellipsis, then the letters that occur once. */
static ct_status implicit_output(struct reader *r, int n_in, const struct ct_einsum_term *terms,
                                 int dots, struct ct_einsum_term *output)
{
    int counts[CT_EINSUM_LABELS] = {0};
    for (int i = 0; i < n_in; i++)
        for (int d = 0; d < terms[i].n; d++)
            counts[terms[i].labels[d]]++;
    output->n = 0;
    for (int i = 0; i < dots + CT_EINSUM_LETTERS; i++) {
        int label = i < dots ? CT_EINSUM_LABELS - dots + i : i - dots;
        if (i >= dots && counts[label] != 1)
            continue;
        if (output->n == CT_MAX_RANK)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "the result has more than %d dimensions",
                           CT_MAX_RANK);
        output->labels[output->n++] = (uint8_t)label;
    }
    return CORTEN_OK;
}

static ct_status check_output(struct reader *r, int n_in, const struct ct_einsum_term *terms,
                              const struct ct_einsum_term *output)
{
    bool present[CT_EINSUM_LABELS] = {false};
    for (int i = 0; i < n_in; i++)
        for (int d = 0; d < terms[i].n; d++)
            present[terms[i].labels[d]] = true;
    for (int d = 0; d < output->n; d++) {
        if (!present[output->labels[d]])
            return ct_fail(r->error, CORTEN_INVALID_MODEL,
                           "the result has a label that no operand has, or has one twice");
        present[output->labels[d]] = false;
    }
    return CORTEN_OK;
}

ct_status ct_einsum_parse(const struct ct_node *node, int n_in, const int *ranks,
                          struct ct_einsum_term *terms, struct ct_einsum_term *output,
                          corten_error *error)
{
    corten_string equation = ct_attr_string(node, "equation");
    if (!equation.data)
        return ct_fail(error, CORTEN_INVALID_MODEL, "the attribute 'equation' is missing");
    struct reader r = {equation.data, equation.data + equation.size_bytes, error};
    int dots = 0;
    for (int i = 0; i < n_in; i++) {
        CT_TRY(read_term(&r, ranks[i], &dots, &terms[i]));
        bool comma = r.p < r.end && *r.p == ',';
        if (comma != (i < n_in - 1))
            return ct_fail(error, CORTEN_INVALID_MODEL,
                           "the equation does not have as many terms as there are operands (%d)",
                           n_in);
        r.p += comma;
    }
    if (!at_arrow(&r))
        return implicit_output(&r, n_in, terms, dots, output);
    r.p += 2;
    CT_TRY(read_term(&r, -1, &dots, output));
    if (r.p < r.end)
        return ct_fail(error, CORTEN_INVALID_MODEL, "the equation goes on after its result");
    return check_output(&r, n_in, terms, output);
}

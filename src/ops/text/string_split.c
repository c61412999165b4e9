/* StringSplit. */
#include <string.h>

#include "ops/text/strings.h"
#include "ops/text/unicode.h"

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK - 1));
    ct_infer_set(infer, 0, CORTEN_STRING, -1, NULL);
    ct_infer_set(infer, 1, CORTEN_I64, in->rank, in->dims);
    if (in->rank < 0)
        return CORTEN_OK;
    ct_dim dims[CT_MAX_RANK];
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    dims[in->rank] = CT_DIM_UNKNOWN;
    ct_infer_set(infer, 0, CORTEN_STRING, in->rank + 1, dims);
    return CORTEN_OK;
}

struct splitter {
    corten_string delimiter; /* empty: white space */
    int64_t most;            /* splits; -1: any number */
};

static const char *skip_space(const char *at, const char *end, bool want_space)
{
    while (at < end) {
        int size_bytes;
        if (ct_rune_is_space(ct_utf8_decode(at, end, &size_bytes)) != want_space)
            break;
        at += size_bytes;
    }
    return at;
}

/* The end without the white space before it. */
static const char *strip_space(const char *at, const char *end)
{
    const char *last = at;
    while (at < end) {
        at = skip_space(at, end, false);
        last = at;
        at = skip_space(at, end, true);
    }
    return last;
}

/* Runs of white space part; those at either end are dropped. */
static int64_t split_spaces(const struct splitter *s, corten_string text, corten_string *parts)
{
    const char *end = text.data + text.size_bytes, *at = skip_space(text.data, end, true);
    int64_t n = 0;
    while (at < end) {
        bool takes_rest = s->most >= 0 && n >= s->most;
        const char *stop = takes_rest ? end : skip_space(at, end, false);
        const char *last = takes_rest ? strip_space(at, end) : stop;
        if (parts)
            parts[n] = (corten_string){at, (size_t)(last - at)};
        n++;
        at = skip_space(stop, end, true);
    }
    return n;
}

static int64_t split_delimiter(const struct splitter *s, corten_string text, corten_string *parts)
{
    const char *at = text.data, *end = at + text.size_bytes;
    for (int64_t n = 0;; n++) {
        const char *stop = NULL;
        if (s->most < 0 || n < s->most)
            stop = at < end
                       ? memmem(at, (size_t)(end - at), s->delimiter.data, s->delimiter.size_bytes)
                       : NULL;
        if (parts)
            parts[n] = (corten_string){at, (size_t)((stop ? stop : end) - at)};
        if (!stop)
            return n + 1;
        at = stop + s->delimiter.size_bytes;
    }
}

static int64_t split(const struct splitter *s, corten_string text, corten_string *parts)
{
    if (!text.data)
        text.data = "";
    return s->delimiter.size_bytes ? split_delimiter(s, text, parts) : split_spaces(s, text, parts);
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    const corten_string *texts = in->data;
    struct splitter s = {
        .delimiter = ct_attr_string(run->node, "delimiter"),
        .most = ct_attr_int(run->node, "maxsplit", -1),
    };
    size_t n = ct_count(in);
    int64_t dims[CT_MAX_RANK], most = 0;
    CT_TRY(ct_run_output(run, 1, CORTEN_I64, in->rank, in->dims));
    for (size_t i = 0; i < n; i++) {
        int64_t parts = split(&s, texts[i], NULL);
        if (run->n_out > 1 && run->out[1])
            CT_DATA(int64_t, run->out[1])[i] = parts;
        most = parts > most ? parts : most;
    }
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    dims[in->rank] = most;
    CT_TRY(ct_run_output(run, 0, CORTEN_STRING, in->rank + 1, dims));
    /* Parts point into the input; the executor gives them memory of their own. */
    if (run->out[0])
        for (size_t i = 0; i < n; i++)
            split(&s, texts[i], CT_DATA(corten_string, run->out[0]) + i * (size_t)most);
    return CORTEN_OK;
}

const struct ct_op ct_op_string_split = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
};

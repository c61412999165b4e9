/* Operators on strings, sequences, optionals and maps: regular expressions, tokens, case folding, and
 * items that come and go. The same bytes as fuzz_infer takes, but the operators are few. */
#include "fuzz_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* It reads containers or strings. */
static bool about_text(const struct ct_op_row *row)
{
    return (row->op->flags & CT_OP_CONTAINERS) || ct_dtype_in(CORTEN_STRING, row->dtypes);
}

static const struct ct_op_row *pick(struct fuzz_bytes *bytes)
{
    size_t n_rows, n = 0;
    const struct ct_op_row *rows = ct_op_rows(&n_rows), *found = NULL;
    for (size_t i = 0; i < n_rows; i++)
        n += about_text(&rows[i]);
    size_t left = fuzz_below(bytes, n);
    for (size_t i = 0; i < n_rows && !found; i++)
        if (about_text(&rows[i]) && left-- == 0)
            found = &rows[i];
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct fuzz_node f;
    fuzz_node_init(&f, data, size_bytes);
    const struct ct_op_row *row = pick(&f.bytes);
    f.prefer_text = ct_dtype_in(CORTEN_STRING, row->dtypes);
    if (fuzz_node_build(&f, row)) {
        fuzz_node_infer(&f);
        fuzz_node_run(&f);
    }
    fuzz_node_deinit(&f);
    return 0;
}

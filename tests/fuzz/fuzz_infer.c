/* Every operator, with hostile attributes, shapes, types and elements: inferred from shapes alone, then
 * inferred, prepared and run on tensors, with the memory that they may take bounded. */
#include "fuzz_node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct fuzz_node f;
    size_t n_rows;
    const struct ct_op_row *rows = ct_op_rows(&n_rows);
    fuzz_node_init(&f, data, size_bytes);
    const struct ct_op_row *row = &rows[fuzz_below(&f.bytes, n_rows)];
    if (fuzz_node_build(&f, row)) {
        fuzz_node_infer(&f);
        fuzz_node_run(&f);
    }
    fuzz_node_deinit(&f);
    return 0;
}

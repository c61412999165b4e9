/* Precision auto: which products of a graph may compute in bfloat16 so that its outputs stay within
 * a bound of what float32 gives for some inputs. */
#ifndef CT_EXEC_CALIBRATE_H
#define CT_EXEC_CALIBRATE_H

#include "exec/program.h"

struct ct_calibration {
    struct ct_node **products; /* in the order of the graph; node->bf16 says how they run */
    size_t n_products, n_bf16;
    double error; /* of the outputs as they are now, see ct_calibrate; 0 when all is float32 */
    int runs;     /* that it took, the one in float32 included */
};

enum { CT_CALIBRATION_RUNS = 64 };

/** Tries all products at once, then halves of what did not stay within the bound, and so on, each on
 *  top of what has been taken; after CT_CALIBRATION_RUNS runs the rest stays float32. Deterministic.
 *  The error is the largest difference of an output over its largest magnitude, for the worst output.
 *  No other run may be under way. The context's precision is AUTO. `calibration` starts zeroed; its
 *  array is of the program's allocator. When it fails, everything runs in float32. */
ct_status ct_calibrate(struct ct_program *program, struct ct_graph *graph,
                       const corten_allocator *allocator, const struct ct_tensor *const *inputs,
                       double bound, struct ct_calibration *calibration, corten_error *error);
void ct_calibration_deinit(const corten_allocator *allocator, struct ct_calibration *calibration);

#endif

/* What the machine can do at most: the two lines of a roofline (Williams, Waterman and Patterson,
 * "Roofline: an insightful visual performance model for multicore architectures", 2009). */
#ifndef CT_CLI_ROOFLINE_H
#define CT_CLI_ROOFLINE_H

#include <corten/corten.h>

struct ct_cli_roofline {
    double gflops, gbs;
};

/** Measures what is 0, through the library on `threads` threads: a large product of matrices, and
 *  the sum of two large vectors. Takes about half a second. */
corten_status ct_cli_roofline_measure(struct ct_cli_roofline *roofline, int threads,
                                      corten_error *error);
/** The part of what is attainable that `gflop` and `gbyte` in that time are; -1: not known. */
double ct_cli_roofline_fraction(const struct ct_cli_roofline *roofline, double gflop, double gbyte,
                                double seconds);

#endif

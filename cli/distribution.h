/* Conformance cases whose outputs are draws: what the specification says of them is checked, over many
 * runs, in place of the numbers that one generator happened to give. */
#ifndef CT_CLI_DISTRIBUTION_H
#define CT_CLI_DISTRIBUTION_H

#include <corten/corten.h>

/** Distributions by name:
 *  - bernoulli: each element is 1 with the probability that the same element of the input gives, else 0;
 *  - bernoulli-complement: 0 with that probability, else 1. */
bool ct_cli_distribution_known(const char *name);

/** Runs the case in `folder`, one input and one output, some thousand times. Every output must have
 *  the type and shape of output_0.pb and values 0 and 1 only, surely those where the probability is
 *  0 or 1; each element's number of ones must be within 6 standard deviations of what is expected.
 *  When the model has an attribute `seed`, each draw has another one, and the same seed must give
 *  the same output, again in the session and in a new one. */
corten_status ct_cli_distribution_run(const char *folder, const char *name,
                                      const corten_options *options, corten_error *error);

#endif

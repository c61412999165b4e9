/* Random tensors that are the same for a seed on every machine: splitmix64 (Steele, Lea and Flood,
 * 2014) and the Box-Muller transform. */
#ifndef CT_CLI_RANDOM_H
#define CT_CLI_RANDOM_H

#include <corten/corten.h>

struct ct_cli_random {
    uint64_t state;
};

/** Stream `stream` of a seed; streams do not depend on each other. */
void ct_cli_random_init(struct ct_cli_random *random, uint64_t seed, uint64_t stream);
uint64_t ct_cli_random_next(struct ct_cli_random *random);
/** Fills a tensor: floats (and both parts of complex numbers) from the standard normal
 *  distribution, integers evenly from `least` to `most` as far as the dtype goes, bools evenly,
 *  strings "w<integer>". */
corten_status ct_cli_random_fill(struct ct_cli_random *random, int64_t least, int64_t most,
                                 corten_value *tensor, corten_error *error);

#endif

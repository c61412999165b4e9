/* Casts between numbers and strings. */
#ifndef CT_OPS_ELEMENTWISE_CAST_STRING_H
#define CT_OPS_ELEMENTWISE_CAST_STRING_H

#include "graph/op.h"

/** Scratch memory for the text of one number. */
enum { CT_CAST_TEXT_BYTES = 64 };

/** Numbers as Python writes them: the fewest digits that read back as the same number. The text
 *  lies in run->scratch. */
ct_status ct_run_cast_to_string(const struct ct_run *run);
/** RUN_FAILED names a string that is no number. */
ct_status ct_run_cast_from_string(const struct ct_run *run);

#endif

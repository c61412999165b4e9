/* Row lengths that the checks of row kernels try: every tail, and some longer ones. */
#ifndef CT_TESTS_KERNELS_CHECK_ROWS_H
#define CT_TESTS_KERNELS_CHECK_ROWS_H

#include "kernels/corten_kernels.h"

enum { CHECK_ROW_LENGTHS = 80 };

/** Length `i` of CHECK_ROW_LENGTHS: 1 to 70, then random ones. */
static inline size_t check_row_length(struct check *check, int i)
{
    return i < 70 ? (size_t)i + 1 : check_random_size(check, 71, 2000);
}

#endif

/* For scripts/lint.sh alone: tells the analyzer of clang-tidy that the failing functions of the image
 * module return false. */
#ifndef CT_SCRIPTS_LINT_IMAGE_H
#define CT_SCRIPTS_LINT_IMAGE_H

#include "../image/image.h"

#define ct_image_fail(...) (ct_image_fail(__VA_ARGS__) && false)
#define ct_image_fail_memory(image) (ct_image_fail_memory(image) && false)

#endif

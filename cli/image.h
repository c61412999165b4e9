/* Pictures as inputs of a model: decoded, resized, scaled and laid out as the model declares. */
#ifndef CT_CLI_IMAGE_H
#define CT_CLI_IMAGE_H

#include <corten/corten.h>

#include "option.h"

enum ct_cli_layout { CT_CLI_NCHW, CT_CLI_NHWC };

/** How pixels become elements: (pixel * scale - mean) / std, per channel. */
struct ct_cli_image_args {
    struct ct_cli_reals mean; /* none: 0 */
    struct ct_cli_reals std;  /* none: 1 */
    double scale;             /* 0: 1/255 for floats, 1 for integers */
    int layout;               /* enum ct_cli_layout */
};

/** Rows for struct ct_cli_image_args. */
extern const struct ct_cli_option ct_cli_image_options[];

/** True if the name of a file ends like that of a picture. */
bool ct_cli_is_image(const char *path);
/** Loads a picture into a tensor of the type and rank (3 or 4) that `info` declares. Sizes that it
 *  leaves open are those of the picture; a batch that it leaves open is 1. */
corten_status ct_cli_image_load(const char *path, const struct ct_cli_image_args *args,
                                const corten_value_info *info, corten_value **tensor,
                                corten_error *error);

#endif

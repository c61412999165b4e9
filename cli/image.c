#include "image.h"

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "file.h"
#include "text.h"

#define FIELD(name) offsetof(struct ct_cli_image_args, name)

static const struct ct_cli_choice layouts[] = {
    {"nchw", CT_CLI_NCHW},
    {"nhwc", CT_CLI_NHWC},
    {NULL, 0},
};

const struct ct_cli_option ct_cli_image_options[] = {
    {.name = "mean",
     .type = CT_CLI_REALS,
     .offset = FIELD(mean),
     .argument = "R,G,B",
     .help = "mean that is taken off each channel (or one for all), after scaling"},
    {.name = "std",
     .type = CT_CLI_REALS,
     .offset = FIELD(std),
     .argument = "R,G,B",
     .help = "standard deviation that each channel is divided by"},
    {.name = "scale",
     .type = CT_CLI_REAL,
     .offset = FIELD(scale),
     .argument = "X",
     .least = 0,
     .most = 1e30,
     .help = "factor of pixels (0 to 255) before mean and std; without it 1/255 for floats, 1 for "
             "integers"},
    {.name = "layout",
     .type = CT_CLI_CHOICE,
     .offset = FIELD(layout),
     .argument = "LAYOUT",
     .fallback = "nchw",
     .choices = layouts,
     .help = "order of the input's dimensions: nchw or "
             "nhwc"},
    {.name = NULL},
};

/* Pixels, one byte a channel, row by row. */
struct picture {
    unsigned char *pixels;
    int width, height, channels;
};

/* Where the dimensions of an input stand, and what they are. */
struct frame {
    int channel_axis, height_axis, width_axis;
    int64_t dims[CORTEN_MAX_RANK];
};

bool ct_cli_is_image(const char *path)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".bmp", ".gif",
                                          ".tga", ".psd", ".ppm",  ".pgm"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ct_cli_ends_with(path, endings[i]))
            return true;
    return false;
}

static corten_status make_frame(const struct ct_cli_image_args *args, const corten_value_info *info,
                                struct frame *frame, corten_error *error)
{
    char shape[CT_CLI_SHAPE_TEXT_SIZE];
    if (info->kind != CORTEN_TENSOR || (info->rank != 3 && info->rank != 4) ||
        ct_cli_class_of(info->dtype) > CT_CLI_CLASS_UNSIGNED)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "the input is %s%s, expected numbers of rank 3 or 4 for a picture",
                           info->type_text,
                           ct_cli_shape_text(shape, info->rank, info->dims, info->dim_names));
    int first = info->rank - 3;
    bool planar = args->layout == CT_CLI_NCHW;
    frame->channel_axis = planar ? first : first + 2;
    frame->height_axis = planar ? first + 1 : first;
    frame->width_axis = planar ? first + 2 : first + 1;
    memcpy(frame->dims, info->dims, sizeof frame->dims);
    if (first == 1 && frame->dims[0] < 0)
        frame->dims[0] = 1;
    if (first == 1 && frame->dims[0] != 1)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "the input takes %lld pictures at once, expected 1",
                           (long long)frame->dims[0]);
    int64_t channels = frame->dims[frame->channel_axis];
    if (channels < 0)
        channels = frame->dims[frame->channel_axis] = 3;
    if (channels < 1 || channels > 4)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "the input has %lld channels in layout %s, expected 1 to 4",
                           (long long)channels, layouts[args->layout].name);
    return CORTEN_OK;
}

static corten_status decode(const char *path, int channels, struct picture *picture,
                            corten_error *error)
{
    void *bytes = NULL;
    size_t size = 0;
    CT_CLI_TRY(ct_cli_file_load(path, &bytes, &size, error));
    int found = 0;
    picture->pixels = NULL;
    if (size <= INT32_MAX)
        picture->pixels = stbi_load_from_memory(bytes, (int)size, &picture->width, &picture->height,
                                                &found, channels);
    picture->channels = channels;
    free(bytes);
    if (!picture->pixels)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "cannot decode '%s': %s", path,
                           size <= INT32_MAX ? stbi_failure_reason() : "too large");
    return CORTEN_OK;
}

static corten_status resize(struct picture *picture, int64_t height, int64_t width,
                            corten_error *error)
{
    enum { SIDE_MAX = 1 << 15 };
    if (height == picture->height && width == picture->width)
        return CORTEN_OK;
    if (height < 1 || width < 1 || height > SIDE_MAX || width > SIDE_MAX)
        return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                           "the input is %lld by %lld, expected 1 to %d pixels a side",
                           (long long)width, (long long)height, SIDE_MAX);
    unsigned char *pixels = malloc((size_t)(height * width * picture->channels));
    if (!pixels || !stbir_resize_uint8(picture->pixels, picture->width, picture->height, 0, pixels,
                                       (int)width, (int)height, 0, picture->channels)) {
        free(pixels);
        return ct_cli_no_memory(error, "a resized picture");
    }
    free(picture->pixels);
    picture->pixels = pixels;
    picture->width = (int)width;
    picture->height = (int)height;
    return CORTEN_OK;
}

static double channel_number(const struct ct_cli_reals *reals, int channel, double fallback)
{
    if (reals->count == 0)
        return fallback;
    return reals->values[reals->count == 1 ? 0 : channel];
}

static corten_status check_numbers(const struct ct_cli_image_args *args, int channels,
                                   corten_error *error)
{
    const struct ct_cli_reals *lists[] = {&args->mean, &args->std};
    for (int i = 0; i < 2; i++)
        if (lists[i]->count > 1 && lists[i]->count != (size_t)channels)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT,
                               "%zu numbers in --%s, expected 1 or %d (channels of the input)",
                               lists[i]->count, i == 0 ? "mean" : "std", channels);
    for (size_t i = 0; i < args->std.count; i++)
        if (args->std.values[i] == 0.0)
            return ct_cli_fail(error, CORTEN_INVALID_ARGUMENT, "a number of --std is 0");
    return CORTEN_OK;
}

static void fill(const struct ct_cli_image_args *args, const struct frame *frame,
                 const struct picture *picture, corten_value *tensor)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    void *data = corten_tensor_data(tensor);
    bool is_float = ct_cli_class_of(dtype) == CT_CLI_CLASS_FLOAT;
    double scale = args->scale > 0.0 ? args->scale : is_float ? 1.0 / 255.0 : 1.0;
    size_t area = (size_t)picture->height * (size_t)picture->width;
    size_t channels = (size_t)picture->channels;
    bool planar = frame->channel_axis < frame->width_axis;
    for (size_t c = 0; c < channels; c++) {
        double mean = channel_number(&args->mean, (int)c, 0.0);
        double std = channel_number(&args->std, (int)c, 1.0);
        for (size_t i = 0; i < area; i++) {
            double pixel = (double)picture->pixels[i * channels + c];
            size_t to = planar ? c * area + i : i * channels + c;
            ct_cli_element_set_real(dtype, data, to, (pixel * scale - mean) / std);
        }
    }
}

corten_status ct_cli_image_load(const char *path, const struct ct_cli_image_args *args,
                                const corten_value_info *info, corten_value **tensor,
                                corten_error *error)
{
    struct frame frame;
    struct picture picture;
    CT_CLI_TRY(make_frame(args, info, &frame, error));
    int channels = (int)frame.dims[frame.channel_axis];
    CT_CLI_TRY(check_numbers(args, channels, error));
    CT_CLI_TRY(decode(path, channels, &picture, error));
    if (frame.dims[frame.height_axis] < 0)
        frame.dims[frame.height_axis] = picture.height;
    if (frame.dims[frame.width_axis] < 0)
        frame.dims[frame.width_axis] = picture.width;
    corten_status status =
        resize(&picture, frame.dims[frame.height_axis], frame.dims[frame.width_axis], error);
    if (status == CORTEN_OK)
        status = corten_tensor_create(NULL, info->dtype, info->rank, frame.dims, tensor, error);
    if (status == CORTEN_OK)
        fill(args, &frame, &picture, *tensor);
    free(picture.pixels);
    return status;
}

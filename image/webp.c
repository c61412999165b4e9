/* WebP by libwebp. */
#include "image.h"

#include <stdlib.h>

#include <webp/decode.h>

static const char *text_of(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return "the data is cut off";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a feature that is not supported";
    default: return "the data is damaged";
    }
}

static bool decode(struct ct_image *image, WebPDecoderConfig *config)
{
    uint64_t width = (uint64_t)config->input.width, height = (uint64_t)config->input.height;
    if (!ct_image_begin(image, width, height))
        return false;
    size_t row_bytes = image->width * 3, size_bytes = row_bytes * image->height;
    uint8_t *rows = malloc(size_bytes);
    if (!rows)
        return ct_image_fail_memory(image);
    config->output.colorspace = MODE_RGB;
    config->output.u.RGBA =
        (WebPRGBABuffer){.rgba = rows, .stride = (int)row_bytes, .size = size_bytes};
    config->output.is_external_memory = 1;
    VP8StatusCode code = WebPDecode(image->data, image->size_bytes, config);
    bool good = code == VP8_STATUS_OK;
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        ct_image_fail_memory(image);
    else if (!good)
        ct_image_fail(image, "WebP: %s", text_of(code));
    for (size_t y = 0; good && y < image->height; y++)
        ct_image_row(image, y, rows + y * row_bytes, 3);
    WebPFreeDecBuffer(&config->output);
    free(rows);
    return good;
}

bool ct_image_webp(struct ct_image *image)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return ct_image_fail(image, "WebP: libwebp is of another version");
    VP8StatusCode code = WebPGetFeatures(image->data, image->size_bytes, &config.input);
    if (code != VP8_STATUS_OK)
        return ct_image_fail(image, "WebP: %s", text_of(code));
    if (config.input.has_animation)
        return ct_image_fail(image, "WebP: animations are not supported");
    return decode(image, &config);
}

/* PNG by libpng. Its errors leave by longjmp: what must be freed lies in struct reader, outside of
 * the function that is left. */
#include "image.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct ct_image *image;
    size_t used_bytes;
    uint8_t *rows;
};

static void on_error(png_structp png, png_const_charp text)
{
    struct reader *reader = png_get_error_ptr(png);
    ct_image_fail(reader->image, "PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep to, size_t n)
{
    struct reader *reader = png_get_io_ptr(png);
    if (n > reader->image->size_bytes - reader->used_bytes)
        png_error(png, "the data is cut off");
    memcpy(to, reader->image->data + reader->used_bytes, n);
    reader->used_bytes += n;
}

/* Everything to 8 bits, gray or RGB. */
static void set_transforms(png_structp png, png_infop info)
{
    int color = png_get_color_type(png, info);
    png_set_strip_16(png);
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (!(color & PNG_COLOR_MASK_COLOR))
        png_set_expand_gray_1_2_4_to_8(png);
    png_set_strip_alpha(png);
}

static bool read_rows(struct reader *reader, png_structp png, int channels, int passes)
{
    struct ct_image *image = reader->image;
    size_t row_bytes = image->width * (size_t)channels;
    /* The passes of an interlaced image each fill in some pixels of rows of the ones before. */
    reader->rows = calloc(passes > 1 ? image->height : 1, row_bytes);
    if (!reader->rows)
        return ct_image_fail_memory(image);
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < image->height; y++) {
            uint8_t *row = reader->rows + (passes > 1 ? y * row_bytes : 0);
            png_read_row(png, row, NULL);
            if (pass == passes - 1)
                ct_image_row(image, y, row, channels);
        }
    return true;
}

static bool read_image(struct reader *reader, png_structp png, png_infop info)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_read_fn(png, reader, read_bytes);
    png_set_user_limits(png, INT32_MAX, INT32_MAX); /* ct_image_begin has limits of its own */
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 24);
    png_read_info(png, info);
    if (!ct_image_begin(reader->image, png_get_image_width(png, info),
                        png_get_image_height(png, info)))
        return false;
    set_transforms(png, info);
    int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    int channels = png_get_channels(png, info);
    if (png_get_rowbytes(png, info) != reader->image->width * (size_t)channels)
        return ct_image_fail(reader->image, "PNG: the form of the pixels is not supported");
    return read_rows(reader, png, channels, passes);
}

bool ct_image_png(struct ct_image *image)
{
    struct reader reader = {.image = image};
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool good = info ? read_image(&reader, png, info) : ct_image_fail_memory(image);
    png_destroy_read_struct(&png, &info, NULL);
    free(reader.rows);
    return good;
}

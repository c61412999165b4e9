/* Windows bitmaps without compression: 1, 4 and 8 bits with a palette, 24 and 32 bits. */
#include "image.h"

#include <stdlib.h>

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, RAW = 0, BIT_FIELDS = 3 };

struct bmp {
    struct ct_image *image;
    const uint8_t *rows;
    size_t stride_bytes;
    uint32_t bits;
    const uint8_t *palette;
    uint32_t n_colors, color_bytes;
    bool from_top;
};

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

/* One row as RGB. An index past the palette is black. */
static void unpack(const struct bmp *bmp, const uint8_t *from, uint8_t *to)
{
    for (size_t x = 0; x < bmp->image->width; x++, to += 3) {
        const uint8_t black[3] = {0}, *color = from + x * (bmp->bits / 8);
        if (bmp->bits <= 8) {
            size_t bit = x * bmp->bits;
            uint32_t index =
                (uint32_t)from[bit / 8] >> (8 - bmp->bits - bit % 8) & ((1u << bmp->bits) - 1);
            color = index < bmp->n_colors ? bmp->palette + index * bmp->color_bytes : black;
        }
        to[0] = color[2];
        to[1] = color[1];
        to[2] = color[0];
    }
}

static bool read_rows(const struct bmp *bmp)
{
    struct ct_image *image = bmp->image;
    uint8_t *row = malloc(image->width * 3);
    if (!row)
        return ct_image_fail_memory(image);
    for (size_t y = 0; y < image->height; y++) {
        size_t from = bmp->from_top ? y : image->height - 1 - y;
        unpack(bmp, bmp->rows + from * bmp->stride_bytes, row);
        ct_image_row(image, y, row, 3);
    }
    free(row);
    return true;
}

/* The colours lie between the header and the pixels. */
static bool find_palette(struct bmp *bmp, uint32_t header, uint32_t used)
{
    size_t at = (size_t)FILE_HEADER + header, there = 0;
    uint32_t most = 1u << bmp->bits;
    bmp->color_bytes = header == CORE_HEADER ? 3 : 4;
    if (at < bmp->image->size_bytes)
        there = (bmp->image->size_bytes - at) / bmp->color_bytes;
    bmp->n_colors = used && used < most ? used : most;
    if (there < bmp->n_colors) {
        ct_image_fail(bmp->image, "BMP: the palette of %u colours ends after %zu", bmp->n_colors,
                      there);
        return false;
    }
    bmp->palette = bmp->image->data + at;
    return true;
}

static bool plain_masks(const uint8_t *d, size_t size_bytes)
{
    size_t at = FILE_HEADER + INFO_HEADER;
    return size_bytes >= at + 12 && u32(d + at) == 0xff0000 && u32(d + at + 4) == 0xff00 &&
           u32(d + at + 8) == 0xff;
}

bool ct_image_bmp(struct ct_image *image)
{
    const uint8_t *d = image->data;
    struct bmp bmp = {.image = image};
    if (image->size_bytes < FILE_HEADER + CORE_HEADER)
        return ct_image_fail(image, "BMP: the header is cut off");
    uint32_t offset = u32(d + 10), header = u32(d + 14), compression = RAW, used = 0;
    int64_t width, height;
    if (header == CORE_HEADER) {
        width = u16(d + 18);
        height = u16(d + 20);
        bmp.bits = u16(d + 24);
    } else {
        if (header < INFO_HEADER || image->size_bytes < FILE_HEADER + INFO_HEADER)
            return ct_image_fail(image, "BMP: the header is cut off or unknown");
        width = (int32_t)u32(d + 18);
        height = (int32_t)u32(d + 22);
        bmp.bits = u16(d + 28);
        compression = u32(d + 30);
        used = u32(d + 46);
    }
    bmp.from_top = height < 0;
    height = height < 0 ? -height : height;
    uint32_t bits = bmp.bits;
    if (bits != 1 && bits != 4 && bits != 8 && bits != 24 && bits != 32)
        return ct_image_fail(image, "BMP: %u bits for a pixel, expected 1, 4, 8, 24 or 32", bits);
    bool masks = compression == BIT_FIELDS && bits == 32 && plain_masks(d, image->size_bytes);
    if (compression != RAW && !masks)
        return ct_image_fail(image, "BMP: compression %u, expected none", compression);
    if (width <= 0)
        return ct_image_fail(image, "BMP: width %lld", (long long)width);
    bmp.stride_bytes = ((size_t)width * bits + 31) / 32 * 4;
    size_t there = offset < image->size_bytes ? image->size_bytes - offset : 0;
    if ((uint64_t)height > there / bmp.stride_bytes)
        return ct_image_fail(image,
                             "BMP: %lld rows of %zu bytes do not fit the %zu bytes of pixels",
                             (long long)height, bmp.stride_bytes, there);
    bmp.rows = d + offset;
    if (bits <= 8 && !find_palette(&bmp, header, used))
        return false;
    return ct_image_begin(image, (uint64_t)width, (uint64_t)height) && read_rows(&bmp);
}

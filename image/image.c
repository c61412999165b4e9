#include "image.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool ct_image_fail(struct ct_image *image, const char *format, ...)
{
    if (image->status != CORTEN_IMAGE_OK)
        return false;
    image->status = CORTEN_IMAGE_INVALID;
    va_list list;
    va_start(list, format);
    vsnprintf(image->request->text, sizeof image->request->text, format, list);
    va_end(list);
    return false;
}

bool ct_image_fail_memory(struct ct_image *image)
{
    ct_image_fail(image, "no memory to decode the image");
    image->status = CORTEN_IMAGE_NO_MEMORY;
    return false;
}

bool ct_image_begin(struct ct_image *image, uint64_t width, uint64_t height)
{
    struct corten_image_request *request = image->request;
    uint64_t most = request->max_pixels < SIZE_MAX / 8 ? request->max_pixels : SIZE_MAX / 8;
    if (width == 0 || height == 0)
        return ct_image_fail(image, "the image has no pixels: %llu x %llu",
                             (unsigned long long)width, (unsigned long long)height);
    if (width > most / height) {
        ct_image_fail(image, "the image is %llu x %llu, at most %llu pixels are possible",
                      (unsigned long long)width, (unsigned long long)height,
                      (unsigned long long)most);
        image->status = CORTEN_IMAGE_TOO_LARGE;
        return false;
    }
    image->width = (size_t)width;
    image->height = (size_t)height;
    image->pixels = request->alloc(request->arg, (int64_t)height, (int64_t)width,
                                   request->format == CORTEN_IMAGE_GRAYSCALE ? 1 : 3);
    return image->pixels || ct_image_fail_memory(image);
}

static void to_gray(uint8_t *to, const uint8_t *from, size_t n, int channels)
{
    for (size_t i = 0; i < n; i++, from += channels)
        to[i] = channels < 3
                    ? from[0]
                    : (uint8_t)((from[0] * 19595u + from[1] * 38470u + from[2] * 7471u + 0x8000u) >>
                                16);
}

void ct_image_row(struct ct_image *image, size_t y, const uint8_t *row, int channels)
{
    size_t n = image->width;
    if (image->request->format == CORTEN_IMAGE_GRAYSCALE) {
        to_gray(image->pixels + y * n, row, n, channels);
        return;
    }
    uint8_t *to = image->pixels + y * n * 3;
    /* Where red, green and blue lie in the row. */
    int red = 0, green = channels < 3 ? 0 : 1, blue = channels < 3 ? 0 : 2;
    bool swap = image->request->format == CORTEN_IMAGE_BGR;
    int first = swap ? blue : red, last = swap ? red : blue;
    for (size_t i = 0; i < n; i++, row += channels, to += 3) {
        to[0] = row[first];
        to[1] = row[green];
        to[2] = row[last];
    }
}

bool ct_image_starts(const struct ct_image *image, const char *magic, size_t n)
{
    return image->size_bytes >= n && memcmp(image->data, magic, n) == 0;
}

/* A form of file by its first bytes; "PNM" has more than one. */
struct form {
    const char *magic;
    size_t n;
    bool (*decode)(struct ct_image *image);
};

static const struct form forms[] = {
    {"BM", 2, ct_image_bmp},
    {"\xff\xd8\xff", 3, ct_image_jpeg},
    {"\0\0\0\x0cjP  \r\n\x87\n", 12, ct_image_jpeg2000}, /* a JP2 file */
    {"\xff\x4f\xff\x51", 4, ct_image_jpeg2000},          /* a bare codestream */
    {"\x89PNG\r\n\x1a\n", 8, ct_image_png},
    {"P1", 2, ct_image_pnm},
    {"P2", 2, ct_image_pnm},
    {"P3", 2, ct_image_pnm},
    {"P4", 2, ct_image_pnm},
    {"P5", 2, ct_image_pnm},
    {"P6", 2, ct_image_pnm},
    {"II*\0", 4, ct_image_tiff},
    {"MM\0*", 4, ct_image_tiff},
    {"RIFF", 4, ct_image_webp},
};

corten_image_status corten_image_decode_0(struct corten_image_request *request)
{
    struct ct_image image = {
        .data = request->data, .size_bytes = request->size_bytes, .request = request};
    request->text[0] = '\0';
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (ct_image_starts(&image, forms[i].magic, forms[i].n)) {
            if (!forms[i].decode(&image))
                ct_image_fail(&image, "the image cannot be decoded");
            return image.status;
        }
    ct_image_fail(&image,
                  "the data of %zu bytes is no BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP",
                  request->size_bytes);
    return image.status;
}

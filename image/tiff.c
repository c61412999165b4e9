/* TIFF by libtiff, the first image of the file. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

struct reader {
    struct ct_image *image;
    uint64_t at;
};

__attribute__((format(printf, 4, 0))) static int on_error(TIFF *tiff, void *arg, const char *module,
                                                          const char *format, va_list list)
{
    struct reader *reader = arg;
    char text[CORTEN_IMAGE_TEXT_BYTES / 2];
    (void)tiff;
    vsnprintf(text, sizeof text, format, list);
    ct_image_fail(reader->image, "TIFF: %s: %s", module ? module : "reading", text);
    return 1;
}

__attribute__((format(printf, 4, 0))) static int on_warning(TIFF *tiff, void *arg,
                                                            const char *module, const char *format,
                                                            va_list list)
{
    (void)tiff;
    (void)arg;
    (void)module;
    (void)format;
    (void)list;
    return 1;
}

static tmsize_t read_bytes(thandle_t handle, void *to, tmsize_t n)
{
    struct reader *reader = handle;
    uint64_t size = reader->image->size_bytes;
    uint64_t left = reader->at < size ? size - reader->at : 0;
    size_t got = n <= 0 ? 0 : (uint64_t)n < left ? (size_t)n : (size_t)left;
    if (got)
        memcpy(to, reader->image->data + reader->at, got);
    reader->at += got;
    return (tmsize_t)got;
}

static tmsize_t write_nothing(thandle_t handle, void *from, tmsize_t n)
{
    (void)handle;
    (void)from;
    (void)n;
    return 0;
}

static toff_t seek(thandle_t handle, toff_t offset, int from)
{
    struct reader *reader = handle;
    uint64_t base = from == SEEK_CUR   ? reader->at
                    : from == SEEK_END ? reader->image->size_bytes
                                       : 0;
    reader->at = base + offset; /* a place past the end reads as nothing */
    return reader->at;
}

static int close_nothing(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle)
{
    const struct reader *reader = handle;
    return reader->image->size_bytes;
}

static bool read_image(struct ct_image *image, TIFF *tiff)
{
    uint32_t width = 0, height = 0;
    char text[1024]; /* as large as libtiff asks for */
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height))
        return ct_image_fail(image, "TIFF: width or height is missing");
    if (!TIFFRGBAImageOK(tiff, text))
        return ct_image_fail(image, "TIFF: %s", text);
    if (!ct_image_begin(image, width, height))
        return false;
    uint32_t *raster = calloc(image->width * image->height, sizeof *raster);
    uint8_t *row = malloc(image->width * 3);
    bool good = raster && row ? true : ct_image_fail_memory(image);
    if (good && !TIFFReadRGBAImageOriented(tiff, width, height, raster, ORIENTATION_TOPLEFT, 1))
        good = ct_image_fail(image, "TIFF: the pixels cannot be read");
    for (size_t y = 0; good && y < image->height; y++) {
        for (size_t x = 0; x < image->width; x++) {
            uint32_t pixel = raster[y * image->width + x];
            row[x * 3] = (uint8_t)TIFFGetR(pixel);
            row[x * 3 + 1] = (uint8_t)TIFFGetG(pixel);
            row[x * 3 + 2] = (uint8_t)TIFFGetB(pixel);
        }
        ct_image_row(image, y, row, 3);
    }
    free(row);
    free(raster);
    return good;
}

bool ct_image_tiff(struct ct_image *image)
{
    struct reader reader = {.image = image};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options)
        return ct_image_fail_memory(image);
    /* Handlers of this one file: those of the process are not ours to set. */
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &reader);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, &reader);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 31);
    TIFF *tiff = TIFFClientOpenExt("image", "rm", &reader, read_bytes, write_nothing, seek,
                                   close_nothing, size_of, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    bool good = tiff ? read_image(image, tiff) : ct_image_fail(image, "TIFF: no TIFF file");
    if (tiff)
        TIFFClose(tiff);
    /* What libtiff calls an error it may still pass over; the image is then not whole. */
    return good && image->status == CORTEN_IMAGE_OK;
}

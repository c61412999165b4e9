/* What the decoders of the module share. Each is one file with one function that reads
 * image->data, calls ct_image_begin once the size is known, then ct_image_row for every row. */
#ifndef CT_IMAGE_IMAGE_H
#define CT_IMAGE_IMAGE_H

#include <corten/corten_image.h>

#include <stdbool.h>

struct ct_image {
    const uint8_t *data;
    size_t size_bytes;
    size_t width, height; /* set by ct_image_begin */
    /* For the functions below. */
    struct corten_image_request *request;
    uint8_t *pixels;
    corten_image_status status;
};

/** INVALID with that text; returns false. The first failure is the one that is told. */
bool ct_image_fail(struct ct_image *image, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/** NO_MEMORY; returns false. */
bool ct_image_fail_memory(struct ct_image *image);
/** Checks the size and gets the memory for the pixels. False: failed. After it, width * height * 8
 *  fits a size_t. */
bool ct_image_begin(struct ct_image *image, uint64_t width, uint64_t height);
/** Converts row y. channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. */
void ct_image_row(struct ct_image *image, size_t y, const uint8_t *row, int channels);
/** The first bytes are those. */
bool ct_image_starts(const struct ct_image *image, const char *magic, size_t n);

/* False: failed, and ct_image_fail, ct_image_fail_memory or ct_image_begin said why. */
bool ct_image_bmp(struct ct_image *image);
bool ct_image_jpeg(struct ct_image *image);
bool ct_image_jpeg2000(struct ct_image *image);
bool ct_image_png(struct ct_image *image);
bool ct_image_pnm(struct ct_image *image);
bool ct_image_tiff(struct ct_image *image);
bool ct_image_webp(struct ct_image *image);

#endif

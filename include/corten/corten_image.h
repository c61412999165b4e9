/* The interface between libcorten and its module that decodes images, a shared library of its own:
 * only that one depends on libjpeg, libpng, libtiff, libwebp and OpenJPEG. libcorten opens it when a
 * model first needs it; programs need not include this.
 *
 * A change that breaks the interface takes another name for the module and for its function. */
#ifndef CORTEN_CORTEN_IMAGE_H
#define CORTEN_CORTEN_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** File name of the module, and the name of its only function. */
#define CORTEN_IMAGE_MODULE "libcorten_image.so.0"
#define CORTEN_IMAGE_DECODE "corten_image_decode_0"

enum { CORTEN_IMAGE_TEXT_BYTES = 256 };

typedef enum corten_image_format {
    CORTEN_IMAGE_RGB = 0,
    CORTEN_IMAGE_BGR = 1,
    CORTEN_IMAGE_GRAYSCALE = 2 /* (19595 R + 38470 G + 7471 B + 32768) >> 16 */
} corten_image_format;

typedef enum corten_image_status {
    CORTEN_IMAGE_OK = 0,
    CORTEN_IMAGE_INVALID = 1, /* no image, a damaged one, or a form that is not supported */
    CORTEN_IMAGE_TOO_LARGE = 2,
    CORTEN_IMAGE_NO_MEMORY = 3 /* alloc gave NULL, or the decoder found no memory of its own */
} corten_image_status;

struct corten_image_request {
    const void *data; /* an encoded image; borrowed */
    size_t size_bytes;
    corten_image_format format;
    uint64_t max_pixels; /* a larger image is refused before memory is asked for */
    /** Called at most once, when the size is known: gives memory for height * width * channels
     *  bytes (channels: 1 or 3), which stays the caller's also when decoding fails later. */
    void *(*alloc)(void *arg, int64_t height, int64_t width, int64_t channels);
    void *arg;
    char text[CORTEN_IMAGE_TEXT_BYTES]; /* what is wrong, when the status is not OK */
};

/** Decodes BMP, JPEG, JPEG 2000, PNG, PNM, TIFF or WebP, told by the first bytes. Fills the memory of
 *  alloc with rows from the top, pixels from the left, channels within. Alpha is dropped. Thread
 *  safe. */
typedef corten_image_status corten_image_decode_fn(struct corten_image_request *request);
__attribute__((visibility("default"))) corten_image_decode_fn corten_image_decode_0;

#ifdef __cplusplus
}
#endif
#endif

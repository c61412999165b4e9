/* JPEG by libjpeg. Its errors leave by longjmp: what must be freed lies in struct reader, outside of
 * the function that is left. */
#include "image.h"

#include <setjmp.h>
#include <stdio.h> /* jpeglib.h needs it */
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

/* A progressive image of a few bytes can ask for a pass over all pixels with every one of them. */
enum { MAX_SCANS = 200 };

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct ct_image *image;
    uint8_t *row;
    jmp_buf leave;
};

static void on_error(j_common_ptr jpeg)
{
    struct reader *reader = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    if (jpeg->err->msg_code == JERR_OUT_OF_MEMORY)
        ct_image_fail_memory(reader->image);
    else
        ct_image_fail(reader->image, "JPEG: %s", text);
    longjmp(reader->leave, 1);
}

/* libjpeg would fill an image that is cut off with gray. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF)
        on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    struct reader *reader = jpeg->client_data;
    if (reader->jpeg.input_scan_number > MAX_SCANS) {
        ct_image_fail(reader->image, "JPEG: more than %d scans", MAX_SCANS);
        longjmp(reader->leave, 1);
    }
}

/* Adobe's files hold the complement of each ink. */
static void inks_to_rgb(uint8_t *row, size_t n, bool complement)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from = row + i * 4;
        unsigned flip = complement ? 0 : 255, black = from[3] ^ flip;
        for (int c = 0; c < 3; c++)
            row[i * 3 + (size_t)c] = (uint8_t)(((from[c] ^ flip) * black + 127) / 255);
    }
}

static bool read_image(struct reader *reader)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    struct ct_image *image = reader->image;
    if (setjmp(reader->leave))
        return false;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &reader->progress;
    jpeg_mem_src(jpeg, image->data, (unsigned long)image->size_bytes);
    jpeg_read_header(jpeg, TRUE);
    if (!ct_image_begin(image, jpeg->image_width, jpeg->image_height))
        return false;
    bool inks = jpeg->num_components == 4;
    jpeg->out_color_space = inks ? JCS_CMYK : jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(jpeg);
    reader->row = malloc(image->width * (size_t)jpeg->output_components);
    if (!reader->row)
        return ct_image_fail_memory(image);
    while (jpeg->output_scanline < jpeg->output_height) {
        size_t y = jpeg->output_scanline;
        if (jpeg_read_scanlines(jpeg, &reader->row, 1) != 1)
            return ct_image_fail(image, "JPEG: row %zu cannot be read", y);
        if (inks)
            inks_to_rgb(reader->row, image->width, jpeg->saw_Adobe_marker != 0);
        ct_image_row(image, y, reader->row, inks ? 3 : jpeg->output_components);
    }
    return true;
}

bool ct_image_jpeg(struct ct_image *image)
{
    struct reader reader = {.image = image};
    reader.jpeg.err = jpeg_std_error(&reader.errors);
    reader.jpeg.client_data = &reader;
    reader.errors.error_exit = on_error;
    reader.errors.emit_message = on_message;
    reader.progress.progress_monitor = on_progress;
    bool good = read_image(&reader);
    jpeg_destroy_decompress(&reader.jpeg);
    free(reader.row);
    return good;
}

/* JPEG 2000 by OpenJPEG: one to four components, gray, RGB or YCC, with or without alpha. */
#include "image.h"

#include <stdlib.h>
#include <string.h>

#include <openjpeg.h>

struct reader {
    struct ct_image *image;
    size_t at;
};

static void on_error(const char *text, void *arg)
{
    size_t n = strcspn(text, "\n");
    ct_image_fail(arg, "JPEG 2000: %.*s", n < 200 ? (int)n : 200, text);
}

static void on_message(const char *text, void *arg)
{
    (void)text;
    (void)arg;
}

static OPJ_SIZE_T read_bytes(void *to, OPJ_SIZE_T n, void *arg)
{
    struct reader *reader = arg;
    size_t left = reader->image->size_bytes - reader->at;
    if (left == 0)
        return (OPJ_SIZE_T)-1;
    n = n < left ? n : left;
    memcpy(to, reader->image->data + reader->at, n);
    reader->at += n;
    return n;
}

static OPJ_OFF_T skip(OPJ_OFF_T n, void *arg)
{
    struct reader *reader = arg;
    size_t left = reader->image->size_bytes - reader->at;
    if (n < 0 || left == 0)
        return -1;
    n = (size_t)n < left ? n : (OPJ_OFF_T)left;
    reader->at += (size_t)n;
    return n;
}

static OPJ_BOOL seek(OPJ_OFF_T at, void *arg)
{
    struct reader *reader = arg;
    if (at < 0 || (size_t)at > reader->image->size_bytes)
        return OPJ_FALSE;
    reader->at = (size_t)at;
    return OPJ_TRUE;
}

/* One sample as 8 bits; a component that is coarser than the image is read as it is nearest. */
static int sample(const opj_image_comp_t *c, const struct ct_image *image, size_t x, size_t y)
{
    size_t at = (y * c->h / image->height) * c->w + x * c->w / image->width;
    int64_t v = c->data[at], most = ((int64_t)1 << c->prec) - 1;
    v += c->sgnd ? (int64_t)1 << (c->prec - 1) : 0;
    v = v < 0 ? 0 : v > most ? most : v;
    return (int)(c->prec > 8 ? v >> (c->prec - 8) : c->prec == 8 ? v : v * 255 / most);
}

static uint8_t clamp(double v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v + 0.5);
}

static void ycc_to_rgb(uint8_t *p)
{
    double y = p[0], cb = p[1] - 128.0, cr = p[2] - 128.0;
    p[0] = clamp(y + 1.402 * cr);
    p[1] = clamp(y - 0.344136 * cb - 0.714136 * cr);
    p[2] = clamp(y + 1.772 * cb);
}

static bool write_rows(struct ct_image *image, const opj_image_t *from)
{
    int channels = from->numcomps < 3 ? 1 : 3;
    bool ycc = channels == 3 && from->color_space == OPJ_CLRSPC_SYCC;
    for (int c = 0; c < channels; c++)
        if (!from->comps[c].data || !from->comps[c].w || !from->comps[c].h)
            return ct_image_fail(image, "JPEG 2000: component %d is missing", c);
    uint8_t *row = malloc(image->width * (size_t)channels);
    if (!row)
        return ct_image_fail_memory(image);
    for (size_t y = 0; y < image->height; y++) {
        for (size_t x = 0; x < image->width; x++) {
            uint8_t *to = row + x * (size_t)channels;
            for (int c = 0; c < channels; c++)
                to[c] = (uint8_t)sample(&from->comps[c], image, x, y);
            if (ycc)
                ycc_to_rgb(to);
        }
        ct_image_row(image, y, row, channels);
    }
    free(row);
    return true;
}

static bool check_components(struct ct_image *image, const opj_image_t *from)
{
    if (from->numcomps < 1 || from->numcomps > 4)
        return ct_image_fail(image, "JPEG 2000: %u components, expected 1 to 4", from->numcomps);
    for (uint32_t i = 0; i < from->numcomps; i++)
        if (from->comps[i].prec < 1 || from->comps[i].prec > 31)
            return ct_image_fail(image, "JPEG 2000: %u bits for a sample", from->comps[i].prec);
    return true;
}

static bool decode(struct ct_image *image, opj_codec_t *codec, opj_stream_t *stream,
                   opj_image_t **from)
{
    opj_dparameters_t parameters;
    opj_set_default_decoder_parameters(&parameters);
    opj_set_error_handler(codec, on_error, image);
    opj_set_warning_handler(codec, on_message, NULL);
    opj_set_info_handler(codec, on_message, NULL);
    if (!opj_setup_decoder(codec, &parameters) || !opj_decoder_set_strict_mode(codec, OPJ_TRUE) ||
        !opj_read_header(stream, codec, from))
        return ct_image_fail(image, "JPEG 2000: the header cannot be read");
    if (!check_components(image, *from) || (*from)->x1 < (*from)->x0 || (*from)->y1 < (*from)->y0)
        return ct_image_fail(image, "JPEG 2000: the size is wrong");
    if (!ct_image_begin(image, (*from)->x1 - (*from)->x0, (*from)->y1 - (*from)->y0))
        return false;
    if (!opj_decode(codec, stream, *from) || !opj_end_decompress(codec, stream))
        return ct_image_fail(image, "JPEG 2000: the pixels cannot be read");
    return write_rows(image, *from);
}

bool ct_image_jpeg2000(struct ct_image *image)
{
    struct reader reader = {.image = image};
    bool bare = ct_image_starts(image, "\xff\x4f", 2);
    opj_codec_t *codec = opj_create_decompress(bare ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    opj_image_t *from = NULL;
    bool good = false;
    if (codec && stream) {
        opj_stream_set_user_data(stream, &reader, NULL);
        opj_stream_set_user_data_length(stream, image->size_bytes);
        opj_stream_set_read_function(stream, read_bytes);
        opj_stream_set_skip_function(stream, skip);
        opj_stream_set_seek_function(stream, seek);
        good = decode(image, codec, stream, &from);
    } else {
        ct_image_fail_memory(image);
    }
    opj_image_destroy(from);
    if (stream)
        opj_stream_destroy(stream);
    if (codec)
        opj_destroy_codec(codec);
    return good;
}

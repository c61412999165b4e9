/* ImageDecoder: an encoded image to bytes of pixels. The decoders are a module of its own, because
 * they need libraries that the rest does without. */
#include "graph/op.h"

#include <corten/corten_image.h>

#include <string.h>

static const uint64_t max_pixels = (uint64_t)1 << 28;

struct image_decoder {
    corten_image_decode_fn *decode;
    corten_image_format format;
};

struct output {
    const struct ct_run *run;
    ct_status status;
};

static const struct {
    const char *name;
    corten_image_format format;
} formats[] = {
    {"RGB", CORTEN_IMAGE_RGB},
    {"BGR", CORTEN_IMAGE_BGR},
    {"Grayscale", CORTEN_IMAGE_GRAYSCALE},
};

static bool find_format(const struct ct_node *node, corten_image_format *format)
{
    corten_string name = ct_attr_string(node, "pixel_format");
    *format = CORTEN_IMAGE_RGB;
    if (!ct_node_attr(node, "pixel_format"))
        return true;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (name.size_bytes == strlen(formats[i].name) &&
            memcmp(name.data, formats[i].name, name.size_bytes) == 0) {
            *format = formats[i].format;
            return true;
        }
    return false;
}

static ct_status infer_image_decoder(struct ct_infer *infer)
{
    corten_image_format format;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, 1));
    if (!find_format(infer->node, &format))
        return ct_infer_fail(infer, "pixel_format is none of RGB, BGR and Grayscale");
    ct_dim dims[3] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, format == CORTEN_IMAGE_GRAYSCALE ? 1 : 3};
    ct_infer_set(infer, 0, CORTEN_U8, 3, dims);
    return CORTEN_OK;
}

static ct_status prepare_image_decoder(struct ct_prepare *prepare)
{
    struct image_decoder *s = ct_prepare_alloc(prepare, sizeof *s);
    void *module, *symbol;
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "ImageDecoder");
    find_format(prepare->node, &s->format);
    ct_status status = ct_os_library_open(CORTEN_IMAGE_MODULE, &module, prepare->error);
    if (status != CORTEN_OK) {
        ct_error_prefix(prepare->error, "ImageDecoder needs the module %s, which is not installed",
                        CORTEN_IMAGE_MODULE);
        return status;
    }
    symbol = ct_os_library_symbol(module, CORTEN_IMAGE_DECODE);
    ct_os_library_close(module);
    if (!symbol)
        return ct_fail(prepare->error, CORTEN_NO_SUCH_FILE, "ImageDecoder: %s has no function %s",
                       CORTEN_IMAGE_MODULE, CORTEN_IMAGE_DECODE);
    memcpy(&s->decode, &symbol, sizeof symbol); /* ISO C has no cast of data to functions */
    prepare->state = s;
    return CORTEN_OK;
}

static void *alloc_output(void *arg, int64_t height, int64_t width, int64_t channels)
{
    struct output *output = arg;
    const int64_t dims[3] = {height, width, channels};
    output->status = ct_run_output(output->run, 0, CORTEN_U8, 3, dims);
    return output->status == CORTEN_OK ? output->run->out[0]->data : NULL;
}

static ct_status run_image_decoder(const struct ct_run *run)
{
    const struct image_decoder *s = run->state;
    struct output output = {.run = run};
    if (!run->out[0])
        return CORTEN_OK;
    struct corten_image_request request = {
        .data = run->in[0]->data,
        .size_bytes = ct_count(run->in[0]),
        .format = s->format,
        .max_pixels = max_pixels,
        .alloc = alloc_output,
        .arg = &output,
    };
    corten_image_status status = s->decode(&request);
    if (output.status != CORTEN_OK)
        return output.status;
    if (status == CORTEN_IMAGE_TOO_LARGE)
        return ct_fail(run->exec->error, CORTEN_LIMIT_EXCEEDED, "ImageDecoder: %s", request.text);
    if (status == CORTEN_IMAGE_NO_MEMORY)
        return ct_fail(run->exec->error, CORTEN_OUT_OF_MEMORY, "ImageDecoder: %s", request.text);
    if (status != CORTEN_IMAGE_OK)
        return ct_run_fail(run, "%s", request.text);
    return CORTEN_OK;
}

const struct ct_op ct_op_image_decoder = {
    .infer = infer_image_decoder,
    .prepare = prepare_image_decoder,
    .run = run_image_decoder,
    .flags = CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
};

/* ImageDecoder: every form of file, the three formats of pixels, and data that is cut off, damaged
 * or lies about its size. Skipped where the module was not built. */
#include "os/os.h"
#include "support/one_node.h"

#include "ops/nn/encoded_images.h"

#include <corten/corten_image.h>

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { WIDTH = 5, HEIGHT = 3, N_IMAGES = sizeof encoded_images / sizeof *encoded_images };

static void need_module(void)
{
    void *module;
    if (ct_os_library_open(CORTEN_IMAGE_MODULE, &module, NULL) != CORTEN_OK)
        skip();
    ct_os_library_close(module);
}

/* The bytes are copied to memory of exactly that size, so that a sanitizer sees reads past it. */
static ct_status decode(struct one_node *one, const unsigned char *data, size_t size_bytes,
                        const char *format)
{
    int64_t dims = (int64_t)size_bytes;
    unsigned char *copy = malloc(size_bytes ? size_bytes : 1);
    assert_non_null(copy);
    if (size_bytes)
        memcpy(copy, data, size_bytes);
    one_node_init(one, "", "ImageDecoder", 20, 1, 1);
    if (format)
        one_node_text(one, "pixel_format", format);
    one_node_input(one, 0, CORTEN_U8, 1, &dims, copy);
    ct_status status = one_node_run(one);
    if (status != CORTEN_OK)
        assert_true(one->error.text[0] != 0);
    free(copy);
    return status;
}

static void pixel(int x, int y, unsigned char *rgb)
{
    rgb[0] = (unsigned char)(x * 50);
    rgb[1] = (unsigned char)(y * 100);
    rgb[2] = (unsigned char)(y ? 255 - x * 40 : 7);
}

static void forms_without_loss_give_the_very_pixels(void **state)
{
    (void)state;
    need_module();
    for (size_t i = 0; i < N_IMAGES; i++) {
        const struct encoded_image *image = &encoded_images[i];
        struct one_node one;
        assert_int_equal(decode(&one, image->data, image->size_bytes, NULL), CORTEN_OK);
        assert_int_equal(one.out[0].rank, 3);
        assert_int_equal(one.out[0].dims[0], HEIGHT);
        assert_int_equal(one.out[0].dims[1], WIDTH);
        assert_int_equal(one.out[0].dims[2], 3);
        const unsigned char *got = one.out[0].data;
        for (int p = 0; image->exact && p < WIDTH * HEIGHT; p++) {
            unsigned char rgb[3];
            pixel(p % WIDTH, p / WIDTH, rgb);
            assert_memory_equal(got + p * 3, rgb, 3);
        }
        one_node_deinit(&one);
    }
}

static void bgr_and_grayscale_follow_from_rgb(void **state)
{
    (void)state;
    need_module();
    for (size_t i = 0; i < N_IMAGES; i++) {
        const struct encoded_image *image = &encoded_images[i];
        struct one_node rgb, bgr, gray;
        assert_int_equal(decode(&rgb, image->data, image->size_bytes, "RGB"), CORTEN_OK);
        assert_int_equal(decode(&bgr, image->data, image->size_bytes, "BGR"), CORTEN_OK);
        assert_int_equal(decode(&gray, image->data, image->size_bytes, "Grayscale"), CORTEN_OK);
        assert_int_equal(gray.out[0].dims[2], 1);
        const unsigned char *a = rgb.out[0].data, *b = bgr.out[0].data, *g = gray.out[0].data;
        for (int p = 0; p < WIDTH * HEIGHT; p++, a += 3, b += 3) {
            assert_int_equal(b[0], a[2]);
            assert_int_equal(b[1], a[1]);
            assert_int_equal(b[2], a[0]);
            assert_int_equal(g[p], (a[0] * 19595 + a[1] * 38470 + a[2] * 7471 + 0x8000) >> 16);
        }
        one_node_deinit(&rgb);
        one_node_deinit(&bgr);
        one_node_deinit(&gray);
    }
}

/* Some forms have bytes at the end that say nothing; the first half they all need. */
static void data_that_is_cut_off_is_refused(void **state)
{
    (void)state;
    need_module();
    for (size_t i = 0; i < N_IMAGES; i++) {
        const struct encoded_image *image = &encoded_images[i];
        for (size_t n = 0; n < image->size_bytes; n++) {
            struct one_node one;
            ct_status status = decode(&one, image->data, n, "RGB");
            if (n <= image->size_bytes / 2)
                assert_int_not_equal(status, CORTEN_OK);
            one_node_deinit(&one);
        }
    }
}

/* Every byte is changed, in three ways: nothing may crash, be read past its end, or leak. */
static void damaged_data_is_refused_or_decoded(void **state)
{
    static const unsigned char flips[] = {0xff, 0x80, 0x01};
    (void)state;
    need_module();
    for (size_t i = 0; i < N_IMAGES; i++) {
        const struct encoded_image *image = &encoded_images[i];
        unsigned char *copy = malloc(image->size_bytes);
        assert_non_null(copy);
        for (size_t n = 0; n < image->size_bytes * sizeof flips; n++) {
            struct one_node one;
            memcpy(copy, image->data, image->size_bytes);
            copy[n / sizeof flips] ^= flips[n % sizeof flips];
            decode(&one, copy, image->size_bytes, "Grayscale");
            one_node_deinit(&one);
        }
        free(copy);
    }
}

static void a_size_past_the_limit_is_refused_before_memory_is_asked_for(void **state)
{
    /* A PNG's header may say what it likes; 2^31 - 1 pixels squared. */
    unsigned char png[sizeof image_png];
    struct one_node one;
    (void)state;
    need_module();
    memcpy(png, image_png, sizeof png);
    memcpy(png + 16, "\x7f\xff\xff\xff\x7f\xff\xff\xff", 8);
    memcpy(png + 29, "\x9b\xab\x9c\x31", 4); /* its checksum */
    assert_int_equal(decode(&one, png, sizeof png, "RGB"), CORTEN_LIMIT_EXCEEDED);
    one_node_deinit(&one);
}

static void what_is_no_image_is_refused(void **state)
{
    struct one_node one;
    (void)state;
    need_module();
    assert_int_equal(decode(&one, NULL, 0, "RGB"), CORTEN_RUN_FAILED);
    one_node_deinit(&one);
    assert_int_equal(decode(&one, (const unsigned char *)"GIF89a", 6, "RGB"), CORTEN_RUN_FAILED);
    assert_non_null(strstr(one.error.text, "no BMP, JPEG"));
    one_node_deinit(&one);
    assert_int_equal(decode(&one, (const unsigned char *)"P6 2 2 255\n123", 14, "RGB"),
                     CORTEN_RUN_FAILED);
    one_node_deinit(&one);
}

static void plain_and_deep_graymaps_are_scaled(void **state)
{
    static const char plain[] = "P2 # a comment\n3 1\n10\n0 5 10\n";
    static const char deep[] = "P5 2 1 65535\n\xff\xff\x80\x00";
    static const char bits[] = "P1 4 1 0110";
    struct one_node one;
    (void)state;
    need_module();
    assert_int_equal(decode(&one, (const unsigned char *)plain, sizeof plain - 1, "Grayscale"),
                     CORTEN_OK);
    assert_memory_equal(one.out[0].data, "\x00\x80\xff", 3);
    one_node_deinit(&one);
    assert_int_equal(decode(&one, (const unsigned char *)deep, sizeof deep - 1, "Grayscale"),
                     CORTEN_OK);
    assert_memory_equal(one.out[0].data, "\xff\x80", 2);
    one_node_deinit(&one);
    assert_int_equal(decode(&one, (const unsigned char *)bits, sizeof bits - 1, "Grayscale"),
                     CORTEN_OK);
    assert_memory_equal(one.out[0].data, "\xff\x00\x00\xff", 4);
    one_node_deinit(&one);
}

static void an_unknown_pixel_format_is_refused(void **state)
{
    struct one_node one;
    (void)state;
    assert_int_equal(decode(&one, image_png, sizeof image_png, "HSV"), CORTEN_INVALID_MODEL);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_without_loss_give_the_very_pixels),
        cmocka_unit_test(bgr_and_grayscale_follow_from_rgb),
        cmocka_unit_test(data_that_is_cut_off_is_refused),
        cmocka_unit_test(damaged_data_is_refused_or_decoded),
        cmocka_unit_test(a_size_past_the_limit_is_refused_before_memory_is_asked_for),
        cmocka_unit_test(what_is_no_image_is_refused),
        cmocka_unit_test(plain_and_deep_graymaps_are_scaled),
        cmocka_unit_test(an_unknown_pixel_format_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

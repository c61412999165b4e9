/* Recognises handwritten digits: opens models/digits/digits.onnx, runs it on each image that is
 * named on the command line, and draws the images with what the model makes of them.
 *
 *   digits MODEL IMAGE.png...
 *
 * Build against an installed library:
 *   cc -std=c17 digits.c $(pkg-config --cflags --libs corten stb) -lm -o digits */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stb_image.h>

#include <corten/corten.h>

enum { SIDE = 8, CLASSES = 10, PER_ROW = 4, CELL = 2 * SIDE + 4 };

struct digit {
    const char *name; /* of the file, without its folder; begins with the digit that it shows */
    float pixels[SIDE * SIDE];
    float probabilities[CLASSES];
    int best, second;
    double microseconds;
};

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static bool load_image(const char *path, struct digit *digit)
{
    int width, height, channels;
    unsigned char *bytes = stbi_load(path, &width, &height, &channels, 1);
    if (!bytes) {
        fprintf(stderr, "digits: %s: %s\n", path, stbi_failure_reason());
        return false;
    }
    bool right_size = width == SIDE && height == SIDE;
    if (right_size) {
        for (int i = 0; i < SIDE * SIDE; i++)
            digit->pixels[i] = (float)bytes[i] / 255.0f;
    } else {
        fprintf(stderr, "digits: %s: %dx%d pixels, expected 8x8\n", path, width, height);
    }
    stbi_image_free(bytes);
    const char *slash = strrchr(path, '/');
    digit->name = slash ? slash + 1 : path;
    return right_size;
}

static void softmax(const float *logits, struct digit *digit)
{
    float greatest = logits[0], sum = 0.0f;
    for (int i = 1; i < CLASSES; i++)
        greatest = fmaxf(greatest, logits[i]);
    for (int i = 0; i < CLASSES; i++)
        sum += digit->probabilities[i] = expf(logits[i] - greatest);
    for (int i = 0; i < CLASSES; i++)
        digit->probabilities[i] /= sum;
    digit->best = 0;
    for (int i = 1; i < CLASSES; i++)
        if (digit->probabilities[i] > digit->probabilities[digit->best])
            digit->best = i;
    digit->second = digit->best == 0;
    for (int i = 0; i < CLASSES; i++)
        if (i != digit->best && digit->probabilities[i] > digit->probabilities[digit->second])
            digit->second = i;
}

/* The input is the caller's memory and the output a new value, so nothing is copied. */
static corten_status classify(corten_session *session, struct digit *digit, corten_error *error)
{
    const int64_t dims[] = {1, 1, SIDE, SIDE};
    const char *input_name = "image", *output_name = "logits";
    corten_value *input = NULL, *output = NULL;
    corten_status status =
        corten_tensor_wrap(CORTEN_F32, 4, dims, digit->pixels, sizeof digit->pixels, &input, error);
    if (status != CORTEN_OK)
        return status;
    const corten_value *inputs[] = {input};
    double start = now_us();
    status = corten_session_run(session, &input_name, inputs, 1, &output_name, &output, 1, error);
    digit->microseconds = now_us() - start;
    if (status == CORTEN_OK)
        softmax(corten_tensor_const_data(output), digit);
    corten_value_destroy(output);
    corten_value_destroy(input);
    return status;
}

static void draw_row(const struct digit *digits, int count)
{
    static const char shades[] = " .:-=+*#%@";
    for (int y = 0; y < SIDE; y++) {
        for (int i = 0; i < count; i++) {
            for (int x = 0; x < SIDE; x++) {
                char shade = shades[(int)(digits[i].pixels[y * SIDE + x] * 9.0f + 0.5f)];
                printf("%c%c", shade, shade);
            }
            printf("    ");
        }
        putchar('\n');
    }
    char text[CELL + 1];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d  %5.1f %%", digits[i].best,
                 100.0 * (double)digits[i].probabilities[digits[i].best]);
        printf("%-*s", CELL, text);
    }
    putchar('\n');
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d  %5.1f %%", digits[i].second,
                 100.0 * (double)digits[i].probabilities[digits[i].second]);
        printf("%-*s", CELL, text);
    }
    putchar('\n');
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%-7.7s %6.1f us", digits[i].name, digits[i].microseconds);
        printf("%-*s", CELL, text);
    }
    printf("\n\n");
}

/* Returns false, with a message, when an image or a run fails. */
static bool recognise(corten_session *session, char **paths, int count)
{
    corten_error error;
    int right = 0;
    double least_us = INFINITY;
    for (int first = 0; first < count; first += PER_ROW) {
        struct digit row[PER_ROW];
        int in_row = count - first < PER_ROW ? count - first : PER_ROW;
        for (int i = 0; i < in_row; i++) {
            if (!load_image(paths[first + i], &row[i]))
                return false;
            if (classify(session, &row[i], &error) != CORTEN_OK) {
                fprintf(stderr, "digits: %s\n", error.text);
                return false;
            }
            right += row[i].name[0] == '0' + row[i].best;
            least_us = fmin(least_us, row[i].microseconds);
        }
        draw_row(row, in_row);
    }
    printf("%d of %d right; an image takes %.1f us with %d threads (the first one also plans)\n",
           right, count, least_us, corten_session_threads(session));
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: digits MODEL IMAGE.png...\n");
        return 2;
    }
    corten_error error;
    corten_session *session = NULL;
    double start = now_us();
    if (corten_session_open(argv[1], NULL, &session, &error) != CORTEN_OK) {
        fprintf(stderr, "digits: %s\n", error.text);
        return 1;
    }
    printf("Corten %s, model ready in %.1f ms\n\n", corten_version(), (now_us() - start) / 1e3);
    bool good = recognise(session, argv + 2, argc - 2);
    corten_session_close(session);
    return good ? 0 : 1;
}

/* Netpbm's bitmaps (P1, P4), graymaps (P2, P5) and pixmaps (P3, P6). */
#include "image.h"

#include <stdlib.h>

struct pnm {
    struct ct_image *image;
    const uint8_t *at, *end;
    int kind; /* 1 to 6 */
    int channels;
    uint32_t most; /* the number that stands for white, or in a bitmap for black */
};

/* After blanks and comments. */
static void skip_blanks(struct pnm *pnm)
{
    while (pnm->at < pnm->end) {
        uint8_t c = *pnm->at;
        if (c == '#') {
            while (pnm->at < pnm->end && *pnm->at != '\n' && *pnm->at != '\r')
                pnm->at++;
        } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
            pnm->at++;
        } else {
            return;
        }
    }
}

static bool read_number(struct pnm *pnm, uint32_t *number, const char *what)
{
    uint32_t n = 0;
    skip_blanks(pnm);
    const uint8_t *first = pnm->at;
    for (; pnm->at < pnm->end && *pnm->at >= '0' && *pnm->at <= '9'; pnm->at++) {
        n = n * 10 + (uint32_t)(*pnm->at - '0');
        if (n > 100000000)
            return ct_image_fail(pnm->image, "PNM: %s is too large", what);
    }
    if (pnm->at == first)
        return ct_image_fail(pnm->image, "PNM: %s is missing", what);
    *number = n;
    return true;
}

/* The digits of a plain bitmap need no blanks between them. */
static bool read_bit(struct pnm *pnm, uint32_t *bit)
{
    skip_blanks(pnm);
    if (pnm->at == pnm->end || (*pnm->at != '0' && *pnm->at != '1'))
        return ct_image_fail(pnm->image, "PNM: a bit is missing");
    *bit = *pnm->at++ == '1';
    return true;
}

static uint8_t scale(const struct pnm *pnm, uint32_t n)
{
    n = n < pnm->most ? n : pnm->most;
    if (pnm->most <= 1)
        return n ? 255 : 0;
    return (uint8_t)(pnm->most == 255 ? n : (n * 255u + pnm->most / 2) / pnm->most);
}

static bool read_plain_row(struct pnm *pnm, uint8_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t number = 0;
        if (pnm->kind == 1 ? !read_bit(pnm, &number) : !read_number(pnm, &number, "a sample"))
            return false;
        row[i] = pnm->kind == 1 ? (number ? 0 : 255) : scale(pnm, number);
    }
    return true;
}

static void read_raw_row(struct pnm *pnm, uint8_t *row, size_t n, size_t row_bytes)
{
    const uint8_t *from = pnm->at;
    for (size_t i = 0; i < n; i++)
        if (pnm->kind == 4)
            row[i] = from[i / 8] >> (7 - i % 8) & 1 ? 0 : 255;
        else
            row[i] = scale(pnm, pnm->most < 256 ? from[i]
                                                : (uint32_t)from[i * 2] << 8 | from[i * 2 + 1]);
    pnm->at += row_bytes;
}

static bool read_rows(struct pnm *pnm, size_t row_bytes)
{
    struct ct_image *image = pnm->image;
    size_t n = image->width * (size_t)pnm->channels;
    uint8_t *row = malloc(n);
    bool good = row ? true : ct_image_fail_memory(image);
    for (size_t y = 0; good && y < image->height; y++) {
        if (pnm->kind <= 3)
            good = read_plain_row(pnm, row, n);
        else
            read_raw_row(pnm, row, n, row_bytes);
        if (good)
            ct_image_row(image, y, row, pnm->channels);
    }
    free(row);
    return good;
}

bool ct_image_pnm(struct ct_image *image)
{
    struct pnm pnm = {.image = image,
                      .at = image->data + 2,
                      .end = image->data + image->size_bytes,
                      .kind = image->data[1] - '0',
                      .most = 1};
    uint32_t width, height;
    pnm.channels = pnm.kind % 3 == 0 ? 3 : 1;
    if (!read_number(&pnm, &width, "the width") || !read_number(&pnm, &height, "the height"))
        return false;
    if (pnm.kind % 3 != 1 && !read_number(&pnm, &pnm.most, "the largest sample"))
        return false;
    if (pnm.most == 0 || pnm.most > 65535)
        return ct_image_fail(image, "PNM: the largest sample is %u, expected 1 to 65535", pnm.most);
    pnm.at += pnm.at < pnm.end; /* the one blank before the samples */
    size_t there = (size_t)(pnm.end - pnm.at), row_bytes = (size_t)width * (size_t)pnm.channels;
    if (pnm.kind == 4)
        row_bytes = ((size_t)width + 7) / 8;
    else if (pnm.kind > 3 && pnm.most > 255)
        row_bytes *= 2;
    if (row_bytes && height > there / row_bytes)
        return ct_image_fail(image, "PNM: %u x %u samples do not fit the %zu bytes", width, height,
                             there);
    return ct_image_begin(image, width, height) && read_rows(&pnm, row_bytes);
}

#include "utf8.h"

#include <string.h>

static bool is_point(uint32_t point)
{
    return point <= 0x10FFFF && !(point >= 0xD800 && point <= 0xDFFF);
}

size_t ct_cli_utf8_decode(const char *text, size_t size_bytes, uint32_t *point)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    if (size_bytes == 0)
        return 0;
    if (bytes[0] < 0x80) {
        *point = bytes[0];
        return 1;
    }
    size_t size = (bytes[0] & 0xE0) == 0xC0   ? 2
                  : (bytes[0] & 0xF0) == 0xE0 ? 3
                  : (bytes[0] & 0xF8) == 0xF0 ? 4
                                              : 0;
    if (size == 0 || size > size_bytes)
        return 0;
    uint32_t value = bytes[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3F);
    }
    /* Longer than needed is not valid: two spellings of one name would pass for different. */
    if (value < least[size] || !is_point(value))
        return 0;
    *point = value;
    return size;
}

size_t ct_cli_utf8_encode(uint32_t point, char *text)
{
    if (!is_point(point))
        return 0;
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (point & 0x3F));
        point >>= 6;
    }
    text[0] = (char)(lead[size] | point);
    return size;
}

bool ct_cli_utf8_valid(const char *text, size_t size_bytes)
{
    uint32_t point = 0;
    for (size_t i = 0; i < size_bytes;) {
        size_t size = ct_cli_utf8_decode(text + i, size_bytes - i, &point);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

void ct_cli_utf8_clean(const char *text, size_t size_bytes, char *out)
{
    uint32_t point = 0;
    for (size_t i = 0; i < size_bytes;) {
        size_t size = ct_cli_utf8_decode(text + i, size_bytes - i, &point);
        if (size == 0) {
            out += ct_cli_utf8_encode(0xFFFD, out);
            i++;
            continue;
        }
        memcpy(out, text + i, size);
        out += size;
        i += size;
    }
    *out = '\0';
}

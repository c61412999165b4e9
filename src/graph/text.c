#include "graph/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_BYTES = 4096 };

void ct_text_init(struct ct_text *text, struct ct_arena *arena)
{
    *text = (struct ct_text){.arena = arena};
}

/* Doubles: what is outgrown stays in the arena, but adds up to less than the text. */
static bool reserve(struct ct_text *text, size_t more_bytes)
{
    size_t need;
    if (text->failed)
        return false;
    if (!ct_add_size(text->used_bytes, more_bytes, &need) || !ct_add_size(need, 1, &need)) {
        text->failed = true;
        return false;
    }
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity ? 2 * text->capacity : FIRST_BYTES;
    if (capacity < need)
        capacity = need;
    char *data = ct_arena_alloc(text->arena, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    if (text->used_bytes)
        memcpy(data, text->data, text->used_bytes);
    text->data = data;
    text->capacity = capacity;
    return true;
}

void ct_text_put_bytes(struct ct_text *text, const char *data, size_t size_bytes)
{
    if (!size_bytes || !reserve(text, size_bytes))
        return;
    memcpy(text->data + text->used_bytes, data, size_bytes);
    text->used_bytes += size_bytes;
}

void ct_text_put(struct ct_text *text, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        text->failed = true;
        return;
    }
    if ((size_t)n < sizeof small) {
        ct_text_put_bytes(text, small, (size_t)n);
        return;
    }
    if (!reserve(text, (size_t)n))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->used_bytes, (size_t)n + 1, format, args);
    va_end(args);
    text->used_bytes += (size_t)n;
}

char *ct_text_end(struct ct_text *text)
{
    if (!reserve(text, 0))
        return NULL;
    text->data[text->used_bytes] = '\0';
    return text->data;
}

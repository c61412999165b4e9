/* Text that grows in an arena. Running out of memory is remembered and told in the end. */
#ifndef CT_GRAPH_TEXT_H
#define CT_GRAPH_TEXT_H

#include "base/memory.h"

struct ct_text {
    struct ct_arena *arena; /* borrowed */
    char *data;
    size_t used_bytes, capacity;
    bool failed;
};

void ct_text_init(struct ct_text *text, struct ct_arena *arena);
void ct_text_put(struct ct_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ct_text_put_bytes(struct ct_text *text, const char *data, size_t size_bytes);
/** The NUL-terminated text; NULL when there was no memory. */
char *ct_text_end(struct ct_text *text);

#endif

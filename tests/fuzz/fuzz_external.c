/* The rules of external data: a model with one weight whose location, offset and length are the fuzz
 * bytes, read beneath a folder with one file, a link out of it and a folder. Whatever opens must lie
 * beneath the folder: the file outside holds other bytes, which must never be seen. */
#include "model/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { FILE_BYTES = 256, INSIDE = 0x11, OUTSIDE = 0x77, MAX_TEXT = 120 };

static char folder[64], inner[96];

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void write_file(const char *parent, const char *name, int byte)
{
    char path[128], bytes[FILE_BYTES];
    memset(bytes, byte, sizeof bytes);
    snprintf(path, sizeof path, "%s/%s", parent, name);
    FILE *file = fopen(path, "wb");
    require(file && fwrite(bytes, 1, sizeof bytes, file) == sizeof bytes);
    fclose(file);
}

static void link_to(const char *target, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", inner, name);
    require(symlink(target, path) == 0);
}

static void remove_all(void)
{
    static const char *const names[] = {"in/w", "in/l", "in/d/w", "in/d", "in/p", "in", "o", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

/* folder/o outside; folder/in/{w, d/w, l -> ../o, p -> ..} inside. */
static void make_folder(void)
{
    char path[128];
    strcpy(folder, "/tmp/fuzz_external.XXXXXX");
    require(mkdtemp(folder) != NULL);
    snprintf(inner, sizeof inner, "%s/in", folder);
    require(mkdir(inner, 0700) == 0);
    snprintf(path, sizeof path, "%s/d", inner);
    require(mkdir(path, 0700) == 0);
    write_file(folder, "o", OUTSIDE);
    write_file(inner, "w", INSIDE);
    write_file(path, "w", INSIDE);
    link_to("../o", "l");
    link_to("..", "p");
    atexit(remove_all);
}

struct text {
    uint8_t bytes[1024];
    size_t size;
};

static void put(struct text *text, const void *bytes, size_t size)
{
    require(text->size + size <= sizeof text->bytes);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

/* A field of wire type 2; sizes are below 16,384. */
static void put_field(struct text *text, uint8_t field, const void *bytes, size_t size)
{
    uint8_t head[3] = {(uint8_t)(field << 3 | 2), (uint8_t)(size | 0x80), (uint8_t)(size >> 7)};
    put(text, head, sizeof head);
    put(text, bytes, size);
}

static void put_entry(struct text *tensor, const char *key, const void *value, size_t size)
{
    struct text entry = {.size = 0};
    put_field(&entry, 1, key, strlen(key));
    put_field(&entry, 2, value, size);
    put_field(tensor, 13, entry.bytes, entry.size);
}

/* Up to the next 0 byte. */
static size_t next_text(const uint8_t **at, const uint8_t *end, const uint8_t **text)
{
    *text = *at;
    while (*at < end && **at)
        ++*at;
    size_t size = (size_t)(*at - *text);
    if (*at < end)
        ++*at;
    return size < MAX_TEXT ? size : MAX_TEXT;
}

static void make_model(struct text *model, const uint8_t *data, size_t size_bytes)
{
    static const char *const keys[] = {"location", "offset", "length", "checksum"};
    const uint8_t *at = data, *end = data + size_bytes, *text;
    struct text tensor = {.size = 0}, graph = {.size = 0};
    uint8_t count = at < end ? *at++ : 0;
    put(&tensor, (const uint8_t[]){8, count % 128, 16, CORTEN_U8}, 4); /* dims, data_type */
    put_field(&tensor, 8, "x", 1);
    for (size_t i = 0; i < 4 && at < end; i++) {
        size_t size = next_text(&at, end, &text);
        put_entry(&tensor, keys[i], text, size);
    }
    put(&tensor, (const uint8_t[]){14 << 3, 1}, 2); /* data_location: EXTERNAL */
    put_field(&graph, 5, tensor.bytes, tensor.size);
    put(model, (const uint8_t[]){8, 10, 0x42, 2, 16, 20}, 6); /* ir_version, opset_import */
    put_field(model, 7, graph.bytes, graph.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct text bytes = {.size = 0};
    struct ct_model *model;
    corten_error error;
    if (!folder[0])
        make_folder();
    make_model(&bytes, data, size_bytes);
    if (ct_model_read_memory(bytes.bytes, bytes.size, inner, NULL, "<fuzz>", NULL, &model,
                             &error) != CORTEN_OK)
        return 0;
    struct ct_value *x = ct_graph_find(model->graph, "x");
    if (x && x->constant && x->constant->data) {
        const uint8_t *weights = x->constant->data;
        for (size_t i = 0; i < ct_tensor_bytes(x->constant); i++)
            require(weights[i] == INSIDE);
    }
    ct_model_destroy(model);
    return 0;
}

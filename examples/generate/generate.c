/* Generates token by token with a KV cache that never leaves the library's memory: the keys and values
 * of one step are bound as the past of the next, without a copy.
 *
 *   generate MODEL [TEXT]
 *
 * MODEL is a GPT-2 that takes input_ids [1, 1] and past_N_key, past_N_value, and returns logits and
 * present_N_key, present_N_value: tests/models/gpt2-step-classic.onnx. That one is tiny and has
 * random weights; its tokens are read as characters, and the text is noise.
 *
 * Build against an installed library:
 *   cc -std=c17 generate.c $(pkg-config --cflags --libs corten) -o generate */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <corten/corten.h>

enum { FIRST = ' ', CHARACTERS = 95, POSITIONS = 64, STATES_MAX = 128 };

struct generator {
    corten_session *session;
    corten_binding *binding;
    corten_value *token;            /* [1, 1], which every step reads */
    corten_value *past[STATES_MAX]; /* what the binding borrows */
    corten_value_info states[STATES_MAX];
    size_t state_count;
    corten_error error;
};

static void clean_up(struct generator *g)
{
    corten_binding_destroy(g->binding);
    for (size_t i = 0; i < g->state_count; i++)
        corten_value_destroy(g->past[i]);
    corten_value_destroy(g->token);
    corten_session_close(g->session);
}

/* A past of length 0 for each state, and outputs that the library allocates. The logits are output
 * 0, and the presents follow in the order of the pasts. */
static corten_status bind_all(struct generator *g)
{
    corten_status status = corten_binding_bind_output(g->binding, "logits", NULL, &g->error);
    for (size_t i = 0; i < g->state_count && status == CORTEN_OK; i++) {
        const corten_value_info *info = &g->states[i];
        char present[256];
        int64_t dims[] = {1, info->dims[1], 0, info->dims[3]};
        snprintf(present, sizeof present, "present_%s", info->name + strlen("past_"));
        status = corten_tensor_create(NULL, info->dtype, 4, dims, &g->past[i], &g->error);
        if (status == CORTEN_OK)
            status = corten_binding_bind_input(g->binding, info->name, g->past[i], &g->error);
        if (status == CORTEN_OK)
            status = corten_binding_bind_output(g->binding, present, NULL, &g->error);
    }
    return status;
}

static corten_status open_generator(const char *path, struct generator *g)
{
    corten_status status = corten_session_open(path, NULL, &g->session, &g->error);
    if (status == CORTEN_OK)
        status = corten_tensor_create(NULL, CORTEN_I64, 2, (int64_t[]){1, 1}, &g->token, &g->error);
    if (status == CORTEN_OK)
        status = corten_binding_create(g->session, &g->binding, &g->error);
    if (status == CORTEN_OK)
        status = corten_binding_bind_input(g->binding, "input_ids", g->token, &g->error);
    for (size_t i = 0; status == CORTEN_OK && i < corten_session_input_count(g->session); i++) {
        corten_value_info info;
        status = corten_session_input_info(g->session, i, &info, &g->error);
        if (status == CORTEN_OK && !strncmp(info.name, "past_", 5) && info.rank == 4 &&
            g->state_count < STATES_MAX)
            g->states[g->state_count++] = info;
    }
    return status == CORTEN_OK ? bind_all(g) : status;
}

/* Takes one token in and writes the likeliest next one. */
static corten_status step(struct generator *g, int64_t token, int64_t *next)
{
    *(int64_t *)corten_tensor_data(g->token) = token;
    corten_status status = corten_binding_run(g->binding, NULL, &g->error);
    if (status != CORTEN_OK)
        return status;
    const float *logits = corten_tensor_const_data(corten_binding_output(g->binding, 0));
    *next = 0;
    for (int64_t i = 1; i < CHARACTERS; i++)
        if (logits[i] > logits[*next])
            *next = i;
    for (size_t i = 0; i < g->state_count; i++) {
        corten_value *present = NULL;
        status = corten_binding_take_output(g->binding, 1 + i, &present, &g->error);
        if (status == CORTEN_OK)
            status = corten_binding_bind_input(g->binding, g->states[i].name, present, &g->error);
        if (status != CORTEN_OK) {
            corten_value_destroy(present);
            return status;
        }
        corten_value_destroy(g->past[i]);
        g->past[i] = present;
    }
    return CORTEN_OK;
}

int main(int count, char **words)
{
    if (count < 2 || count > 3) {
        fprintf(stderr, "usage: generate MODEL [TEXT]\n");
        return 2;
    }
    const char *text = count > 2 ? words[2] : "Once upon a time";
    struct generator g = {0};
    corten_status status = open_generator(words[1], &g);
    int64_t next = 0;
    for (int i = 0; status == CORTEN_OK && i < POSITIONS; i++) {
        bool given = (size_t)i < strlen(text);
        int64_t token = given ? (unsigned char)text[i] - FIRST : next;
        putchar((int)(FIRST + token));
        status = step(&g, token < 0 || token >= CHARACTERS ? 0 : token, &next);
    }
    putchar('\n');
    if (status != CORTEN_OK)
        fprintf(stderr, "generate: %s\n", g.error.text);
    clean_up(&g);
    return status != CORTEN_OK;
}

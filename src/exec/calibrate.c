#include "exec/calibrate.h"

#include <math.h>
#include <string.h>

struct search {
    struct ct_program *program;
    struct ct_graph *graph;
    const corten_allocator *allocator;
    const struct ct_tensor *const *inputs;
    double bound;
    struct ct_calibration *found;
    struct ct_tensor *exact, *tried; /* outputs */
    corten_error *error;
};

/* ------------------------------------------------------------------ candidates */

static void count_product(void *arg, const struct ct_plan_step *step)
{
    struct search *s = arg;
    if (step->product == CT_PRODUCT_BF16)
        s->found->n_products++;
}

/* The plan has nodes as they must not be changed; the graph has them as they may be. */
static void take_product(void *arg, const struct ct_plan_step *step)
{
    struct search *s = arg;
    if (step->product != CT_PRODUCT_BF16)
        return;
    for (struct ct_node *node = s->graph->first; node; node = node->next)
        if (node == step->node)
            s->found->products[s->found->n_products++] = node;
}

static void set_all(struct ct_graph *graph, bool bf16)
{
    for (struct ct_node *node = graph->first; node; node = node->next)
        node->bf16 = bf16;
}

/* Plans with everything in bfloat16, to see what that concerns. */
static ct_status find_products(struct search *s)
{
    struct ct_calibration *found = s->found;
    set_all(s->graph, true);
    ct_program_trim(s->program);
    CT_TRY(ct_program_visit(s->program, s->inputs, count_product, s, s->error));
    size_t size_bytes = found->n_products * sizeof(struct ct_node *);
    found->products = ct_alloc(s->allocator, size_bytes);
    if (size_bytes && !found->products)
        return ct_fail_memory(s->error, size_bytes, "a calibration");
    found->n_products = 0;
    return ct_program_visit(s->program, s->inputs, take_product, s, s->error);
}

/* ------------------------------------------------------------------ errors */

/* Largest difference over largest magnitude; infinite for other shapes or where one is NaN. */
static double difference(const struct ct_tensor *exact, const struct ct_tensor *tried)
{
    enum { BLOCK = 256 };
    double a[BLOCK], b[BLOCK], most = 0, scale = 0;
    if (exact->kind != CORTEN_TENSOR || exact->dtype == CORTEN_STRING)
        return 0;
    if (!ct_same_shape(exact, tried))
        return HUGE_VAL;
    size_t count = ct_count(exact);
    for (size_t i = 0; i < count; i += BLOCK) {
        size_t n = count - i < BLOCK ? count - i : BLOCK;
        ct_load_f64(exact->dtype, exact->data, i, n, a);
        ct_load_f64(tried->dtype, tried->data, i, n, b);
        for (size_t k = 0; k < n; k++) {
            double d = a[k] == b[k] || (isnan(a[k]) && isnan(b[k])) ? 0 : fabs(a[k] - b[k]);
            if (isnan(d))
                return HUGE_VAL;
            most = fmax(most, d);
            if (isfinite(a[k]))
                scale = fmax(scale, fabs(a[k]));
        }
    }
    return most == 0 ? 0 : scale == 0 ? HUGE_VAL : most / scale;
}

static ct_status run(struct search *s, struct ct_tensor *outputs)
{
    ct_program_trim(s->program);
    s->found->runs++;
    return ct_program_run(s->program, s->inputs, outputs, NULL, s->error);
}

static void clear(const struct search *s, struct ct_tensor *outputs)
{
    for (size_t i = 0; i < s->graph->n_outputs; i++)
        ct_tensor_clear(&outputs[i]);
}

/* ------------------------------------------------------------------ search */

static void set_range(const struct search *s, size_t begin, size_t end, bool bf16)
{
    for (size_t i = begin; i < end; i++)
        s->found->products[i]->bf16 = bf16;
}

/* Halves until one product is left: at most as deep as a number has bits. */
static ct_status try_range(struct search *s, size_t begin, size_t end)
{
    double worst = 0;
    if (begin == end || s->found->runs >= CT_CALIBRATION_RUNS)
        return CORTEN_OK;
    set_range(s, begin, end, true);
    ct_status status = run(s, s->tried);
    for (size_t i = 0; i < s->graph->n_outputs && status == CORTEN_OK; i++)
        worst = fmax(worst, difference(&s->exact[i], &s->tried[i]));
    clear(s, s->tried);
    CT_TRY(status);
    if (worst <= s->bound) {
        s->found->error = worst;
        s->found->n_bf16 += end - begin;
        return CORTEN_OK;
    }
    set_range(s, begin, end, false);
    if (end - begin == 1)
        return CORTEN_OK;
    size_t middle = begin + (end - begin) / 2;
    CT_TRY(try_range(s, begin, middle));
    return try_range(s, middle, end);
}

static ct_status search(struct search *s)
{
    CT_TRY(find_products(s));
    set_all(s->graph, false);
    CT_TRY(run(s, s->exact));
    return try_range(s, 0, s->found->n_products);
}

ct_status ct_calibrate(struct ct_program *program, struct ct_graph *graph,
                       const corten_allocator *allocator, const struct ct_tensor *const *inputs,
                       double bound, struct ct_calibration *calibration, corten_error *error)
{
    size_t size_bytes = 2 * graph->n_outputs * sizeof(struct ct_tensor);
    struct ct_tensor *outputs = ct_alloc_zero(allocator, size_bytes);
    if (size_bytes && !outputs)
        return ct_fail_memory(error, size_bytes, "a calibration");
    ct_calibration_deinit(allocator, calibration);
    struct search s = {program, graph,       allocator, inputs,
                       bound,   calibration, outputs,   outputs + graph->n_outputs,
                       error};
    ct_status status = search(&s);
    clear(&s, s.exact);
    ct_release(allocator, outputs, size_bytes);
    if (status != CORTEN_OK) {
        ct_calibration_deinit(allocator, calibration);
        set_all(graph, false);
    }
    ct_program_trim(program);
    return status;
}

void ct_calibration_deinit(const corten_allocator *allocator, struct ct_calibration *calibration)
{
    ct_release(allocator, calibration->products,
               calibration->n_products * sizeof *calibration->products);
    *calibration = (struct ct_calibration){0};
}

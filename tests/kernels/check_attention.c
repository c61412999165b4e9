/* Online softmax kernels against exponentials in double. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/attention.h"
#include "kernels/check_rows.h"

struct row_case {
    const struct ct_attention_f32_kernel *kernel;
    size_t n;
    bool mask, all_masked;
    float scale, softcap, max, sum;
    size_t count; /* of rows in one call */
};

enum { MOST_ROWS = 40 };

static void run_case(struct check *check, void *arg)
{
    const struct row_case *c = arg;
    size_t n = c->n;
    float *s = check_alloc_f32(check, n), *mask = c->mask ? check_alloc_f32(check, n) : NULL;
    double v[2000], max = (double)c->max, sum = 0;
    for (size_t i = 0; i < n; i++) {
        s[i] *= 8;
        if (mask && (c->all_masked || check_random(check) % 4 == 0))
            mask[i] = -HUGE_VALF;
        v[i] = (double)s[i] * (double)c->scale;
        if (c->softcap != 0.0f)
            v[i] = (double)c->softcap * tanh(v[i] / (double)c->softcap);
        if (mask)
            v[i] += (double)mask[i];
        max = fmax(max, v[i]);
    }
    double base = max == -HUGE_VAL ? 0 : max;
    for (size_t i = 0; i < n; i++)
        sum += v[i] = exp(v[i] - base);
    double correction = exp((double)c->max - base);
    struct ct_attention_f32_row rows[MOST_ROWS], row = {.s = s,
                                                        .n = n,
                                                        .scale = c->scale,
                                                        .mask = mask,
                                                        .softcap = c->softcap,
                                                        .max = c->max,
                                                        .sum = c->sum};
    for (size_t r = 0; r < c->count; r++) {
        rows[r] = row;
        if (r + 1 < c->count) {
            rows[r].s = check_alloc_f32(check, n);
            memcpy(rows[r].s, s, n * sizeof *s);
        }
    }
    c->kernel->fn->softmax(rows, c->count);
    row = rows[c->count - 1];
    if (memcmp(rows[0].s, s, n * sizeof *s) != 0 || rows[0].sum != row.sum)
        check_fail(check, "two equal rows differ");
    sum += (double)c->sum * correction;
    if (max == -HUGE_VAL) {
        if (row.max != -HUGE_VALF || row.sum != 0.0f)
            check_fail(check, "a masked row has maximum %g and sum %g", (double)row.max,
                       (double)row.sum);
    } else {
        check_close(check, "max", 0, (double)row.max, max, 1e-5);
        check_close(check, "sum", 0, (double)row.sum, sum, 2e-5 * sum);
    }
    check_close(check, "correction", 0, (double)row.correction, correction, 2e-5);
    for (size_t i = 0; i < n; i++)
        if (!check_close(check, "s", i, (double)s[i], v[i], 2e-5 * v[i] + 2 * FLT_MIN))
            return;
    c->kernel->fn->scale(s, n, 0.5f);
    for (size_t i = 0; i < n; i++)
        if (!check_close(check, "scaled", i, (double)s[i], v[i] / 2, 2e-5 * v[i] + 2 * FLT_MIN))
            return;
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_attention_f32_kernel *kernels = ct_attention_f32_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 4 * CHECK_ROW_LENGTHS * check_rounds(check); i++) {
            bool first = i % 2;
            struct row_case c = {.kernel = &kernels[k],
                                 .n = check_row_length(check, i / 4 % CHECK_ROW_LENGTHS),
                                 .mask = i / 2 % 2,
                                 .all_masked = check_random(check) % 8 == 0,
                                 .scale = check_random(check) % 4 ? 0.75f : -0.5f,
                                 .softcap = check_random(check) % 3 ? 0 : 5.0f,
                                 .count = check_random_size(check, 1, MOST_ROWS),
                                 .max = first ? -HUGE_VALF : 4 * check_random_f32(check),
                                 .sum = first ? 0 : 3};
            check_run(check, run_case, &c, "%s n=%zu%s%s softcap=%g first=%d", kernels[k].name, c.n,
                      c.mask ? " mask" : "", c.all_masked ? " of nothing" : "", (double)c.softcap,
                      first);
        }
    }
}

const struct check_family check_attention = {"attention", check_kernels, NULL};

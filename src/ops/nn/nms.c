/* NonMaxSuppression: for each image and class the best boxes that do not overlap a better one. */
#include "graph/op.h"

#include <math.h>
#include <stdlib.h>

struct nms {
    int64_t batch, classes, boxes;
    bool center;
};

/* Corners, sorted. */
struct box {
    float x0, y0, x1, y1;
};

struct candidate {
    float score;
    int32_t box;
};

struct call {
    const struct nms *state;
    const float *boxes, *scores;
    int64_t limit; /* of boxes for a class */
    float iou, score;
    struct candidate *candidates; /* state->boxes for each class; the chosen ones move in front */
    int64_t *chosen;              /* how many, for each class */
};

static ct_status infer_nms(struct ct_infer *infer)
{
    const struct ct_fact *boxes = ct_infer_in(infer, 0), *scores = ct_infer_in(infer, 1);
    if (!boxes || !scores)
        return ct_infer_fail(infer, "boxes and scores must be present");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, 2, CT_BIT(I64)));
    CT_TRY(ct_infer_check_dtype(infer, 3, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, 4, CT_BIT(F32)));
    CT_TRY(ct_infer_check_rank(infer, 0, 3, 3));
    CT_TRY(ct_infer_check_rank(infer, 1, 3, 3));
    for (int i = 2; i < 5; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
        if (f && f->rank == 1 && ct_dim_known(f->dims[0]) && f->dims[0] != 1)
            return ct_infer_fail(infer, "input %d must be one number", i);
    }
    if (boxes->rank == 3 && ct_dim_known(boxes->dims[2]) && boxes->dims[2] != 4)
        return ct_infer_fail(infer, "boxes have %lld numbers, expected 4",
                             (long long)boxes->dims[2]);
    for (int i = 0; i < 2 && boxes->rank == 3 && scores->rank == 3; i++) {
        ct_dim a = boxes->dims[i], b = scores->dims[i ? 2 : 0];
        if (ct_dim_known(a) && ct_dim_known(b) && a != b)
            return ct_infer_fail(infer, "boxes are for %lld %s, scores for %lld", (long long)a,
                                 i ? "boxes" : "images", (long long)b);
    }
    if (boxes->rank == 3 && ct_dim_known(boxes->dims[1]) && boxes->dims[1] > INT32_MAX)
        return ct_infer_fail(infer, "too many boxes: %lld", (long long)boxes->dims[1]);
    ct_dim dims[2] = {CT_DIM_UNKNOWN, 3};
    ct_infer_set(infer, 0, CORTEN_I64, 2, dims);
    return CORTEN_OK;
}

static struct box read_box(const struct call *c, int64_t image, int32_t index)
{
    const float *b = c->boxes + (image * c->state->boxes + index) * 4;
    if (c->state->center)
        return (struct box){b[0] - b[2] / 2, b[1] - b[3] / 2, b[0] + b[2] / 2, b[1] + b[3] / 2};
    return (struct box){fminf(b[1], b[3]), fminf(b[0], b[2]), fmaxf(b[1], b[3]), fmaxf(b[0], b[2])};
}

static bool overlap(const struct box *a, const struct box *b, float threshold)
{
    float w = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0);
    float h = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0);
    if (!(w > 0) || !(h > 0))
        return false;
    float common = w * h, area_a = (a->x1 - a->x0) * (a->y1 - a->y0);
    float area_b = (b->x1 - b->x0) * (b->y1 - b->y0), all = area_a + area_b - common;
    if (!(area_a > 0) || !(area_b > 0) || !(all > 0))
        return false;
    return common / all > threshold;
}

/* Best first; of equal ones the first. */
static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->box > y->box) - (x->box < y->box);
}

static void run_classes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct nms *s = c->state;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        struct candidate *list = c->candidates + i * s->boxes;
        const float *scores = c->scores + i * s->boxes;
        int64_t n = 0, chosen = 0, image = i / s->classes;
        for (int64_t b = 0; b < s->boxes; b++)
            if (scores[b] > c->score)
                list[n++] = (struct candidate){scores[b], (int32_t)b};
        qsort(list, (size_t)n, sizeof *list, compare);
        for (int64_t b = 0; b < n && chosen < c->limit; b++) {
            struct box box = read_box(c, image, list[b].box);
            bool good = true;
            for (int64_t j = 0; j < chosen && good; j++) {
                struct box better = read_box(c, image, list[j].box);
                good = !overlap(&box, &better, c->iou);
            }
            if (good)
                list[chosen++] = list[b];
        }
        c->chosen[i] = chosen;
    }
}

static float number(const struct ct_run *run, int i, float fallback)
{
    bool there = i < run->n_in && run->in[i] && ct_count(run->in[i]);
    return there ? *CT_DATA(const float, run->in[i]) : fallback;
}

static ct_status run_nms(const struct ct_run *run)
{
    const struct nms *s = run->state;
    int64_t lists = s->batch * s->classes, total = 0;
    struct call c = {.state = s, .boxes = run->in[0]->data, .scores = run->in[1]->data};
    if (run->n_in > 2 && run->in[2] && ct_count(run->in[2]))
        c.limit = *CT_DATA(const int64_t, run->in[2]);
    c.iou = number(run, 3, 0);
    c.score = number(run, 4, -INFINITY);
    if (!(c.iou >= 0 && c.iou <= 1))
        return ct_run_fail(run, "iou_threshold is %g, expected 0 to 1", (double)c.iou);
    c.chosen = run->scratch;
    c.candidates = (struct candidate *)(void *)(c.chosen + lists);
    ct_run_parallel(run, lists, (double)s->boxes * 50, run_classes, &c);
    for (int64_t i = 0; i < lists; i++)
        total += c.chosen[i];
    CT_TRY(ct_run_output(run, 0, CORTEN_I64, 2, (int64_t[]){total, 3}));
    int64_t *to = run->out[0]->data;
    for (int64_t i = 0; i < lists; i++)
        for (int64_t j = 0; j < c.chosen[i]; j++) {
            *to++ = i / s->classes;
            *to++ = i % s->classes;
            *to++ = c.candidates[i * s->boxes + j].box;
        }
    return CORTEN_OK;
}

static ct_status prepare_nms(struct ct_prepare *prepare)
{
    struct nms *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "NonMaxSuppression");
    s->batch = prepare->in[1]->dims[0];
    s->classes = prepare->in[1]->dims[1];
    s->boxes = prepare->in[1]->dims[2];
    s->center = ct_attr_int(prepare->node, "center_point_box", 0) != 0;
    size_t lists = (size_t)(s->batch * s->classes), n, bytes;
    if (!ct_mul_size(lists, (size_t)s->boxes, &n) ||
        !ct_mul_size(n, sizeof(struct candidate), &bytes) ||
        !ct_add_size(bytes, lists * sizeof(int64_t), &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "NonMaxSuppression: too many boxes");
    prepare->state = s;
    return CORTEN_OK;
}

const struct ct_op ct_op_nms = {
    .infer = infer_nms,
    .prepare = prepare_nms,
    .run = run_nms,
    .flags = CT_OP_ALLOCATES,
    .min_in = 2,
    .max_in = 5,
    .min_out = 1,
};

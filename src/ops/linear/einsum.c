/* Einsum: operands are contracted from left to right, two at a time, each time as a batch of
 * matrix products: labels of both that are still needed are the batch, labels of both that are not
 * are summed over, and the others are rows and columns. Operands that do not lie that way are
 * copied so that they do. */
#include "ops/linear/einsum_parse.h"

#include <string.h>

#include "ops/gemm_driver.h"

/* ------------------------------------------------------------------ infer */

enum { MAX_OPERANDS = 64 };

static ct_status read_terms(const struct ct_infer *infer, struct ct_einsum_term *terms,
                            struct ct_einsum_term *output, bool *known)
{
    int ranks[MAX_OPERANDS];
    *known = true;
    if (infer->n_in > MAX_OPERANDS)
        return ct_infer_fail(infer, "there are %d operands, more than %d", infer->n_in,
                             MAX_OPERANDS);
    for (int i = 0; i < infer->n_in; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        if (!f)
            return ct_infer_fail(infer, "operand %d is missing", i);
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
        CT_TRY(ct_infer_check_rank(infer, i, 0, -1));
        ranks[i] = f->rank;
        *known &= f->rank >= 0;
    }
    return *known ? ct_einsum_parse(infer->node, infer->n_in, ranks, terms, output, infer->error)
                  : CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_einsum_term terms[MAX_OPERANDS], output;
    ct_dim sizes[CT_EINSUM_LABELS], dims[CT_MAX_RANK];
    bool known;
    CT_TRY(read_terms(infer, terms, &output, &known));
    ct_infer_set(infer, 0, ct_infer_in(infer, 0)->dtype, -1, NULL);
    if (!known)
        return CORTEN_OK;
    for (int i = 0; i < CT_EINSUM_LABELS; i++)
        sizes[i] = 1;
    for (int i = 0; i < infer->n_in; i++) {
        for (int d = 0; d < terms[i].n; d++) {
            ct_dim size = ct_infer_in(infer, i)->dims[d], *have = &sizes[terms[i].labels[d]];
            if (*have == 1)
                *have = size;
            else if (size != 1 && ct_dim_known(size) && ct_dim_known(*have) && size != *have)
                return ct_infer_fail(infer, "dimension %d of operand %d is %lld, %lld is expected",
                                     d, i, (long long)size, (long long)*have);
            else if (size != 1 && ct_dim_known(size))
                *have = size;
        }
    }
    for (int d = 0; d < output.n; d++)
        dims[d] = sizes[output.labels[d]];
    ct_infer_set(infer, 0, ct_infer_in(infer, 0)->dtype, output.n, dims);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ the plan */

/* A dense result of n_out dimensions, from strided elements, some of which are added up. */
struct copy {
    int n_out, n_sum;
    int64_t out[CT_EINSUM_LABELS], out_stride[CT_EINSUM_LABELS];
    int64_t sum[CT_EINSUM_LABELS], sum_stride[CT_EINSUM_LABELS];
    int64_t out_count, sum_count;
};

/* Where a matrix or tensor lies. */
struct place {
    enum { AT_INPUT, AT_SCRATCH, AT_OUTPUT } where;
    int input;
    size_t at; /* in scratch */
};

/* A tensor on the way, by its labels; each once. */
struct partial {
    struct place place;
    int n;
    uint8_t labels[CT_EINSUM_LABELS];
    int64_t strides[CT_EINSUM_LABELS]; /* by label */
};

struct step {
    bool copies; /* else a product */
    struct place from, from_b, to;
    struct copy copy;
    struct ct_gemm_problem problem;
};

struct state {
    enum { WIDE_F32, WIDE_F64, WIDE_I64 } wide;
    size_t elem;
    bool converts; /* operands and result */
    int n_steps;
    struct step *steps; /* at most 3 for each operand, and 1 */
    size_t *inputs_at;  /* converted operands */
    size_t output_at, gemm_at;
    int64_t sizes[CT_EINSUM_LABELS];
};

struct planning {
    struct ct_prepare *prepare;
    struct state *s;
};

static bool reserve(struct planning *plan, int64_t count, size_t *at)
{
    struct ct_prepare *prepare = plan->prepare;
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return ct_mul_size((size_t)count, plan->s->elem, &bytes) && bytes < SIZE_MAX / 4 &&
           ct_add_size(*at, bytes, &prepare->scratch_bytes);
}

static ct_status too_large(const struct planning *plan)
{
    return ct_fail(plan->prepare->error, CORTEN_LIMIT_EXCEEDED,
                   "a tensor on the way to the result is too large");
}

static bool has(const struct partial *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->labels[i] == label)
            return true;
    return false;
}

static bool label_in(const uint8_t *labels, int n, int label)
{
    return n > 0 && memchr(labels, label, (size_t)n) != NULL;
}

/* Diagonals have the sum of their strides; dimensions of 1 are not there. */
static void partial_of(const struct ct_tensor *t, const struct ct_einsum_term *term, int input,
                       struct partial *to)
{
    int64_t strides[CT_MAX_RANK], stride = 1;
    *to = (struct partial){.place = {AT_INPUT, input, 0}};
    for (int d = t->rank - 1; d >= 0; d--) {
        strides[d] = stride;
        stride *= t->dims[d];
    }
    for (int d = 0; d < t->rank; d++) {
        int label = term->labels[d];
        if (t->dims[d] == 1)
            continue;
        if (!has(to, label))
            to->labels[to->n++] = (uint8_t)label;
        to->strides[label] += strides[d];
    }
}

/* Whether t is dense with exactly these labels in this order. */
static bool lies_as(const struct planning *plan, const struct partial *t, const uint8_t *labels,
                    int n)
{
    int64_t stride = 1;
    if (t->n != n)
        return false;
    for (int i = n - 1; i >= 0; i--) {
        if (!has(t, labels[i]) || t->strides[labels[i]] != stride)
            return false;
        stride *= plan->s->sizes[labels[i]];
    }
    return true;
}

static bool dense_count(const struct planning *plan, const uint8_t *labels, int n, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(*count, plan->s->sizes[labels[i]], count))
            return false;
    return true;
}

static void relabel(const struct planning *plan, struct partial *t, struct place place,
                    const uint8_t *labels, int n)
{
    int64_t stride = 1;
    *t = (struct partial){.place = place, .n = n};
    for (int i = n - 1; i >= 0; i--) {
        t->labels[i] = labels[i];
        t->strides[labels[i]] = stride;
        stride *= plan->s->sizes[labels[i]];
    }
}

/* Makes t dense in this order; labels that are not in it are summed over. Labels that t lacks
 * (their stride is 0) are repeated. */
static ct_status arrange(struct planning *plan, struct partial *t, const uint8_t *labels, int n,
                         const struct place *to)
{
    struct step *step = &plan->s->steps[plan->s->n_steps];
    struct copy *copy = &step->copy;
    step->copies = true;
    step->from = t->place;
    copy->n_out = n;
    copy->sum_count = 1;
    for (int i = 0; i < n; i++) {
        copy->out[i] = plan->s->sizes[labels[i]];
        copy->out_stride[i] = t->strides[labels[i]];
    }
    for (int i = 0; i < t->n; i++) {
        if (label_in(labels, n, t->labels[i]))
            continue;
        copy->sum[copy->n_sum] = plan->s->sizes[t->labels[i]];
        copy->sum_stride[copy->n_sum++] = t->strides[t->labels[i]];
        copy->sum_count *= plan->s->sizes[t->labels[i]];
    }
    if (!dense_count(plan, labels, n, &copy->out_count))
        return too_large(plan);
    step->to = to ? *to : (struct place){AT_SCRATCH, 0, 0};
    if (!to && !reserve(plan, copy->out_count, &step->to.at))
        return too_large(plan);
    plan->s->n_steps++;
    relabel(plan, t, step->to, labels, n);
    return CORTEN_OK;
}

struct groups {
    uint8_t batch[CT_EINSUM_LABELS], inner[CT_EINSUM_LABELS], rows[CT_EINSUM_LABELS],
        cols[CT_EINSUM_LABELS];
    int n_batch, n_inner, n_rows, n_cols;
};

static void sort_labels(const struct partial *a, const struct partial *b, const bool *needed,
                        struct groups *g)
{
    *g = (struct groups){.n_batch = 0};
    for (int i = 0; i < a->n; i++) {
        uint8_t label = a->labels[i];
        if (has(b, label) && needed[label])
            g->batch[g->n_batch++] = label;
        else if (has(b, label))
            g->inner[g->n_inner++] = label;
        else if (needed[label])
            g->rows[g->n_rows++] = label;
    }
    for (int i = 0; i < b->n; i++)
        if (!has(a, b->labels[i]) && needed[b->labels[i]])
            g->cols[g->n_cols++] = b->labels[i];
}

static int join(uint8_t *to, const uint8_t *a, int n_a, const uint8_t *b, int n_b, const uint8_t *c,
                int n_c)
{
    memcpy(to, a, (size_t)n_a);
    memcpy(to + n_a, b, (size_t)n_b);
    memcpy(to + n_a + n_b, c, (size_t)n_c);
    return n_a + n_b + n_c;
}

/* One operand as [batch, x, y] or [batch, y, x], whichever it is already; else the first. */
static ct_status orient(struct planning *plan, struct partial *t, const struct groups *g,
                        const uint8_t *x, int n_x, const uint8_t *y, int n_y, bool *swapped)
{
    uint8_t order[CT_EINSUM_LABELS];
    int n = join(order, g->batch, g->n_batch, y, n_y, x, n_x);
    *swapped = lies_as(plan, t, order, n);
    if (*swapped)
        return CORTEN_OK;
    n = join(order, g->batch, g->n_batch, x, n_x, y, n_y);
    return lies_as(plan, t, order, n) ? CORTEN_OK : arrange(plan, t, order, n, NULL);
}

/* a becomes the product of a and b; the last one goes to the output if it lies right there. */
static ct_status contract(struct planning *plan, struct partial *a, struct partial *b,
                          const bool *needed, const struct ct_einsum_term *final)
{
    struct groups g;
    uint8_t order[CT_EINSUM_LABELS];
    bool a_swapped, b_swapped;
    int64_t batch, m, n, k, count;
    sort_labels(a, b, needed, &g);
    CT_TRY(orient(plan, a, &g, g.rows, g.n_rows, g.inner, g.n_inner, &a_swapped));
    CT_TRY(orient(plan, b, &g, g.inner, g.n_inner, g.cols, g.n_cols, &b_swapped));
    int n_order = join(order, g.batch, g.n_batch, g.rows, g.n_rows, g.cols, g.n_cols);
    if (!dense_count(plan, g.batch, g.n_batch, &batch) ||
        !dense_count(plan, g.rows, g.n_rows, &m) || !dense_count(plan, g.cols, g.n_cols, &n) ||
        !dense_count(plan, g.inner, g.n_inner, &k) || !dense_count(plan, order, n_order, &count))
        return too_large(plan);
    struct step *step = &plan->s->steps[plan->s->n_steps++];
    struct ct_gemm_problem *p = &step->problem;
    ct_gemm_problem_init(p, m, n, k);
    p->a_transposed = a_swapped;
    p->b_transposed = b_swapped;
    p->lda = a_swapped ? m : k;
    p->ldb = b_swapped ? k : n;
    p->batch_rank = 1;
    p->batch_dims[0] = batch;
    p->a_strides[0] = m * k;
    p->b_strides[0] = k * n;
    p->c_strides[0] = m * n;
    step->from = a->place;
    step->from_b = b->place;
    step->to = (struct place){AT_SCRATCH, 0, 0};
    uint8_t wanted[CT_MAX_RANK];
    int n_wanted = 0;
    for (int d = 0; final && d < final->n; d++)
        if (plan->s->sizes[final->labels[d]] != 1)
            wanted[n_wanted++] = final->labels[d];
    if (final && n_wanted == n_order && !memcmp(wanted, order, (size_t)n_order))
        step->to.where = AT_OUTPUT;
    else if (!reserve(plan, count, &step->to.at))
        return too_large(plan);
    relabel(plan, a, step->to, order, n_order);
    return CORTEN_OK;
}

static ct_status plan_steps(struct planning *plan, const struct ct_einsum_term *terms,
                            const struct ct_einsum_term *output)
{
    struct ct_prepare *prepare = plan->prepare;
    struct partial result, next;
    int left[CT_EINSUM_LABELS] = {0}; /* operands still to come that have the label */
    for (int i = 1; i < prepare->n_in; i++) {
        partial_of(prepare->in[i], &terms[i], i, &next);
        for (int d = 0; d < next.n; d++)
            left[next.labels[d]]++;
    }
    partial_of(prepare->in[0], &terms[0], 0, &result);
    for (int i = 1; i < prepare->n_in; i++) {
        bool needed[CT_EINSUM_LABELS];
        partial_of(prepare->in[i], &terms[i], i, &next);
        for (int d = 0; d < next.n; d++)
            left[next.labels[d]]--;
        for (int label = 0; label < CT_EINSUM_LABELS; label++)
            needed[label] = left[label] > 0 || label_in(output->labels, output->n, label);
        CT_TRY(contract(plan, &result, &next, needed, i == prepare->n_in - 1 ? output : NULL));
    }
    if (result.place.where == AT_OUTPUT)
        return CORTEN_OK;
    struct place to = {AT_OUTPUT, 0, 0};
    return arrange(plan, &result, output->labels, output->n, &to);
}

static void choose_type(struct state *s, ct_dtype dtype)
{
    static const ct_dtype own[] = {CORTEN_F32, CORTEN_F64, CORTEN_I64};
    s->wide = dtype == CORTEN_F64 ? WIDE_F64 : ct_dtype_is_float(dtype) ? WIDE_F32 : WIDE_I64;
    s->elem = s->wide == WIDE_F32 ? sizeof(float) : sizeof(double);
    s->converts = dtype != own[s->wide] && dtype != CORTEN_U64;
}

static ct_status reserve_gemm(struct planning *plan)
{
    struct ct_prepare *prepare = plan->prepare;
    size_t most = 0;
    for (int i = 0; i < plan->s->n_steps && plan->s->wide == WIDE_F32; i++) {
        const struct step *step = &plan->s->steps[i];
        for (int threads = 1; !step->copies && threads <= prepare->threads;
             threads += prepare->threads > 1 ? prepare->threads - 1 : 1) {
            size_t bytes = ct_gemm_f32_scratch_bytes(&step->problem, threads);
            most = bytes > most ? bytes : most;
        }
    }
    plan->s->gemm_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return ct_add_size(plan->s->gemm_at, most, &prepare->scratch_bytes) ? CORTEN_OK
                                                                        : too_large(plan);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct ct_einsum_term terms[MAX_OPERANDS], output;
    int ranks[MAX_OPERANDS];
    size_t n = (size_t)prepare->n_in;
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    struct planning plan = {prepare, s};
    if (s)
        s->steps = ct_prepare_alloc(prepare, (3 * n + 1) * sizeof *s->steps);
    if (s && s->steps)
        s->inputs_at = ct_prepare_alloc(prepare, n * sizeof *s->inputs_at);
    if (!s || !s->steps || !s->inputs_at)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of Einsum");
    for (int i = 0; i < prepare->n_in; i++)
        ranks[i] = prepare->in[i]->rank;
    CT_TRY(ct_einsum_parse(prepare->node, prepare->n_in, ranks, terms, &output, prepare->error));
    choose_type(s, prepare->in[0]->dtype);
    for (int i = 0; i < CT_EINSUM_LABELS; i++)
        s->sizes[i] = 1;
    for (int i = 0; i < prepare->n_in; i++)
        for (int d = 0; d < terms[i].n; d++)
            if (prepare->in[i]->dims[d] != 1)
                s->sizes[terms[i].labels[d]] = prepare->in[i]->dims[d];
    for (int i = 0; s->converts && i < prepare->n_in; i++)
        if (!reserve(&plan, (int64_t)ct_count(prepare->in[i]), &s->inputs_at[i]))
            return too_large(&plan);
    if (s->converts && !reserve(&plan, (int64_t)ct_count(prepare->out[0]), &s->output_at))
        return too_large(&plan);
    CT_TRY(plan_steps(&plan, terms, &output));
    CT_TRY(reserve_gemm(&plan));
    prepare->state = s;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

#define T float
#define SUM double
#define FN(name) f32_##name
#include "ops/linear/einsum_tmpl.h"

#define T double
#define SUM double
#define FN(name) f64_##name
#include "ops/linear/einsum_tmpl.h"

#define T uint64_t
#define SUM uint64_t
#define FN(name) u64_##name
#include "ops/linear/einsum_tmpl.h"

#define T double
#define FN(name) f64_##name
#include "ops/linear/plain_gemm.h"

#define T uint64_t
#define FN(name) u64_##name
#include "ops/linear/plain_gemm.h"

static void *locate(const struct state *s, const struct ct_run *run, const struct place *place)
{
    char *scratch = run->scratch;
    if (place->where == AT_SCRATCH)
        return scratch + place->at;
    if (place->where == AT_OUTPUT)
        return s->converts ? scratch + s->output_at : run->out[0]->data;
    return s->converts ? scratch + s->inputs_at[place->input] : run->in[place->input]->data;
}

struct job {
    const struct state *s;
    const struct step *step;
    const void *a, *b;
    void *c;
};

enum { BLOCK = 1024 };

static void copy_blocks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct copy *copy = &job->step->copy;
    int64_t first = begin * BLOCK, stop = end * BLOCK;
    (void)worker;
    if (stop > copy->out_count)
        stop = copy->out_count;
    if (job->s->wide == WIDE_F32)
        f32_gather(copy, job->a, job->c, first, stop);
    else if (job->s->wide == WIDE_F64)
        f64_gather(copy, job->a, job->c, first, stop);
    else
        u64_gather(copy, job->a, job->c, first, stop);
}

static void product_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_gemm_problem *p = &job->step->problem;
    int64_t ar = p->a_transposed ? 1 : p->lda, ac = p->a_transposed ? p->lda : 1;
    int64_t br = p->b_transposed ? 1 : p->ldb, bc = p->b_transposed ? p->ldb : 1;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t matrix = item / p->m, row = item % p->m;
        int64_t a = matrix * p->a_strides[0], b = matrix * p->b_strides[0];
        int64_t c = matrix * p->c_strides[0];
        if (job->s->wide == WIDE_F64)
            f64_gemm_rows((const double *)job->a + a, ar, ac, (const double *)job->b + b, br, bc,
                          (double *)job->c + c, row, row + 1, p->n, p->k);
        else
            u64_gemm_rows((const uint64_t *)job->a + a, ar, ac, (const uint64_t *)job->b + b, br,
                          bc, (uint64_t *)job->c + c, row, row + 1, p->n, p->k);
    }
}

static void run_step(const struct state *s, const struct step *step, const struct ct_run *run)
{
    struct job job = {s, step, locate(s, run, &step->from), locate(s, run, &step->from_b),
                      locate(s, run, &step->to)};
    const struct ct_gemm_problem *p = &step->problem;
    if (step->copies)
        ct_run_parallel(run, (step->copy.out_count + BLOCK - 1) / BLOCK,
                        3.0 * BLOCK * (double)(step->copy.sum_count + 1), copy_blocks, &job);
    else if (s->wide == WIDE_F32)
        ct_gemm_f32_run(run->exec->pool, p, job.a, job.b, job.c, (char *)run->scratch + s->gemm_at);
    else
        ct_run_parallel(run, p->batch_dims[0] * p->m, 5 + (double)(p->n * p->k), product_rows,
                        &job);
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    char *scratch = run->scratch;
    for (int i = 0; s->converts && i < run->n_in; i++) {
        const struct ct_tensor *t = run->in[i];
        void *to = scratch + s->inputs_at[i];
        if (s->wide == WIDE_F32)
            ct_load_f32(t->dtype, t->data, 0, ct_count(t), to);
        else
            ct_load_i64(t->dtype, t->data, 0, ct_count(t), to);
    }
    for (int i = 0; i < s->n_steps; i++)
        run_step(s, &s->steps[i], run);
    struct ct_tensor *y = run->out[0];
    if (s->converts && s->wide == WIDE_F32)
        ct_store_f32(y->dtype, y->data, 0, ct_count(y), (float *)(void *)(scratch + s->output_at));
    else if (s->converts)
        ct_store_i64(y->dtype, y->data, 0, ct_count(y),
                     (int64_t *)(void *)(scratch + s->output_at));
    return CORTEN_OK;
}

const struct ct_op ct_op_einsum = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = -1, .min_out = 1};

#include "ops/reduce/reduce.h"

#include <math.h>

#define T double
#define FN(name) f64_##name
#define LOWEST (-HUGE_VAL)
#define HIGHEST HUGE_VAL
#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define NEGATIVE(x) (-(x))
#define IS_NAN(x) isnan(x)
#include "ops/reduce/fold.h"

#define T int64_t
#define FN(name) i64_##name
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
#define MULTIPLY(a, b) ((int64_t)((uint64_t)(a) * (uint64_t)(b)))
#define NEGATIVE(x) ((int64_t)(0 - (uint64_t)(x)))
#define IS_NAN(x) false
#include "ops/reduce/fold.h"

enum {
    BUFFER = 1024,      /* elements converted at a time */
    WIDTH = 256,        /* columns reduced at a time */
    FLUSH = 256,        /* rows that are added up in float before they go into a double */
    PIECE = 16384,      /* elements of one piece of a result that is split */
    SPLIT_FROM = 65536, /* results of as many elements are split, when there are few */
    FEW = 64
};

/* ------------------------------------------------------------------ the plan */

static void add_dim(size_t *sizes, size_t *strides, int *n, size_t size, size_t stride, bool merge)
{
    if (merge) {
        sizes[*n - 1] *= size;
        strides[*n - 1] = stride;
    } else {
        sizes[*n] = size;
        strides[*n] = stride;
        ++*n;
    }
}

static enum ct_reduce_wide wide_of(ct_dtype dtype, enum ct_reduce_finish finish)
{
    if (finish == CT_FINISH_LOG_SUM_EXP || dtype == CORTEN_F64)
        return CT_WIDE_F64;
    if (ct_dtype_is_float(dtype))
        return CT_WIDE_F32;
    return finish == CT_FINISH_LOG || finish == CT_FINISH_SQRT ? CT_WIDE_F64 : CT_WIDE_I64;
}

void ct_reduce_plan_init(struct ct_reduce_plan *plan, const struct ct_tensor *x, unsigned axes)
{
    static const ct_dtype own[] = {CORTEN_F32, CORTEN_F64, CORTEN_I64};
    plan->dtype = x->dtype;
    plan->wide = wide_of(x->dtype, plan->finish);
    plan->flip = x->dtype == CORTEN_U64 && plan->wide == CT_WIDE_I64 &&
                 (plan->what == CT_REDUCE_MAX || plan->what == CT_REDUCE_MIN);
    plan->direct = own[plan->wide] == x->dtype;
    plan->kernel = ct_reduce_f32_select(ct_cpu_features());
    plan->n_out = plan->n_each = 1;
    int last = -1; /* 1: reduced, 0: kept */
    size_t stride = ct_count(x);
    for (int d = 0; d < x->rank; d++) {
        size_t size = (size_t)x->dims[d];
        int reduced = axes >> d & 1;
        *(reduced ? &plan->n_each : &plan->n_out) *= size;
        if (size <= 1)
            continue;
        stride = size ? stride / size : 0;
        if (reduced)
            add_dim(plan->reduced, plan->reduced_stride, &plan->n_reduced, size, stride, last == 1);
        else
            add_dim(plan->kept, plan->kept_stride, &plan->n_kept, size, stride, last == 0);
        last = reduced;
    }
    plan->rows = last == 1;
    plan->split = 1;
    if (!plan->rows || plan->n_out == 0 || plan->n_each == 0)
        return;
    size_t inner = plan->reduced[plan->n_reduced - 1], outer = plan->n_each / inner;
    plan->piece = inner;
    if (plan->n_out < FEW && plan->n_each >= SPLIT_FROM && plan->finish != CT_FINISH_LOG_SUM_EXP) {
        plan->piece = inner < PIECE ? inner : PIECE;
        plan->split = outer * ((inner + plan->piece - 1) / plan->piece);
        if (plan->split > 65536) { /* short runs: not worth their memory */
            plan->split = 1;
            plan->piece = inner;
        }
    }
}

size_t ct_reduce_scratch(const struct ct_reduce_plan *plan)
{
    return plan->split > 1 ? plan->split * plan->n_out * sizeof(double) : 0;
}

/* ------------------------------------------------------------------ elements */

struct result {
    double f;
    int64_t i;
};

struct job {
    const struct ct_reduce_plan *plan;
    const struct ct_tensor *x;
    struct ct_tensor *y;
    double *parts; /* [n_out][split] */
    size_t chunks; /* columns: of one kept row */
};

static size_t offset_of(size_t index, int n, const size_t *sizes, const size_t *strides)
{
    size_t at = 0;
    for (int d = n - 1; d >= 0; d--) {
        at += index % sizes[d] * strides[d];
        index /= sizes[d];
    }
    return at;
}

static struct result start(const struct ct_reduce_plan *plan)
{
    return (struct result){f64_start(plan->what), i64_start(plan->what)};
}

static void flip_all(int64_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] ^= INT64_MIN;
}

/* n <= BUFFER elements, as what the plan computes with. */
static const void *load(const struct job *job, size_t at, size_t n, void *buffer)
{
    const struct ct_tensor *x = job->x;
    const struct ct_reduce_plan *plan = job->plan;
    if (plan->wide == CT_WIDE_F32) {
        ct_load_f32(x->dtype, x->data, at, n, buffer);
    } else if (plan->wide == CT_WIDE_F64) {
        ct_load_f64(x->dtype, x->data, at, n, buffer);
    } else {
        ct_load_i64(x->dtype, x->data, at, n, buffer);
        if (plan->flip)
            flip_all(buffer, n);
    }
    return buffer;
}

static void fold_run(const struct ct_reduce_plan *plan, const void *x, size_t n, struct result *r)
{
    if (plan->wide == CT_WIDE_F32)
        r->f = f64_combine(plan->what, r->f, plan->kernel->fn->row(plan->what, x, n));
    else if (plan->wide == CT_WIDE_F64)
        r->f = f64_combine(plan->what, r->f, f64_row(plan->what, x, n));
    else
        r->i = i64_combine(plan->what, r->i, i64_row(plan->what, x, n));
}

/* Of n contiguous elements. */
static void reduce_run(const struct job *job, size_t at, size_t n, struct result *r)
{
    double buffer[BUFFER];
    if (job->plan->direct) {
        size_t elem = job->plan->wide == CT_WIDE_F32 ? 4 : 8;
        fold_run(job->plan, (const char *)job->x->data + at * elem, n, r);
        return;
    }
    for (size_t i = 0; i < n; i += BUFFER) {
        size_t m = n - i < BUFFER ? n - i : BUFFER;
        fold_run(job->plan, load(job, at + i, m, buffer), m, r);
    }
}

static void exp_run(const struct job *job, size_t at, size_t n, double max, double *sum)
{
    double buffer[BUFFER];
    for (size_t i = 0; i < n; i += BUFFER) {
        size_t m = n - i < BUFFER ? n - i : BUFFER;
        ct_load_f64(job->x->dtype, job->x->data, at + i, m, buffer);
        for (size_t j = 0; j < m; j++)
            *sum += exp(buffer[j] - max);
    }
}

static void store(const struct job *job, size_t at, struct result r)
{
    const struct ct_reduce_plan *plan = job->plan;
    struct ct_tensor *y = job->y;
    double count = (double)plan->n_each;
    if (plan->wide == CT_WIDE_I64) {
        if (plan->flip)
            r.i ^= INT64_MIN;
        if (plan->finish == CT_FINISH_MEAN && plan->dtype == CORTEN_U64)
            r.i = plan->n_each ? (int64_t)((uint64_t)r.i / plan->n_each) : 0;
        else if (plan->finish == CT_FINISH_MEAN)
            r.i = plan->n_each ? r.i / (int64_t)plan->n_each : 0;
        ct_store_i64(y->dtype, y->data, at, 1, &r.i);
        return;
    }
    if (plan->finish == CT_FINISH_MEAN)
        r.f /= count;
    else if (plan->finish == CT_FINISH_SQRT)
        r.f = sqrt(r.f);
    else if (plan->finish == CT_FINISH_LOG)
        r.f = log(r.f);
    if (y->dtype == CORTEN_F32)
        CT_DATA(float, y)[at] = (float)r.f;
    else if (ct_dtype_is_float(y->dtype))
        ct_store_f64(y->dtype, y->data, at, 1, &r.f);
    else
        ct_convert(y->dtype, (char *)y->data + at * ct_dtype_elem_bytes(y->dtype), CORTEN_F64, &r.f,
                   1, true);
}

/* ------------------------------------------------------------------ rows */

static double finite_or_zero(double x)
{
    return isinf(x) ? 0 : x;
}

static void whole_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_reduce_plan *p = job->plan;
    int outer_dims = p->n_reduced - 1;
    size_t inner = p->reduced[outer_dims], outer = p->n_each / inner;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t base = offset_of((size_t)item, p->n_kept, p->kept, p->kept_stride);
        struct result r = start(p);
        for (size_t o = 0; o < outer; o++)
            reduce_run(job, base + offset_of(o, outer_dims, p->reduced, p->reduced_stride), inner,
                       &r);
        if (p->finish == CT_FINISH_LOG_SUM_EXP) {
            double sum = 0, max = finite_or_zero(r.f);
            for (size_t o = 0; o < outer; o++)
                exp_run(job, base + offset_of(o, outer_dims, p->reduced, p->reduced_stride), inner,
                        max, &sum);
            r.f = log(sum) + max;
        }
        store(job, (size_t)item, r);
    }
}

static void row_parts(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_reduce_plan *p = job->plan;
    int outer_dims = p->n_reduced - 1;
    size_t inner = p->reduced[outer_dims], pieces = (inner + p->piece - 1) / p->piece;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t out = (size_t)item / p->split, part = (size_t)item % p->split;
        size_t from = part % pieces * p->piece;
        size_t at = offset_of(out, p->n_kept, p->kept, p->kept_stride) + from +
                    offset_of(part / pieces, outer_dims, p->reduced, p->reduced_stride);
        struct result r = start(p);
        reduce_run(job, at, inner - from < p->piece ? inner - from : p->piece, &r);
        if (p->wide == CT_WIDE_I64)
            ((int64_t *)(void *)job->parts)[item] = r.i;
        else
            job->parts[item] = r.f;
    }
}

static void join_parts(const struct job *job)
{
    const struct ct_reduce_plan *p = job->plan;
    for (size_t out = 0; out < p->n_out; out++) {
        struct result r = start(p);
        for (size_t part = 0; part < p->split; part++) {
            size_t i = out * p->split + part;
            if (p->wide == CT_WIDE_I64)
                r.i = i64_combine(p->what, r.i, ((const int64_t *)(const void *)job->parts)[i]);
            else
                r.f = f64_combine(p->what, r.f, job->parts[i]);
        }
        store(job, out, r);
    }
}

/* ------------------------------------------------------------------ columns */

struct columns {
    double f[WIDTH];
    int64_t i[WIDTH];
    float block[WIDTH];
    size_t in_block; /* rows */
};

static void flush(const struct ct_reduce_plan *p, struct columns *c, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        c->f[j] = f64_combine(p->what, c->f[j], (double)c->block[j]);
        c->block[j] = (float)f64_start(p->what);
    }
    c->in_block = 0;
}

static void fold_columns(const struct ct_reduce_plan *p, const void *x, size_t stride, size_t rows,
                         size_t n, struct columns *c)
{
    if (p->wide == CT_WIDE_F64) {
        f64_columns(p->what, x, stride, rows, n, c->f);
        return;
    }
    if (p->wide == CT_WIDE_I64) {
        i64_columns(p->what, x, stride, rows, n, c->i);
        return;
    }
    for (size_t row = 0; row < rows;) {
        size_t m = FLUSH - c->in_block < rows - row ? FLUSH - c->in_block : rows - row;
        p->kernel->fn->columns(p->what, (const float *)x + row * stride, stride, m, n, c->block);
        row += m;
        c->in_block += m;
        if (c->in_block == FLUSH)
            flush(p, c, n);
    }
}

static void reduce_columns(const struct job *job, size_t at, size_t n, struct columns *c)
{
    const struct ct_reduce_plan *p = job->plan;
    int outer_dims = p->n_reduced ? p->n_reduced - 1 : 0;
    size_t rows = p->n_reduced ? p->reduced[outer_dims] : 1, outer = p->n_each / rows;
    size_t stride = p->n_reduced ? p->reduced_stride[outer_dims] : 0;
    size_t elem = p->wide == CT_WIDE_F32 ? 4 : 8;
    double buffer[WIDTH];
    for (size_t o = 0; o < outer; o++) {
        size_t first = at + offset_of(o, outer_dims, p->reduced, p->reduced_stride);
        if (p->direct) {
            fold_columns(p, (const char *)job->x->data + first * elem, stride, rows, n, c);
            continue;
        }
        for (size_t row = 0; row < rows; row++)
            fold_columns(p, load(job, first + row * stride, n, buffer), 0, 1, n, c);
    }
    if (p->wide == CT_WIDE_F32)
        flush(p, c, n);
}

/* c->f holds the maxima and gets log(sum of exp(x - max)) + max. */
static void exp_columns(const struct job *job, size_t at, size_t n, struct columns *c)
{
    const struct ct_reduce_plan *p = job->plan;
    double buffer[WIDTH], sum[WIDTH] = {0};
    for (size_t o = 0; o < p->n_each; o++) {
        size_t first = at + offset_of(o, p->n_reduced, p->reduced, p->reduced_stride);
        ct_load_f64(job->x->dtype, job->x->data, first, n, buffer);
        for (size_t j = 0; j < n; j++)
            sum[j] += exp(buffer[j] - finite_or_zero(c->f[j]));
    }
    for (size_t j = 0; j < n; j++)
        c->f[j] = log(sum[j]) + finite_or_zero(c->f[j]);
}

static void column_chunks(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_reduce_plan *p = job->plan;
    int outer_dims = p->n_kept ? p->n_kept - 1 : 0;
    size_t inner = p->n_kept ? p->kept[outer_dims] : 1;
    struct columns c;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t outer = (size_t)item / job->chunks, from = (size_t)item % job->chunks * WIDTH;
        size_t n = inner - from < WIDTH ? inner - from : WIDTH;
        size_t at = offset_of(outer, outer_dims, p->kept, p->kept_stride) + from;
        c.in_block = 0;
        for (size_t j = 0; j < n; j++) {
            c.f[j] = f64_start(p->what);
            c.i[j] = i64_start(p->what);
            c.block[j] = (float)c.f[j];
        }
        reduce_columns(job, at, n, &c);
        if (p->finish == CT_FINISH_LOG_SUM_EXP)
            exp_columns(job, at, n, &c);
        for (size_t j = 0; j < n; j++)
            store(job, outer * inner + from + j, (struct result){c.f[j], c.i[j]});
    }
}

/* ------------------------------------------------------------------ all of it */

/* Reductions of nothing. Integers have no infinity: the store makes their lowest and highest. */
static void store_empty(const struct job *job)
{
    const struct ct_reduce_plan *p = job->plan;
    struct ct_tensor *y = job->y;
    struct result r = start(p);
    size_t bits = ct_dtype_elem_bytes(y->dtype) * 8;
    bool extreme = p->what == CT_REDUCE_MAX || p->what == CT_REDUCE_MIN;
    if (p->finish == CT_FINISH_LOG_SUM_EXP)
        r.f = -HUGE_VAL;
    if (extreme && p->wide == CT_WIDE_I64 && !p->flip) {
        bool top = p->what == CT_REDUCE_MIN;
        if (y->dtype == CORTEN_BOOL)
            r.i = top;
        else if (ct_dtype_is_signed(y->dtype))
            r.i = top ? INT64_MAX >> (64 - bits) : INT64_MIN >> (64 - bits);
        else
            r.i = top ? (int64_t)(UINT64_MAX >> (64 - bits)) : 0;
    }
    for (size_t i = 0; i < p->n_out; i++)
        store(job, i, r);
}

void ct_reduce_run(const struct ct_reduce_plan *plan, const struct ct_run *run,
                   const struct ct_tensor *x, struct ct_tensor *y)
{
    struct job job = {plan, x, y, run->scratch, 1};
    double elem_ns = plan->direct ? 0.15 : 2;
    if (plan->finish == CT_FINISH_LOG_SUM_EXP)
        elem_ns = 8;
    if (plan->n_out == 0)
        return;
    if (plan->n_each == 0) {
        store_empty(&job);
    } else if (plan->split > 1) {
        ct_run_parallel(run, (int64_t)(plan->n_out * plan->split), elem_ns * (double)plan->piece,
                        row_parts, &job);
        join_parts(&job);
    } else if (plan->rows) {
        ct_run_parallel(run, (int64_t)plan->n_out, 10 + elem_ns * (double)plan->n_each, whole_rows,
                        &job);
    } else {
        size_t inner = plan->n_kept ? plan->kept[plan->n_kept - 1] : 1;
        job.chunks = (inner + WIDTH - 1) / WIDTH;
        size_t width = inner < WIDTH ? inner : WIDTH;
        ct_run_parallel(run, (int64_t)(plan->n_out / inner * job.chunks),
                        10 + elem_ns * (double)(plan->n_each * width), column_chunks, &job);
    }
}

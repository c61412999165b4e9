#include "ops/norm/rows.h"

#include <string.h>

/* Columns gathered together when rows are strided: one cache line of floats. */
enum { TILE = 16 };

ct_status ct_rows_init(struct ct_rows *rows, const struct ct_tensor *x, int first, int last,
                       struct ct_prepare *prepare)
{
    rows->dtype = x->dtype;
    rows->outer = (size_t)ct_dims_product(x->dims, 0, first);
    rows->n = (size_t)ct_dims_product(x->dims, first, last + 1);
    rows->inner = (size_t)ct_dims_product(x->dims, last + 1, x->rank);
    rows->worker_bytes = 0;
    bool direct = x->dtype == CORTEN_F32 || x->dtype == CORTEN_F64;
    if (rows->inner <= 1 && direct)
        return CORTEN_OK;
    size_t elem = x->dtype == CORTEN_F64 ? sizeof(double) : sizeof(float);
    size_t tile = rows->inner < TILE ? rows->inner : TILE, total;
    if (!ct_mul_size(rows->n, tile * elem, &rows->worker_bytes) ||
        !ct_add_size(rows->worker_bytes, CT_ALIGN, &rows->worker_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "rows of %zu elements are too long",
                       rows->n);
    rows->worker_bytes = rows->worker_bytes & ~(size_t)(CT_ALIGN - 1);
    if (!ct_mul_size(rows->worker_bytes + CT_ALIGN, (size_t)prepare->threads, &total))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "rows of %zu elements are too long",
                       rows->n);
    rows->worker_bytes += CT_ALIGN;
    if (total > prepare->scratch_bytes)
        prepare->scratch_bytes = total;
    return CORTEN_OK;
}

struct job {
    const struct ct_rows *rows;
    const char *x;
    char *y;
    char *scratch;
    size_t tiles; /* tiles of columns in one outer */
};

static void rows_direct(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_rows *rows = job->rows;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        size_t at = (size_t)i * rows->n;
        if (rows->dtype == CORTEN_F64)
            rows->f64(rows->arg, (const double *)(const void *)job->x + at,
                      (double *)(void *)job->y + at, rows->n);
        else
            rows->f32(rows->arg, (const float *)(const void *)job->x + at,
                      (float *)(void *)job->y + at, rows->n);
    }
}

/* to[c * n + i] = from[first + i * inner + c] */
static void gather_f64(const double *from, size_t inner, size_t n, size_t width, double *to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < width; c++)
            to[c * n + i] = from[i * inner + c];
}

static void scatter_f64(double *to, size_t inner, size_t n, size_t width, const double *from)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < width; c++)
            to[i * inner + c] = from[c * n + i];
}

static void gather_f32(const struct ct_rows *rows, const void *x, size_t first, size_t width,
                       float *to)
{
    size_t n = rows->n;
    float line[TILE];
    if (rows->inner == 1) {
        ct_load_f32(rows->dtype, x, first, n, to);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ct_load_f32(rows->dtype, x, first + i * rows->inner, width, line);
        for (size_t c = 0; c < width; c++)
            to[c * n + i] = line[c];
    }
}

static void scatter_f32(const struct ct_rows *rows, void *y, size_t first, size_t width,
                        const float *from)
{
    size_t n = rows->n;
    float line[TILE];
    if (rows->inner == 1) {
        ct_store_f32(rows->dtype, y, first, n, from);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < width; c++)
            line[c] = from[c * n + i];
        ct_store_f32(rows->dtype, y, first + i * rows->inner, width, line);
    }
}

static void rows_gathered(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_rows *rows = job->rows;
    void *tile = job->scratch + (size_t)worker * rows->worker_bytes;
    for (int64_t item = begin; item < end; item++) {
        size_t outer = (size_t)item / job->tiles, column = (size_t)item % job->tiles * TILE;
        size_t width = rows->inner - column < TILE ? rows->inner - column : TILE;
        size_t first = outer * rows->n * rows->inner + column;
        if (rows->dtype == CORTEN_F64) {
            double *t = tile;
            gather_f64((const double *)(const void *)job->x + first, rows->inner, rows->n, width,
                       t);
            for (size_t c = 0; c < width; c++)
                rows->f64(rows->arg, t + c * rows->n, t + c * rows->n, rows->n);
            scatter_f64((double *)(void *)job->y + first, rows->inner, rows->n, width, t);
        } else {
            float *t = tile;
            gather_f32(rows, job->x, first, width, t);
            for (size_t c = 0; c < width; c++)
                rows->f32(rows->arg, t + c * rows->n, t + c * rows->n, rows->n);
            scatter_f32(rows, job->y, first, width, t);
        }
    }
}

void ct_rows_run(const struct ct_rows *rows, const struct ct_run *run, const void *x, void *y)
{
    struct job job = {rows, x, y, run->scratch, 1};
    if (rows->outer == 0 || rows->n == 0 || rows->inner == 0)
        return;
    double row_ns = rows->elem_ns * (double)rows->n;
    if (!rows->worker_bytes) {
        ct_run_parallel(run, (int64_t)rows->outer, row_ns, rows_direct, &job);
        return;
    }
    job.tiles = (rows->inner + TILE - 1) / TILE;
    size_t width = rows->inner < TILE ? rows->inner : TILE;
    ct_run_parallel(run, (int64_t)(rows->outer * job.tiles), row_ns * (double)width + 10,
                    rows_gathered, &job);
}

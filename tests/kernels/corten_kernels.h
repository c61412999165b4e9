/* corten-kernels: checks every kernel that this machine can run against the reference of its
 * family, and times it. docs/kernels.md says how a family is added: one check_<family>.c and one
 * row in families.def. */
#ifndef CT_TESTS_KERNELS_CORTEN_KERNELS_H
#define CT_TESTS_KERNELS_CORTEN_KERNELS_H

#include "cpu/cpu.h"

struct check; /* the state of a run */

struct check_family {
    const char *name;
    /* Either may be NULL. */
    void (*check)(struct check *check); /* calls check_run for each case */
    void (*bench)(struct check *check); /* prints with check_report_... */
};

/** True when this row is to be checked: the machine has the ISA, and --isa and --filter say so. */
bool check_wants(const struct check *check, const char *kernel, enum ct_isa isa);
/** How many random cases to make of each kind of row: 1 unless --rounds says more. */
int check_rounds(const struct check *check);

/* Random numbers, the same for each run with the same --seed. */
uint32_t check_random(struct check *check);
/** lo <= n <= hi. */
size_t check_random_size(struct check *check, size_t lo, size_t hi);
/** In [-1, 1), a multiple of 2^-23. */
float check_random_f32(struct check *check);

typedef void check_fn(struct check *check, void *arg);

/** One case: runs fn, counts it as passed or failed, and gives the memory of check_alloc back.
 *  A wild read or write fails the case. The text names kernel, sizes and strides. */
void check_run(struct check *check, check_fn *fn, void *arg, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** Fails the case that is running; the first text is kept. */
void check_fail(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Memory whose neighbour, after or before it by chance, is a page that cannot be touched; what is
 *  left of the page on its other side is checked for changes at the end of the case. Starts as
 *  bytes of 0xFF: NaN. Aligned to `alignment`, of which size_bytes must be a multiple. */
void *check_alloc(struct check *check, size_t size_bytes, size_t alignment);
/** n floats of check_random_f32. */
float *check_alloc_f32(struct check *check, size_t n);
/** n floats of NaN: for results. */
float *check_alloc_nan(struct check *check, size_t n);

/** Fails the case unless |got - want| <= tolerance, or both are NaN or the same infinity. */
bool check_close(struct check *check, const char *what, size_t index, double got, double want,
                 double tolerance);

/** Seconds of one call of fn: the least of many short repetitions. */
double check_time(struct check *check, check_fn *fn, void *arg);
/** What is multiplied; sums are of 32 bits. */
enum check_products { CHECK_F32, CHECK_BF16, CHECK_I8 };
/** Prints a line with GFLOP/s and their share of the machine's peak of such products with that
 *  ISA, which is measured now. */
void check_report_flops(struct check *check, const char *kernel, const char *text, double flops,
                        double seconds, enum ct_isa isa, enum check_products products);
/** Prints a line with GB/s and their share of what this core reads from a buffer of
 *  `footprint_bytes`, over and over, measured now. */
void check_report_bytes(struct check *check, const char *kernel, const char *text, double bytes,
                        double seconds, size_t footprint_bytes);

/* corten_kernels_peak.c: one thread, the best of a few milliseconds. Where the ISA has no
 * instruction for products of bfloat16 or bytes, the peak is that of float32. */
double check_peak_gflops(enum ct_isa isa, enum check_products products);
double check_read_gbytes(size_t footprint_bytes);

/* corten_kernels_memory.c */
struct check_memory;
struct check_memory *check_memory_create(void);
void check_memory_destroy(struct check_memory *memory);
/** `before`: the page that cannot be touched comes before the buffer. NULL: no memory. */
void *check_memory_alloc(struct check_memory *memory, size_t size_bytes, size_t alignment,
                         bool before);
/** False when something beside a buffer was written. Frees all buffers. */
bool check_memory_release(struct check_memory *memory);

#endif

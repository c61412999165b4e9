/* The program: options, cases, timing. */
#include "kernels/corten_kernels.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/os.h"

#define CHECK_FAMILY(name) extern const struct check_family name;
#include "kernels/families.def"
#undef CHECK_FAMILY

static const struct check_family *const families[] = {
#define CHECK_FAMILY(name) &name,
#include "kernels/families.def"
#undef CHECK_FAMILY
};
enum { FAMILY_COUNT = sizeof families / sizeof *families };

struct check {
    const char *family, *filter;
    enum ct_isa isa;
    bool any_isa, bench, verbose;
    int rounds;
    uint64_t random;
    size_t passed, failed;
    struct check_memory *memory;
    bool case_failed;
    char failure[400];
};

static sigjmp_buf escape;
static volatile sig_atomic_t can_escape;

static void on_fault(int number)
{
    if (can_escape)
        siglongjmp(escape, 1);
    signal(number, SIG_DFL);
    raise(number);
}

bool check_wants(const struct check *check, const char *kernel, enum ct_isa isa)
{
    return (ct_cpu_features() >> isa & 1) && (check->any_isa || check->isa == isa) &&
           (!check->filter || strstr(kernel, check->filter));
}

int check_rounds(const struct check *check)
{
    return check->rounds;
}

/* splitmix64 */
uint32_t check_random(struct check *check)
{
    uint64_t x = check->random += 0x9E3779B97F4A7C15u;

    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)(x >> 32);
}

size_t check_random_size(struct check *check, size_t lo, size_t hi)
{
    return lo + check_random(check) % (hi - lo + 1);
}

float check_random_f32(struct check *check)
{
    return (float)((int32_t)(check_random(check) >> 8) - (1 << 23)) / (float)(1 << 23);
}

void *check_alloc(struct check *check, size_t size_bytes, size_t alignment)
{
    void *p =
        check_memory_alloc(check->memory, size_bytes, alignment, check_random(check) % 4 == 0);

    if (!p) {
        fprintf(stderr, "corten-kernels: no memory for a buffer of %zu bytes\n", size_bytes);
        exit(2);
    }
    return p;
}

float *check_alloc_nan(struct check *check, size_t n)
{
    return check_alloc(check, n * sizeof(float), sizeof(float));
}

float *check_alloc_f32(struct check *check, size_t n)
{
    float *p = check_alloc_nan(check, n);

    for (size_t i = 0; i < n; i++)
        p[i] = check_random_f32(check);
    return p;
}

void check_fail(struct check *check, const char *format, ...)
{
    va_list args;

    if (check->case_failed)
        return;
    check->case_failed = true;
    va_start(args, format);
    vsnprintf(check->failure, sizeof check->failure, format, args);
    va_end(args);
}

bool check_close(struct check *check, const char *what, size_t index, double got, double want,
                 double tolerance)
{
    if (got == want || (isnan(got) && isnan(want)) || fabs(got - want) <= tolerance)
        return true;
    check_fail(check, "%s[%zu] is %.9g, expected %.9g within %.3g", what, index, got, want,
               tolerance);
    return false;
}

void check_run(struct check *check, check_fn *fn, void *arg, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->case_failed = false;
    can_escape = 1;
    if (sigsetjmp(escape, 1) == 0)
        fn(check, arg);
    else
        check_fail(check, "read or wrote outside its buffers");
    can_escape = 0;
    if (!check_memory_release(check->memory))
        check_fail(check, "wrote beside its buffers");
    if (check->case_failed) {
        check->failed++;
        printf("FAIL %s: %s\n", text, check->failure);
    } else {
        check->passed++;
        if (check->verbose)
            printf("ok   %s\n", text);
    }
}

double check_time(struct check *check, check_fn *fn, void *arg)
{
    int64_t best = INT64_MAX, total = 0;
    int64_t repeats = 1;

    fn(check, arg);
    for (int run = 0; run < 2000 && total < 200000000; run++) {
        int64_t start = ct_os_now_ns();
        for (int64_t i = 0; i < repeats; i++)
            fn(check, arg);
        int64_t ns = ct_os_now_ns() - start;
        total += ns;
        if (ns < 5000 && repeats < 1 << 20) { /* too short for the clock */
            repeats *= 2;
            best = INT64_MAX;
            continue;
        }
        best = ns < best ? ns : best;
    }
    return (double)best / (double)repeats * 1e-9;
}

void check_report_flops(struct check *check, const char *kernel, const char *text, double flops,
                        double seconds, enum ct_isa isa, enum check_products products)
{
    double peak = check_peak_gflops(isa, products), rate = flops / seconds * 1e-9;

    (void)check;
    printf("%-28s %-34s %9.3f us %8.1f GFLOP/s %5.1f %% of %.1f\n", kernel, text, seconds * 1e6,
           rate, 100 * rate / peak, peak);
    fflush(stdout);
}

void check_report_bytes(struct check *check, const char *kernel, const char *text, double bytes,
                        double seconds, size_t footprint_bytes)
{
    double peak = check_read_gbytes(footprint_bytes), rate = bytes / seconds * 1e-9;

    (void)check;
    printf("%-28s %-34s %9.3f us %8.1f GB/s    %5.1f %% of %.1f\n", kernel, text, seconds * 1e6,
           rate, 100 * rate / peak, peak);
    fflush(stdout);
}

static const char usage[] = "usage: corten-kernels [options]\n"
                            "  --family NAME   only this family\n"
                            "  --isa NAME      only kernels of this ISA\n"
                            "  --filter TEXT   only kernels with TEXT in their name\n"
                            "  --bench         time instead of check\n"
                            "  --rounds N      N times as many random cases\n"
                            "  --seed N        other random cases\n"
                            "  --list          families\n"
                            "  --verbose       name the cases that pass\n";

static const char *value_of(int argc, char **argv, int *i)
{
    if (*i + 1 < argc)
        return argv[++*i];
    fprintf(stderr, "corten-kernels: %s needs a value\n%s", argv[*i], usage);
    exit(2);
}

static void parse(struct check *check, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--family")) {
            check->family = value_of(argc, argv, &i);
        } else if (!strcmp(name, "--filter")) {
            check->filter = value_of(argc, argv, &i);
        } else if (!strcmp(name, "--isa")) {
            check->any_isa = false;
            if (!ct_isa_parse(value_of(argc, argv, &i), &check->isa)) {
                fprintf(stderr, "corten-kernels: there is no ISA '%s'\n", argv[i]);
                exit(2);
            }
        } else if (!strcmp(name, "--bench")) {
            check->bench = true;
        } else if (!strcmp(name, "--rounds")) {
            check->rounds = atoi(value_of(argc, argv, &i));
        } else if (!strcmp(name, "--seed")) {
            check->random = strtoull(value_of(argc, argv, &i), NULL, 0);
        } else if (!strcmp(name, "--verbose")) {
            check->verbose = true;
        } else if (!strcmp(name, "--list")) {
            for (int f = 0; f < FAMILY_COUNT; f++)
                printf("%s\n", families[f]->name);
            exit(0);
        } else {
            fprintf(stderr, "%s", usage);
            exit(strcmp(name, "--help") ? 2 : 0);
        }
    }
}

int main(int argc, char **argv)
{
    struct check check = {.any_isa = true, .rounds = 1, .memory = check_memory_create()};
    int run = 0;

    parse(&check, argc, argv);
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    for (int f = 0; f < FAMILY_COUNT; f++) {
        if (check.family && strcmp(check.family, families[f]->name))
            continue;
        run++;
        void (*part)(struct check *) = check.bench ? families[f]->bench : families[f]->check;
        if (part)
            part(&check);
    }
    check_memory_destroy(check.memory);
    if (!run) {
        fprintf(stderr, "corten-kernels: there is no family '%s'\n", check.family);
        return 2;
    }
    if (!check.bench)
        printf("%zu passed, %zu failed\n", check.passed, check.failed);
    return check.failed ? 1 : 0;
}

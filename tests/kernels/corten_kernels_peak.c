/* What this core can do at most: the yardstick of --bench. */
#include <stdlib.h>

#include "kernels/corten_kernels.h"
#include "os/os.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Twelve chains: more than latency times throughput of any core, fewer than the registers. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
enum { CHAIN_COUNT = 12, LOOPS = 20000 };

__attribute__((target("avx512f"), noinline)) static void run_avx512(void)
{
    __m512 x = _mm512_set1_ps(1.0f);
#define START(i) __m512 a##i = _mm512_setzero_ps();
#define STEP(i) a##i = _mm512_fmadd_ps(x, x, a##i);
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));
    CHAINS(START)
    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
        CHAINS(KEEP)
    }
#undef START
#undef STEP
#undef KEEP
}

__attribute__((target("avx512f,avx512bf16"), noinline)) static void run_avx512_bf16(void)
{
    __m512bh x = (__m512bh)_mm512_setzero_si512();
#define START(i) __m512 a##i = _mm512_setzero_ps();
#define STEP(i) a##i = _mm512_dpbf16_ps(a##i, x, x);
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));
    CHAINS(START)
    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
        CHAINS(KEEP)
    }
#undef START
#undef STEP
#undef KEEP
}

__attribute__((target("avx512f,avx512vnni"), noinline)) static void run_avx512_i8(void)
{
    __m512i x = _mm512_setzero_si512();
#define START(i) __m512i a##i = _mm512_setzero_si512();
#define STEP(i) a##i = _mm512_dpbusd_epi32(a##i, x, x);
#define KEEP(i) __asm__ volatile("" : "+v"(a##i));
    CHAINS(START)
    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
        CHAINS(KEEP)
    }
#undef START
#undef STEP
#undef KEEP
}

#if CT_HAVE_AMX
/* Four tiles of sums, from two of each operand: as a kernel does. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
static const struct tile_config tile_config = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};

__attribute__((target("amx-tile,amx-bf16"), noinline)) static void run_amx_bf16(void)
{
    _tile_loadconfig(&tile_config);
    for (int i = 0; i < LOOPS; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}

__attribute__((target("amx-tile,amx-int8"), noinline)) static void run_amx_i8(void)
{
    _tile_loadconfig(&tile_config);
    for (int i = 0; i < LOOPS; i++) {
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 4, 7);
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
    }
    _tile_release();
}
#endif

__attribute__((target("avx2,fma"), noinline)) static void run_avx2(void)
{
    __m256 x = _mm256_set1_ps(1.0f);
#define START(i) __m256 a##i = _mm256_setzero_ps();
#define STEP(i) a##i = _mm256_fmadd_ps(x, x, a##i);
#define KEEP(i) __asm__ volatile("" : "+x"(a##i));
    CHAINS(START)
    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
        CHAINS(KEEP)
    }
#undef START
#undef STEP
#undef KEEP
}

/* A multiplication and an addition that do not wait for each other. */
__attribute__((noinline)) static void run_sse(void)
{
    __m128 x = _mm_set1_ps(1.0f);
#define START(i) __m128 a##i = _mm_setzero_ps();
#define STEP(i) a##i = i % 2 ? _mm_mul_ps(x, a##i) : _mm_add_ps(x, a##i);
#define KEEP(i) __asm__ volatile("" : "+x"(a##i));
    CHAINS(START)
    for (int i = 0; i < LOOPS; i++) {
        CHAINS(STEP)
        CHAINS(KEEP)
    }
#undef START
#undef STEP
#undef KEEP
}

static double gflops_of(void (*run)(void), double flops_per_loop)
{
    int64_t best = INT64_MAX;

    for (int i = 0; i < 20; i++) {
        int64_t start = ct_os_now_ns();
        run();
        int64_t ns = ct_os_now_ns() - start;
        best = ns < best ? ns : best;
    }
    return flops_per_loop * LOOPS / (double)best;
}

static bool may_use(enum ct_isa isa, enum ct_isa wanted)
{
    return isa >= wanted && (ct_cpu_features() >> wanted & 1);
}

double check_peak_gflops(enum ct_isa isa, enum check_products products)
{
#if CT_HAVE_AMX
    if (products != CHECK_F32 && may_use(isa, CT_ISA_AMX))
        return products == CHECK_BF16 ? gflops_of(run_amx_bf16, 4 * 2 * 16 * 16 * 32)
                                      : gflops_of(run_amx_i8, 4 * 2 * 16 * 16 * 64);
#endif
    if (products == CHECK_BF16 && may_use(isa, CT_ISA_AVX512BF16))
        return gflops_of(run_avx512_bf16, 64 * CHAIN_COUNT);
    if (products == CHECK_I8 && may_use(isa, CT_ISA_AVX512VNNI))
        return gflops_of(run_avx512_i8, 128 * CHAIN_COUNT);
    if (may_use(isa, CT_ISA_AVX512))
        return gflops_of(run_avx512, 32 * CHAIN_COUNT);
    if (may_use(isa, CT_ISA_AVX2))
        return gflops_of(run_avx2, 16 * CHAIN_COUNT);
    return gflops_of(run_sse, 4 * CHAIN_COUNT);
}

#else

double check_peak_gflops(enum ct_isa isa, enum check_products products)
{
    (void)isa;
    (void)products;
    return 1;
}

#endif

/* One word of each cache line: more would measure the adding. */
double check_read_gbytes(size_t footprint_bytes)
{
    size_t words = footprint_bytes / sizeof(uint64_t) + 8;
    uint64_t *data = calloc(words, sizeof *data);
    int64_t best = INT64_MAX;
    int repeats = (int)(((size_t)4 << 20) / footprint_bytes) + 1;
    uint64_t sum = 0;

    if (!data)
        return 0;
    for (size_t i = 0; i < words; i++)
        data[i] = i;
    for (int run = 0; run < 10; run++) {
        int64_t start = ct_os_now_ns();
        for (int r = 0; r < repeats; r++)
            for (size_t i = 0; i + 16 <= words; i += 16)
                sum += data[i] + data[i + 8];
        __asm__ volatile("" : "+r"(sum));
        int64_t ns = ct_os_now_ns() - start;
        best = ns < best ? ns : best;
    }
    free(data);
    return (double)footprint_bytes * repeats / (double)best;
}

#include "cpu/cpu.h"

#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const isa_names[CT_ISA_COUNT] = {
#define CT_X(name, bit, text) [bit] = text,
    CT_ISA_MAP(CT_X)
#undef CT_X
};

const char *ct_isa_name(enum ct_isa isa)
{
    return (unsigned)isa < CT_ISA_COUNT ? isa_names[isa] : "unknown";
}

bool ct_isa_parse(const char *name, enum ct_isa *isa)
{
    for (int i = 0; i < CT_ISA_COUNT; i++) {
        if (strcmp(name, isa_names[i]) == 0) {
            *isa = (enum ct_isa)i;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ detection */

#if defined(__x86_64__)

struct registers {
    unsigned a, b, c, d;
};

static struct registers cpuid(unsigned leaf, unsigned subleaf)
{
    struct registers r = {0, 0, 0, 0};
    __get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d);
    return r;
}

/* Which registers the system saves (XCR0). The instruction needs no compiler flag this way. */
static unsigned saved_registers(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(unsigned value, unsigned bits)
{
    return (value & bits) == bits;
}

/* The highest ISA that processor and system have, each with all that its kernels are compiled
 * for. Bits: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E. */
static enum ct_isa detect_best(void)
{
    enum { XCR0_YMM = 0x6, XCR0_ZMM = 0xe6, XCR0_TILES = 0x60000 };
    const unsigned leaf1_sse41 = bit_SSE3 | bit_SSSE3 | bit_SSE4_1;
    const unsigned leaf1_avx2 = bit_AVX | bit_FMA | bit_F16C | bit_OSXSAVE;
    const unsigned leaf7_avx512 =
        bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
    const unsigned leaf7_amx = 1u << 22 | 1u << 24 | 1u << 25; /* bf16, tiles, int8 */
    const unsigned leaf7_1_bf16 = 1u << 5;

    struct registers leaf1 = cpuid(1, 0), leaf7 = cpuid(7, 0);
    if (!has_all(leaf1.c, leaf1_sse41))
        return CT_ISA_REF;
    if (!has_all(leaf1.c, leaf1_avx2) || !has_all(leaf7.b, bit_AVX2) ||
        !has_all(saved_registers(), XCR0_YMM))
        return CT_ISA_SSE41;
    if (!has_all(leaf7.b, leaf7_avx512) || !has_all(saved_registers(), XCR0_ZMM))
        return CT_ISA_AVX2;
    if (!has_all(leaf7.c, bit_AVX512VNNI))
        return CT_ISA_AVX512;
    if (leaf7.a < 1 || !has_all(cpuid(7, 1).a, leaf7_1_bf16))
        return CT_ISA_AVX512VNNI;
    if (!has_all(leaf7.d, leaf7_amx) || !has_all(saved_registers(), XCR0_TILES))
        return CT_ISA_AVX512BF16;
    return CT_ISA_AMX;
}

/* Intel's leaf 4 and AMD's 0x8000001D have one layout: one subleaf a cache, until type 0. */
static bool caches_of_leaf(unsigned leaf, struct ct_cpu_caches *caches)
{
    enum { TYPE_NONE = 0, TYPE_INSTRUCTIONS = 2 };
    for (unsigned i = 0; i < 16; i++) {
        struct registers r = cpuid(leaf, i);
        unsigned type = r.a & 0x1f, level = r.a >> 5 & 7;
        if (type == TYPE_NONE)
            break;
        size_t size_bytes = (size_t)((r.b >> 22) + 1) * ((r.b >> 12 & 0x3ff) + 1) *
                            ((r.b & 0xfff) + 1) * ((size_t)r.c + 1);
        if (type == TYPE_INSTRUCTIONS)
            continue;
        if (level == 1)
            caches->l1d_bytes = size_bytes;
        else if (level == 2)
            caches->l2_bytes = size_bytes;
        else if (level == 3)
            caches->l3_bytes = size_bytes;
    }
    return caches->l1d_bytes && caches->l2_bytes;
}

static bool detect_caches(struct ct_cpu_caches *caches)
{
    struct registers vendor = cpuid(0, 0);
    bool is_intel = vendor.b == signature_INTEL_ebx;
    return caches_of_leaf(is_intel ? 4 : 0x8000001d, caches) ||
           caches_of_leaf(is_intel ? 0x8000001d : 4, caches);
}

#else

static enum ct_isa detect_best(void)
{
    return CT_ISA_REF;
}

static bool detect_caches(struct ct_cpu_caches *caches)
{
    (void)caches;
    return false;
}

#endif

/* ------------------------------------------------------------------ features */

/* Features imply those below them: keeps the bits from the lowest up to the first gap. */
static unsigned without_gaps(unsigned features)
{
    features |= 1u << CT_ISA_REF;
    return features & ~(features + 1);
}

static unsigned up_to(enum ct_isa isa)
{
    return (2u << isa) - 1;
}

static unsigned detect_features(void)
{
    unsigned features = up_to(detect_best());
    const char *limit = getenv("CORTEN_CPU_MASK");
    enum ct_isa highest;
    if (limit && ct_isa_parse(limit, &highest))
        features &= up_to(highest);
    if ((features >> CT_ISA_AMX & 1) && !ct_os_permit_tiles())
        features &= ~(1u << CT_ISA_AMX);
    return features;
}

/* 0: not yet detected. Two threads may both detect; they find the same. */
static unsigned detected_features;
/* Inverted, so that the initial 0 masks nothing. */
static unsigned masked_out;

unsigned ct_cpu_features(void)
{
    unsigned features = __atomic_load_n(&detected_features, __ATOMIC_RELAXED);
    if (!features) {
        features = detect_features();
        __atomic_store_n(&detected_features, features, __ATOMIC_RELAXED);
    }
    return without_gaps(features & ~__atomic_load_n(&masked_out, __ATOMIC_RELAXED));
}

void ct_cpu_set_mask(unsigned mask)
{
    __atomic_store_n(&masked_out, ~mask, __ATOMIC_RELAXED);
}

enum ct_isa ct_cpu_best(void)
{
    return (enum ct_isa)(31 - __builtin_clz(ct_cpu_features()));
}

/* ------------------------------------------------------------------ caches */

static bool read_cache_text(int index, const char *what, char *text, size_t size_bytes)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
    return ct_os_read_text(path, text, size_bytes);
}

static void read_system_caches(struct ct_cpu_caches *caches)
{
    char level[16], type[32], size[32];
    for (int i = 0; read_cache_text(i, "level", level, sizeof level) &&
                    read_cache_text(i, "type", type, sizeof type) &&
                    read_cache_text(i, "size", size, sizeof size);
         i++) {
        if (strncmp(type, "Instruction", 11) == 0)
            continue;
        char *unit;
        size_t size_bytes = strtoull(size, &unit, 10);
        size_bytes <<= *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
        if (*level == '1')
            caches->l1d_bytes = size_bytes;
        else if (*level == '2')
            caches->l2_bytes = size_bytes;
        else if (*level == '3')
            caches->l3_bytes = size_bytes;
    }
}

const struct ct_cpu_caches *ct_cpu_get_caches(void)
{
    /* 0 not yet, 1 being filled, 2 there. Who comes while it is being filled waits: it is short. */
    static int state;
    static struct ct_cpu_caches caches;
    int expected = 0;
    if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 2)
        return &caches;
    if (__atomic_compare_exchange_n(&state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_ACQUIRE)) {
        struct ct_cpu_caches found = {0};
        if (!detect_caches(&found))
            read_system_caches(&found);
        /* What every machine of the last ten years has. */
        caches.l1d_bytes = found.l1d_bytes ? found.l1d_bytes : 32 << 10;
        caches.l2_bytes = found.l2_bytes ? found.l2_bytes : 256 << 10;
        caches.l3_bytes = found.l3_bytes ? found.l3_bytes : caches.l2_bytes;
        __atomic_store_n(&state, 2, __ATOMIC_RELEASE);
        ct_os_wake(&state, INT32_MAX);
        return &caches;
    }
    while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2)
        ct_os_wait(&state, 1);
    return &caches;
}

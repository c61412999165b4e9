#include "cpu/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void features_have_no_gaps(void **state)
{
    (void)state;
    unsigned features = ct_cpu_features();
    assert_true(features & 1u << CT_ISA_REF);
    assert_int_equal(features & (features + 1), 0);
    assert_true(features & 1u << ct_cpu_best());
    assert_int_equal(features >> (ct_cpu_best() + 1), 0);
}

static void features_agree_with_the_compiler(void **state)
{
    (void)state;
#if defined(__x86_64__)
    unsigned features = ct_cpu_features();
    assert_int_equal(features >> CT_ISA_SSE41 & 1, __builtin_cpu_supports("sse4.1") != 0);
    assert_int_equal(features >> CT_ISA_AVX2 & 1,
                     __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
    assert_int_equal(features >> CT_ISA_AVX512 & 1,
                     __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"));
    assert_int_equal(features >> CT_ISA_AVX512VNNI & 1, __builtin_cpu_supports("avx512vnni") != 0);
#endif
}

static void mask_limits_and_keeps_ref(void **state)
{
    (void)state;
    unsigned all = ct_cpu_features();
    ct_cpu_set_mask(0);
    assert_int_equal(ct_cpu_features(), 1u << CT_ISA_REF);
    assert_int_equal(ct_cpu_best(), CT_ISA_REF);
    /* What is above a gap goes: features imply those below. */
    ct_cpu_set_mask(~(1u << CT_ISA_SSE41));
    assert_int_equal(ct_cpu_features(), 1u << CT_ISA_REF);
    ct_cpu_set_mask(~0u);
    assert_int_equal(ct_cpu_features(), all);
}

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int i = 0; i < CT_ISA_COUNT; i++) {
        enum ct_isa isa = CT_ISA_COUNT;
        assert_true(ct_isa_parse(ct_isa_name((enum ct_isa)i), &isa));
        assert_int_equal(isa, i);
    }
    enum ct_isa isa;
    assert_false(ct_isa_parse("mmx", &isa));
    assert_string_equal(ct_isa_name(CT_ISA_REF), "ref");
    assert_string_equal(ct_isa_name(CT_ISA_AVX512VNNI), "avx512vnni");
}

/* Runs this program again under a mask; returns what it exits with. */
static int exit_under(const char *mask, const char *what)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("CORTEN_CPU_MASK", mask, 1);
        execl("/proc/self/exe", "test", what, (char *)NULL);
        _exit(99);
    }
    int result = -1;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static int best_under(const char *mask)
{
    return exit_under(mask, "--best");
}

static int permitted_under(const char *mask)
{
    return exit_under(mask, "--permitted");
}

/* Whether this process may use tiles, after detection. */
static int tiles_are_permitted(void)
{
    uint64_t permitted = 0;
    ct_cpu_features();
#if defined(__x86_64__)
    enum { ARCH_GET_XCOMP_PERM = 0x1022, XFEATURE_XTILEDATA = 18 };
    if (syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &permitted) != 0)
        return 0;
    permitted = permitted >> XFEATURE_XTILEDATA & 1;
#endif
    return (int)permitted;
}

static void environment_limits_features(void **state)
{
    (void)state;
    int best = best_under("none"); /* of the machine: this process may run under a mask */
    assert_int_equal(best_under("ref"), CT_ISA_REF);
    for (int isa = 0; isa < CT_ISA_COUNT; isa++)
        assert_int_equal(best_under(ct_isa_name((enum ct_isa)isa)), isa < best ? isa : best);
}

/* Where tiles are used, the processor has them and all that is below; and the mask leaves them out
 * without asking the system for permission, which cannot be given back. */
static void tiles_can_be_left_out(void **state)
{
    (void)state;
    assert_in_range(best_under("avx512bf16"), CT_ISA_REF, CT_ISA_AVX512BF16);
    assert_int_equal(permitted_under("avx512bf16"), 0);
    assert_int_equal(permitted_under("amx"), best_under("amx") == CT_ISA_AMX);
}

static void caches_are_plausible(void **state)
{
    (void)state;
    const struct ct_cpu_caches *caches = ct_cpu_get_caches();
    assert_in_range(caches->l1d_bytes, 8 << 10, 1 << 20);
    assert_in_range(caches->l2_bytes, 64 << 10, 64 << 20);
    assert_true(caches->l3_bytes >= 64 << 10);
    assert_ptr_equal(caches, ct_cpu_get_caches());
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--best") == 0)
        return (int)ct_cpu_best();
    if (argc == 2 && strcmp(argv[1], "--permitted") == 0)
        return tiles_are_permitted();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_have_no_gaps),
        cmocka_unit_test(features_agree_with_the_compiler),
        cmocka_unit_test(mask_limits_and_keeps_ref),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(environment_limits_features),
        cmocka_unit_test(tiles_can_be_left_out),
        cmocka_unit_test(caches_are_plausible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

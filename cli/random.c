#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "element.h"
#include "text.h"

void ct_cli_random_init(struct ct_cli_random *random, uint64_t seed, uint64_t stream)
{
    random->state = seed;
    random->state = ct_cli_random_next(random) ^ (stream * UINT64_C(0xD1342543DE82EF95));
}

uint64_t ct_cli_random_next(struct ct_cli_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Evenly in (0, 1]: its logarithm is finite. */
static double next_unit(struct ct_cli_random *random)
{
    return ((double)(ct_cli_random_next(random) >> 11) + 1.0) * 0x1p-53;
}

static double next_normal(struct ct_cli_random *random)
{
    double radius = sqrt(-2.0 * log(next_unit(random)));
    return radius * cos(2.0 * M_PI * next_unit(random));
}

static int64_t next_integer(struct ct_cli_random *random, int64_t least, int64_t most)
{
    uint64_t span = (uint64_t)most - (uint64_t)least + 1;
    uint64_t offset = ct_cli_random_next(random);
    return (int64_t)((uint64_t)least + (span == 0 ? offset : offset % span));
}

static corten_status fill_strings(struct ct_cli_random *random, int64_t least, int64_t most,
                                  corten_value *tensor, corten_error *error)
{
    enum { WORD_SIZE = 24 };
    size_t count = corten_tensor_element_count(tensor);
    corten_string *strings = calloc(count + 1, sizeof *strings);
    char *words = calloc(count + 1, WORD_SIZE);
    corten_status status = strings && words ? CORTEN_OK : ct_cli_no_memory(error, "strings");
    for (size_t i = 0; i < count && status == CORTEN_OK; i++) {
        char *word = words + i * WORD_SIZE;
        int size = snprintf(word, WORD_SIZE, "w%lld", (long long)next_integer(random, least, most));
        strings[i] = (corten_string){word, (size_t)size};
    }
    if (status == CORTEN_OK)
        status = corten_tensor_set_strings(tensor, strings, count, error);
    free(strings);
    free(words);
    return status;
}

corten_status ct_cli_random_fill(struct ct_cli_random *random, int64_t least, int64_t most,
                                 corten_value *tensor, corten_error *error)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    if (dtype == CORTEN_STRING)
        return fill_strings(random, least, most, tensor, error);
    size_t count = corten_tensor_element_count(tensor);
    void *data = corten_tensor_data(tensor);
    enum ct_cli_class class = ct_cli_class_of(dtype);
    if (class == CT_CLI_CLASS_SIGNED || class == CT_CLI_CLASS_UNSIGNED) {
        int64_t dtype_least = 0;
        int64_t dtype_most = 0;
        ct_cli_integer_range(dtype, &dtype_least, &dtype_most);
        least = least < dtype_least ? dtype_least : least > dtype_most ? dtype_most : least;
        most = most > dtype_most ? dtype_most : most < least ? least : most;
        for (size_t i = 0; i < count; i++)
            ct_cli_element_set_bits(dtype, data, i, (uint64_t)next_integer(random, least, most));
        return CORTEN_OK;
    }
    for (size_t i = 0; i < count; i++) {
        ct_cli_element_set_real(dtype, data, i, next_normal(random));
        if (class == CT_CLI_CLASS_COMPLEX)
            ct_cli_element_set_imaginary(dtype, data, i, next_normal(random));
    }
    return CORTEN_OK;
}

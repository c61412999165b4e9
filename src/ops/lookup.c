#include "ops/lookup.h"

#include <string.h>

enum { MAX_KEYS = 1 << 30 };

/* The finaliser of MurmurHash3. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t hash_string(corten_string s)
{
    uint64_t h = s.size_bytes;
    size_t i = 0;
    for (; i + 8 <= s.size_bytes; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, 8);
        h = mix(h ^ word);
    }
    if (i < s.size_bytes) {
        uint64_t word = 0;
        memcpy(&word, s.data + i, s.size_bytes - i);
        h = mix(h ^ word);
    }
    return h;
}

static bool same_string(corten_string a, corten_string b)
{
    return a.size_bytes == b.size_bytes &&
           (!a.size_bytes || memcmp(a.data, b.data, a.size_bytes) == 0);
}

static ct_status create(struct ct_lookup *lookup, struct ct_prepare *prepare, size_t count)
{
    if (count > MAX_KEYS)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "%zu keys are too many", count);
    size_t slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    *lookup = (struct ct_lookup){.mask = slots - 1};
    lookup->slots = ct_prepare_alloc(prepare, slots * sizeof *lookup->slots);
    if (!lookup->slots)
        return ct_fail_memory(prepare->error, slots * sizeof *lookup->slots, "a table of keys");
    return CORTEN_OK;
}

static uint32_t *find_number(const struct ct_lookup *l, uint64_t key)
{
    size_t at = mix(key) & l->mask;
    while (l->slots[at] && l->numbers[l->slots[at] - 1] != key)
        at = (at + 1) & l->mask;
    return &l->slots[at];
}

static uint32_t *find_string(const struct ct_lookup *l, corten_string key)
{
    size_t at = hash_string(key) & l->mask;
    while (l->slots[at] && !same_string(l->strings[l->slots[at] - 1], key))
        at = (at + 1) & l->mask;
    return &l->slots[at];
}

ct_status ct_lookup_numbers(struct ct_lookup *lookup, struct ct_prepare *prepare,
                            const uint64_t *keys, size_t count)
{
    CT_TRY(create(lookup, prepare, count));
    lookup->numbers = keys;
    for (size_t i = 0; i < count; i++)
        *find_number(lookup, keys[i]) = (uint32_t)i + 1;
    return CORTEN_OK;
}

ct_status ct_lookup_strings(struct ct_lookup *lookup, struct ct_prepare *prepare,
                            const corten_string *keys, size_t count)
{
    CT_TRY(create(lookup, prepare, count));
    lookup->strings = keys;
    for (size_t i = 0; i < count; i++)
        *find_string(lookup, keys[i]) = (uint32_t)i + 1;
    return CORTEN_OK;
}

int64_t ct_lookup_number(const struct ct_lookup *lookup, uint64_t key)
{
    return (int64_t)*find_number(lookup, key) - 1;
}

int64_t ct_lookup_string(const struct ct_lookup *lookup, corten_string key)
{
    return (int64_t)*find_string(lookup, key) - 1;
}

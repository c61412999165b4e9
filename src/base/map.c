#include "base/map.h"

#include <string.h>

struct ct_map_slot {
    const char *key; /* NULL: empty */
    void *value;
    uint64_t hash;
};

enum { FIRST_CAPACITY = 16 };

/* Multiplies to 128 bits and folds: every input bit reaches every output bit. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keys come from models of unknown origin. The seed is the arena's address, so that keys which
 * all meet in one slot cannot be prepared in advance. */
static uint64_t hash_of(const struct ct_map *map, const char *key)
{
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd6e8feb86659fd93);
    size_t left = strlen(key);
    uint64_t h = mix((uint64_t)(uintptr_t)map->arena ^ k0, (uint64_t)left ^ k1);
    while (left) {
        uint64_t part = 0;
        size_t n = left < sizeof part ? left : sizeof part;
        memcpy(&part, key, n);
        h = mix(h ^ part, k1) ^ k0;
        key += n;
        left -= n;
    }
    return mix(h, k0);
}

/* The slot of the key, or the empty slot where it would go. There is always an empty one. */
static struct ct_map_slot *find(struct ct_map_slot *slots, size_t capacity, const char *key,
                                uint64_t hash)
{
    size_t i = (size_t)hash & (capacity - 1);
    while (slots[i].key && !(slots[i].hash == hash && strcmp(slots[i].key, key) == 0))
        i = (i + 1) & (capacity - 1);
    return &slots[i];
}

void ct_map_init(struct ct_map *map, struct ct_arena *arena)
{
    *map = (struct ct_map){.arena = arena};
}

void *ct_map_get(const struct ct_map *map, const char *key)
{
    if (!map->count)
        return NULL;
    const struct ct_map_slot *slot = find(map->slots, map->capacity, key, hash_of(map, key));
    return slot->key ? slot->value : NULL;
}

static bool grow(struct ct_map *map)
{
    size_t capacity = FIRST_CAPACITY;
    if (map->capacity && !ct_mul_size(map->capacity, 2, &capacity))
        return false;
    struct ct_map_slot *slots = ct_arena_array(map->arena, capacity, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < map->capacity; i++) {
        const struct ct_map_slot *old = &map->slots[i];
        if (old->key)
            *find(slots, capacity, old->key, old->hash) = *old;
    }
    map->slots = slots;
    map->capacity = capacity;
    return true;
}

bool ct_map_put(struct ct_map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(map, key);
    if (map->capacity) {
        struct ct_map_slot *slot = find(map->slots, map->capacity, key, hash);
        if (slot->key) {
            slot->value = value;
            return true;
        }
    }
    /* At most three quarters full. */
    if (map->count + 1 > map->capacity - map->capacity / 4 && !grow(map))
        return false;
    *find(map->slots, map->capacity, key, hash) = (struct ct_map_slot){key, value, hash};
    map->count++;
    return true;
}

void *ct_map_remove(struct ct_map *map, const char *key)
{
    if (!map->count)
        return NULL;
    struct ct_map_slot *slot = find(map->slots, map->capacity, key, hash_of(map, key));
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    /* Moves later slots of the same run back, so that no search meets the hole: a slot may move
     * when the hole lies between its home and where it is. */
    size_t last = map->capacity - 1;
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & last; map->slots[i].key; i = (i + 1) & last) {
        size_t home = (size_t)map->slots[i].hash & last;
        if (((i - home) & last) >= ((i - hole) & last)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct ct_map_slot){0};
    map->count--;
    return value;
}

/* A hash map from strings to pointers, in an arena. Keys are borrowed. */
#ifndef CT_BASE_MAP_H
#define CT_BASE_MAP_H

#include "base/memory.h"

struct ct_map {
    struct ct_arena *arena; /* borrowed */
    struct ct_map_slot *slots;
    size_t count, capacity; /* capacity: 0 or a power of two */
};

void ct_map_init(struct ct_map *map, struct ct_arena *arena);
/** NULL when the key is not there. */
void *ct_map_get(const struct ct_map *map, const char *key);
/** Sets or replaces; value is not NULL. False when there is no memory. */
bool ct_map_put(struct ct_map *map, const char *key, void *value);
/** Removes; the value that was there, or NULL. */
void *ct_map_remove(struct ct_map *map, const char *key);

#endif

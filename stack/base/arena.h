/* Memory of one stack: everything lives in one region that the caller gives (a shared segment in
 * a program, malloc'ed memory in a test). The arena hands out permanent pieces at set-up; a pool
 * is an array of equal objects, reserved at its full size (untouched pages of a memfd cost
 * nothing), with a last-in-first-out free list, so that what is reused is still in the cache.
 *
 * Invariants: an object's in_use byte is the truth; the free list only mirrors it, and
 * pool_rebuild makes it anew from the bytes after a process died in the middle of a change. */
#ifndef STACK_BASE_ARENA_H
#define STACK_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    uint8_t *base;
    size_t size;
    size_t used;
};

struct pool {
    uint8_t *objs;   /* max objects of `stride` bytes, 64-byte aligned */
    uint8_t *in_use; /* one byte each */
    uint32_t *free;  /* stack of indexes returned by pool_put */
    uint32_t n_free;
    uint32_t fresh; /* objects at and above this index were never handed out */
    uint32_t max;
    uint32_t n_used;
    uint32_t n_peak;
    uint64_t n_failed; /* times pool_get found nothing */
    uint32_t stride;
    uint32_t obj_size;
};

/* `mem` stays the caller's, must be zeroed, and must outlive the arena. */
void arena_init(struct arena *a, void *mem, size_t size);
/* A permanent zeroed piece, or NULL when the arena is full. align: a power of two. */
void *arena_alloc(struct arena *a, size_t size, size_t align);

/* Reserves `max` objects; false when the arena is too small. */
bool pool_init(struct pool *p, struct arena *a, size_t obj_size, uint32_t max);
/* Zeroes the object (all of obj_size), or NULL (counted) when all `max` are out. */
void *pool_get(struct pool *p);
/* The same without the zeroing, for objects that are mostly payload. */
void *pool_get_raw(struct pool *p);
/* Asserts that `obj` is an object of this pool in use (a double free stops here). */
void pool_put(struct pool *p, void *obj);
/* For walking: NULL where the index is not in use. */
void *pool_at(const struct pool *p, uint32_t index);
uint32_t pool_index(const struct pool *p, const void *obj);
/* `obj` points exactly at an object of this pool that is in use. For checking pointers that a
 * dying process may have left behind. */
bool pool_owns(const struct pool *p, const void *obj);
/* Free list and counts from the in_use bytes. */
void pool_rebuild(struct pool *p);

#define POOL_FOREACH(p, i, obj)                                                                    \
    for (uint32_t i = 0; i < (p)->fresh; i++)                                                      \
        if (((obj) = pool_at((p), i)) != NULL)

#endif

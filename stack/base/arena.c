/* The arena and its pools; theory in the header. */
#include "stack/base/arena.h"

#include <assert.h>
#include <string.h>

#define POOL_ALIGN 64u /* a cache line: two objects never share one */

/* Under AddressSanitizer a free object, and the gap behind one in use, must not be touched. */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_ASAN 1
#endif
#endif
#ifdef HAVE_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

void arena_init(struct arena *a, void *mem, size_t size) {
    *a = (struct arena){.base = mem, .size = size};
    UNPOISON(mem, size); /* an earlier arena may have lain there */
}

void *arena_alloc(struct arena *a, size_t size, size_t align) {
    assert(align != 0 && (align & (align - 1)) == 0);
    uintptr_t here = (uintptr_t)a->base + a->used;
    size_t pad = (size_t)(-here & (align - 1));
    if (pad > a->size - a->used || size > a->size - a->used - pad)
        return NULL;
    void *p = a->base + a->used + pad;
    a->used += pad + size;
    return p;
}

bool pool_init(struct pool *p, struct arena *a, size_t obj_size, uint32_t max) {
    size_t stride = (obj_size + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);
    size_t bytes;
    if (obj_size == 0 || stride > UINT32_MAX || __builtin_mul_overflow(stride, max, &bytes))
        return false;
    *p = (struct pool){.max = max, .stride = (uint32_t)stride, .obj_size = (uint32_t)obj_size};
    p->objs = arena_alloc(a, bytes, POOL_ALIGN);
    p->in_use = arena_alloc(a, max, 1);
    p->free = arena_alloc(a, max * sizeof(uint32_t), sizeof(uint32_t));
    if (p->objs == NULL || p->in_use == NULL || p->free == NULL)
        return false;
    POISON(p->objs, bytes);
    return true;
}

void *pool_get_raw(struct pool *p) {
    uint32_t i;
    if (p->n_free > 0) {
        i = p->free[--p->n_free];
    } else if (p->fresh < p->max) {
        i = p->fresh++;
    } else {
        p->n_failed++;
        return NULL;
    }
    assert(!p->in_use[i]);
    p->in_use[i] = 1;
    if (++p->n_used > p->n_peak)
        p->n_peak = p->n_used;
    uint8_t *obj = p->objs + (size_t)i * p->stride;
    UNPOISON(obj, p->obj_size);
    return obj;
}

void *pool_get(struct pool *p) {
    void *obj = pool_get_raw(p);
    if (obj != NULL)
        memset(obj, 0, p->obj_size);
    return obj;
}

/* The object's index, or p->max when `obj` is no object's beginning. The division is one of 32
 * bits (stride and offset are multiples of POOL_ALIGN): half the time of a 64-bit one. */
static uint32_t index_of(const struct pool *p, const void *obj) {
    uintptr_t off = (uintptr_t)obj - (uintptr_t)p->objs;
    if (off >= (uintptr_t)p->stride * p->max || off % POOL_ALIGN != 0)
        return p->max;
    if (off / POOL_ALIGN > UINT32_MAX)
        return off % p->stride == 0 ? (uint32_t)(off / p->stride) : p->max;
    uint32_t units = (uint32_t)(off / POOL_ALIGN), per_obj = p->stride / POOL_ALIGN;
    return units % per_obj == 0 ? units / per_obj : p->max;
}

void pool_put(struct pool *p, void *obj) {
    uint32_t i = index_of(p, obj);
    assert(i < p->max && p->in_use[i]);
    p->in_use[i] = 0;
    POISON(obj, p->stride);
    p->free[p->n_free++] = i;
    p->n_used--;
}

void *pool_at(const struct pool *p, uint32_t index) {
    if (index >= p->fresh || !p->in_use[index])
        return NULL;
    return p->objs + (size_t)index * p->stride;
}

uint32_t pool_index(const struct pool *p, const void *obj) {
    uint32_t i = index_of(p, obj);
    assert(i < p->max);
    return i;
}

bool pool_owns(const struct pool *p, const void *obj) {
    uint32_t i = index_of(p, obj);
    return i < p->max && p->in_use[i];
}

void pool_rebuild(struct pool *p) {
    p->n_free = 0;
    p->n_used = 0;
    /* Downwards, so that the lowest free index is reused first. */
    for (uint32_t i = p->fresh; i-- > 0;) {
        uint8_t *obj = p->objs + (size_t)i * p->stride;
        if (p->in_use[i]) {
            p->n_used++;
            UNPOISON(obj, p->obj_size); /* another process may have taken it out: its shadow, */
        } else {
            p->free[p->n_free++] = i;
            POISON(obj, p->stride); /* not ours, knew */
        }
    }
    if (p->n_used > p->n_peak)
        p->n_peak = p->n_used;
}

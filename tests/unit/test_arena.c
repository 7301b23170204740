#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/arena.h"

static struct arena fresh_arena(size_t size) {
    struct arena a;
    arena_init(&a, calloc(1, size), size);
    return a;
}

Test(arena, pieces_are_aligned_and_apart) {
    struct arena a = fresh_arena(4096);
    uint8_t *p = arena_alloc(&a, 3, 1), *q = arena_alloc(&a, 100, 64),
            *r = arena_alloc(&a, 1, 4096);
    cr_assert_not_null(p);
    cr_assert_eq((uintptr_t)q % 64, 0);
    cr_assert_geq(q, p + 3);
    if (r != NULL)
        cr_assert_eq((uintptr_t)r % 4096, 0);
    free(a.base);
}

Test(arena, a_full_arena_says_so_and_stays_whole) {
    struct arena a = fresh_arena(256);
    cr_assert_null(arena_alloc(&a, 257, 1));
    cr_assert_null(arena_alloc(&a, SIZE_MAX, 1));
    cr_assert_null(arena_alloc(&a, SIZE_MAX - 8, 64));
    cr_assert_not_null(arena_alloc(&a, 256, 1));
    cr_assert_null(arena_alloc(&a, 1, 1));
    free(a.base);
}

Test(pool, hands_out_max_objects_zeroed_and_counts_refusals) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    cr_assert(pool_init(&p, &a, 100, 10));
    void *obj[10];
    for (int i = 0; i < 10; i++) {
        obj[i] = pool_get(&p);
        cr_assert_not_null(obj[i]);
        cr_assert_eq((uintptr_t)obj[i] % 64, 0);
        for (int j = 0; j < 100; j++)
            cr_assert_eq(((uint8_t *)obj[i])[j], 0);
        memset(obj[i], 0xff, 100);
    }
    cr_assert_null(pool_get(&p));
    cr_assert_eq(p.n_failed, 1);
    cr_assert_eq(p.n_used, 10);
    pool_put(&p, obj[3]);
    cr_assert_null(pool_at(&p, 3));
    cr_assert_eq(pool_get(&p), obj[3], "last in, first out");
    cr_assert_eq(((uint8_t *)obj[3])[99], 0, "zeroed again");
    free(a.base);
}

Test(pool, does_not_fit) {
    struct arena a = fresh_arena(1000);
    struct pool p;
    cr_assert(!pool_init(&p, &a, 100, 10));
    cr_assert(!pool_init(&p, &a, SIZE_MAX / 2, UINT32_MAX));
    free(a.base);
}

Test(pool, owns_only_whole_objects_in_use) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    cr_assert(pool_init(&p, &a, 192, 10));
    uint8_t *x = pool_get(&p), *y = pool_get(&p);
    cr_assert(pool_owns(&p, x) && pool_owns(&p, y));
    cr_assert(!pool_owns(&p, x + 1));
    cr_assert(!pool_owns(&p, x + 64));
    cr_assert(!pool_owns(&p, y + 192), "never handed out");
    cr_assert(!pool_owns(&p, NULL));
    cr_assert(!pool_owns(&p, x - 192));
    cr_assert(!pool_owns(&p, &p));
    cr_assert_eq(pool_index(&p, y), 1);
    cr_assert_eq(pool_at(&p, 1), y);
    cr_assert_null(pool_at(&p, 2));
    cr_assert_null(pool_at(&p, 1000));
    pool_put(&p, x);
    cr_assert(!pool_owns(&p, x));
    free(a.base);
}

Test(pool, double_free_stops, .signal = SIGABRT) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    pool_init(&p, &a, 64, 10);
    void *x = pool_get(&p);
    pool_put(&p, x);
    pool_put(&p, x);
}

Test(pool, free_of_no_object_stops, .signal = SIGABRT) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    pool_init(&p, &a, 128, 10);
    pool_put(&p, (uint8_t *)pool_get(&p) + 64);
}

Test(pool, foreach_sees_what_is_in_use_even_while_it_frees) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    pool_init(&p, &a, 64, 10);
    void *obj[6], *o;
    for (int i = 0; i < 6; i++)
        obj[i] = pool_get(&p);
    pool_put(&p, obj[2]);
    int seen = 0;
    POOL_FOREACH (&p, i, o) {
        cr_assert_neq(i, 2);
        seen++;
        pool_put(&p, o);
    }
    cr_assert_eq(seen, 5);
    cr_assert_eq(p.n_used, 0);
    free(a.base);
}

Test(pool, rebuild_after_a_death_in_the_middle_of_get_and_put) {
    struct arena a = fresh_arena(1 << 16);
    struct pool p;
    pool_init(&p, &a, 64, 10);
    void *obj[6];
    for (int i = 0; i < 6; i++)
        obj[i] = pool_get(&p);
    pool_put(&p, obj[1]);
    p.n_free--;      /* a get that took the index but not yet the object */
    p.in_use[4] = 0; /* a put that had not yet pushed it */
    pool_rebuild(&p);
    cr_assert_eq(p.n_used, 4);
    cr_assert_eq(p.n_free, 2);
    cr_assert_eq(pool_get(&p), obj[1]);
    cr_assert_eq(pool_get(&p), obj[4]);
    cr_assert_eq(pool_index(&p, pool_get(&p)), 6);
    free(a.base);
}

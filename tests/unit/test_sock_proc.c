/* stack/sock/proc.c: processes, references, what a death gives back. */
#include "tests/unit/sock_world.h"

static struct world w;

Test(sock_proc, attach_find_next_detach) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    int p = proc_attach(st, 4711, 99);
    cr_assert_geq(p, 0);
    cr_assert_eq(proc_find(st, 4711, 99), (uint32_t)p);
    cr_assert_eq(proc_find(st, 4711, 98), PROC_NONE, "a pid used again is another process");
    cr_assert_eq(proc_count(st), 2);

    uint32_t iter = 0, seen = 0;
    int32_t pid;
    uint64_t start;
    while (proc_next(st, &iter, &pid, &start) != PROC_NONE)
        seen++;
    cr_assert_eq(seen, 2);
    proc_detach(st, (uint32_t)p);
    cr_assert_eq(proc_find(st, 4711, 99), PROC_NONE);
    proc_detach(st, (uint32_t)p); /* nothing happens */
    cr_assert_eq(proc_count(st), 1);
    world_free(&w);
}

Test(sock_proc, no_slot_left_is_eagain) {
    world_init(&w);
    int r;
    while ((r = proc_attach(w.h[0].st, 7, 7)) >= 0)
        ;
    cr_assert_eq(r, -EAGAIN);
    cr_assert_eq(w.h[0].st->ctr.mem_procs_out, 1);
    world_free(&w);
}

Test(sock_proc, sock_lives_as_long_as_its_references) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    uint32_t p = w.h[0].proc, q = (uint32_t)proc_attach(st, 2, 2);
    struct sock *so = xopen(&w.h[0], SOCK_STREAM);
    cr_assert_eq(sock_refs(st, so, p), 1);
    cr_assert_eq(sock_get(st, so, p), 0);
    cr_assert_eq(sock_get(st, so, q), 0);
    cr_assert_eq(sock_refs(st, so, p), 2);
    sock_put(st, so, p);
    sock_put(st, so, p);
    cr_assert_eq(sock_refs(st, so, p), 0);
    cr_assert_eq(sock_count(st), 1);
    sock_put(st, so, q);
    cr_assert_eq(sock_count(st), 0);
    cr_assert(stack_idle(st));
    world_free(&w);
}

Test(sock_proc, death_closes_only_what_nobody_else_holds) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    uint32_t q = (uint32_t)proc_attach(st, 2, 2);
    struct sock *shared = xopen(&w.h[0], SOCK_STREAM);
    cr_assert_eq(sock_get(st, shared, q), 0);
    struct sock *own;
    cr_assert_eq(sock_open(st, q, AF_INET, SOCK_DGRAM, 0, 0, &own), 0);
    cr_assert_not_null(watchset_new(st, q));
    proc_detach(st, q);
    cr_assert_eq(sock_count(st), 1);
    cr_assert_eq(sock_refs(st, shared, w.h[0].proc), 1);
    world_free(&w);
}

Test(sock_proc, inherit_copies_counts) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    struct sock *so = xopen(&w.h[0], SOCK_STREAM);
    sock_get(st, so, w.h[0].proc); /* dup */
    uint32_t child = (uint32_t)proc_attach(st, 0, 0);
    cr_assert_eq(proc_inherit(st, w.h[0].proc, child), 0);
    proc_set_pid(st, child, 55, 5);
    cr_assert_eq(sock_refs(st, so, child), 2);
    proc_detach(st, w.h[0].proc);
    cr_assert_eq(sock_count(st), 1, "a child with a name outlives its parent");
    proc_detach(st, child);
    cr_assert_eq(sock_count(st), 0);
    world_free(&w);
}

Test(sock_proc, inherit_is_all_or_nothing) {
    struct stack_config cfg;
    struct impair perfect = {.seed = 1};
    stack_config_default(&cfg, 1);
    cfg.sock.max_refs = 5;
    world_init_with(&w, &cfg, &perfect, MAP_PRIVATE);
    struct stack *st = w.h[0].st;
    struct sock *so[3];
    for (int i = 0; i < 3; i++)
        so[i] = xopen(&w.h[0], SOCK_STREAM);
    uint32_t child = (uint32_t)proc_attach(st, 0, 0);
    cr_assert_eq(proc_inherit(st, w.h[0].proc, child), -ENOBUFS);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(sock_refs(st, so[i], child), 0);
    sock_put(st, so[2], w.h[0].proc);
    cr_assert_eq(proc_inherit(st, w.h[0].proc, child), 0);
    world_free(&w);
}

Test(sock_proc, embryo_goes_with_its_parent) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    uint32_t p = (uint32_t)proc_attach(st, 9, 9);
    struct sock *so;
    cr_assert_eq(sock_open(st, p, AF_INET, SOCK_STREAM, 0, 0, &so), 0);
    uint32_t embryo = (uint32_t)proc_attach(st, 0, 0);
    cr_assert_eq(proc_inherit(st, p, embryo), 0);
    proc_detach(st, p);
    cr_assert_eq(sock_count(st), 0);
    cr_assert_eq(proc_count(st), 1);
    world_free(&w);
}

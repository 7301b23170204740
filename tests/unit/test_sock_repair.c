/* Crash repair with the derived structures scribbled over at many points of many transfers: lists,
 * tables, heap and free lists are worth nothing, and everything must go on. */
#include "stack/sock/sock_internal.h"
#include "tests/unit/sock_bulk.h"

static struct world w;

#define A     (&w.h[0])
#define B     (&w.h[1])
#define NBULK 4

static void scribble_pool(struct pool *p) {
    if (p->fresh > 0)
        memset(p->free, 0xff, p->fresh * sizeof(*p->free));
    p->n_free = p->n_used = 12345;
}

/* All that can be made anew. */
static void scribble(struct stack *st) {
    struct socks *s = st->socks;
    struct sock *so;
    struct proc *p;
    struct ref *r;
    struct watch *x;
    struct watchset *ws;
    POOL_FOREACH (&s->socks, i, so) {
        memset(&so->refs, 0xee, sizeof(so->refs));
        memset(&so->watches, 0xee, sizeof(so->watches));
        memset(&so->by_ino, 0xee, sizeof(so->by_ino));
        so->nrefs = 999;
    }
    POOL_FOREACH (&s->procs, i, p) {
        memset(&p->refs, 0xee, sizeof(p->refs));
        memset(&p->watchsets, 0xee, sizeof(p->watchsets));
    }
    POOL_FOREACH (&s->refs, i, r) {
        memset(&r->by_sock, 0xee, sizeof(r->by_sock));
        memset(&r->by_proc, 0xee, sizeof(r->by_proc));
    }
    POOL_FOREACH (&s->watches, i, x) {
        memset(&x->by_sock, 0xee, sizeof(x->by_sock));
        memset(&x->by_set, 0xee, sizeof(x->by_set));
        memset(&x->ready_link, 0xee, sizeof(x->ready_link));
    }
    POOL_FOREACH (&s->watchsets, i, ws) {
        memset(&ws->watches, 0xee, sizeof(ws->watches));
        memset(&ws->ready, 0xee, sizeof(ws->ready));
        memset(&ws->by_proc, 0xee, sizeof(ws->by_proc));
    }
    memset(s->by_ino, 0xee, (s->ino_mask + 1) * sizeof(*s->by_ino));
    memset(&s->bells, 0xee, sizeof(s->bells));
    struct pool *pools[] = {&s->socks,     &s->procs, &s->refs,          &s->watches,
                            &s->watchsets, &st->pkts, &st->chunks.small, &st->chunks.large};
    for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
        scribble_pool(pools[i]);
    memset(st->timers.heap, 0xee, st->timers.n * sizeof(*st->timers.heap));
    st->timers.n = 3;
    memset(&st->tx, 0xee, sizeof(st->tx));
    memset(&st->loop, 0xee, sizeof(st->loop));
    st->tx_len = st->loop_len = 5;
}

static void start(struct bulk b[NBULK], int c, int s, size_t total) {
    for (int i = 0; i < NBULK; i++) {
        b[i] = (struct bulk){.p = connect_pair(&w, c, s, (uint16_t)(5000 + i)), .total = total};
        sock_set_ino(w.h[c].st, b[i].p.c, 100 + (uint64_t)i);
    }
}

static void finish(struct bulk b[NBULK], int c, int s) {
    for (int i = 0; i < NBULK; i++) {
        cr_assert_not(b[i].reset, "connection %d was reset though nobody was changing it", i);
        sock_put(w.h[c].st, b[i].p.c, w.h[c].proc);
        sock_put(w.h[s].st, b[i].p.s, w.h[s].proc);
    }
    world_run(&w, 200 * S);
    check_all_given_back(&w, 0);
    check_all_given_back(&w, 1);
}

static void transfer_with_repairs(int c, int s, int broken, const struct impair *impair) {
    struct stack_config cfg;
    struct bulk b[NBULK];
    stack_config_default(&cfg, 1);
    world_init_with(&w, &cfg, impair, MAP_PRIVATE);
    start(b, c, s, 300000);
    struct stack *st = w.h[broken].st;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < NBULK; i++)
            bulk_step(&w, &b[i], c, s);
        /* Half way through an entry: packets are queued, events are pending. */
        stack_poll(w.h[0].st, w.h[0].link, w.now_ns, NULL);
        for (int i = 0; i < NBULK; i++)
            bulk_step(&w, &b[i], c, s);
        scribble(st);
        stack_repair(st, w.now_ns);
        tcp_foreach(st, check_one, NULL);
        cr_assert_eq(sock_find_ino(w.h[c].st, 102), b[2].p.c);
        world_run(&w, 3 * MS);
    }
    cr_assert_eq(st->ctr.repairs, 30);
    cr_assert_eq(st->ctr.repaired_conns, 0);
    bulk_finish(&w, b, NBULK, c, s, 600 * S);
    finish(b, c, s);
    world_free(&w);
}

Test(sock_repair, sender) {
    struct impair perfect = {.seed = 1};
    transfer_with_repairs(0, 1, 0, &perfect);
}
Test(sock_repair, receiver) {
    struct impair perfect = {.seed = 2};
    transfer_with_repairs(0, 1, 1, &perfect);
}
Test(sock_repair, both_on_one_host) {
    struct impair perfect = {.seed = 3};
    transfer_with_repairs(0, 0, 0, &perfect);
}
Test(sock_repair, with_loss_and_reordering) {
    struct impair bad = {
        .seed = 4, .loss_ppm = 20000, .reorder_ppm = 20000, .reorder_ns = MS, .delay_ns = MS};
    transfer_with_repairs(0, 1, 1, &bad);
}

Test(sock_repair, dirty_connection_is_reset_and_others_are_not) {
    struct bulk b[NBULK];
    world_init(&w);
    start(b, 0, 1, 200000);
    for (int i = 0; i < NBULK; i++)
        bulk_step(&w, &b[i], 0, 1);
    world_run(&w, MS);
    stack_dirty(A->st, b[1].p.c->tcb);
    scribble(A->st);
    stack_repair(A->st, w.now_ns);
    cr_assert_eq(A->st->ctr.repaired_conns, 1);
    bulk_finish(&w, b, NBULK, 0, 1, 600 * S);
    for (int i = 0; i < NBULK; i++)
        cr_assert_eq(b[i].reset, i == 1, "connection %d", i);
    b[1].reset = false;
    finish(b, 0, 1);
    world_free(&w);
}

Test(sock_repair, half_made_objects_go) {
    world_init(&w);
    struct stack *st = A->st;
    struct socks *s = st->socks;
    struct sock *held = xopen(A, SOCK_STREAM);
    /* sock_open up to the reference; a tcb that knows a sock that does not know it; a reference
     * without a count; an embryo without a parent; a watch without a set. */
    struct sock *half = sock_new(st, SOCK_KIND_TCP);
    half->tcb = tcp_open(st);
    tcp_set_user(half->tcb, half);
    struct sock *other = sock_new(st, SOCK_KIND_TCP);
    tcp_set_user(tcp_open(st), other);
    struct udp *u = udp_open(st);
    u->user = other;
    struct ref *r = pool_get(&s->refs);
    r->so = held;
    proc_attach(st, 0, 0);
    (void)pool_get(&s->watches);
    (void)pool_get(&s->watchsets);
    (void)pool_get(&s->procs);
    (void)pool_get(&s->socks);
    stack_repair(st, w.now_ns);
    cr_assert_eq(sock_count(st), 1);
    cr_assert_eq(proc_count(st), 1);
    cr_assert_eq(s->refs.n_used, 1);
    cr_assert_eq(s->watches.n_used, 0);
    cr_assert_eq(s->watchsets.n_used, 0);
    sock_put(st, held, A->proc);
    cr_assert(stack_idle(st));
    world_free(&w);
}

Test(sock_repair, a_sock_whose_endpoint_is_gone_gets_a_closed_one) {
    world_init(&w);
    struct sock *t = xopen(A, SOCK_STREAM), *u = xopen(A, SOCK_DGRAM);
    struct tcb *gone = t->tcb;
    t->tcb = NULL;
    tcp_set_user(gone, NULL);
    tcp_close(A->st, gone);
    udp_close(A->st, u->udp);
    stack_repair(A->st, w.now_ns);
    cr_assert_eq(getint(A, t, SOL_SOCKET, SO_ERROR), ECONNABORTED);
    struct sock *l = xlisten(B, "0.0.0.0", 5000);
    cr_assert_eq(xconnect(A, t, "10.0.0.2", 5000), -EINPROGRESS);
    cr_assert_eq(xsendto(A, u, "x", 1, "10.0.0.2", 53), 1);
    (void)l;
    world_free(&w);
}

Test(sock_repair, sleepers_are_all_rung_and_watches_live_on) {
    world_init(&w);
    struct sock *so = xopen(B, SOCK_DGRAM);
    struct sock_event ev[4];
    xbind(B, so, "0.0.0.0", 53);
    struct watchset *ws = watchset_new(B->st, B->proc);
    watch_add(B->st, ws, so, POLLIN, 7);
    watchset_sleep(ws, 21);
    scribble(B->st);
    stack_repair(B->st, w.now_ns);
    cr_assert_eq(sock_next_bell(B->st), 21);
    cr_assert_eq(watchset_collect(B->st, ws, ev, 4), 0);
    watchset_sleep(ws, 22);
    struct sock *c = xopen(A, SOCK_DGRAM);
    xsendto(A, c, "x", 1, "10.0.0.2", 53);
    settle(&w);
    cr_assert_eq(sock_next_bell(B->st), 22);
    cr_assert_eq(watchset_collect(B->st, ws, ev, 4), 1);
    world_free(&w);
}

/* stack/stack.c: set-up, the poll loop, the link's back-pressure, idleness. */
#include "tests/unit/sock_world.h"

static struct world w;

#define A (&w.h[0])
#define B (&w.h[1])

Test(stack, memory_suffices_for_every_scale) {
    for (int scale = 0; scale < 2; scale++) {
        struct stack_config cfg;
        uint8_t seed[16] = {0};
        stack_config_default(&cfg, scale);
        for (int more = 0; more < 2; more++) {
            if (more) {
                cfg.tcp.max_conns *= 2;
                cfg.sock.max_socks = cfg.sock.max_socks * 3 + 1;
                cfg.max_pkts += 77;
                cfg.max_udp *= 2;
            }
            size_t size = stack_mem_size(&cfg);
            void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            cr_assert_neq(mem, MAP_FAILED);
            cr_assert_not_null(stack_init(mem, size, &cfg, seed, 1));
            munmap(mem, size);
            if (scale == 1 && more == 0)
                cr_expect_leq(size, 24u << 20, "a test's stack is small: %zu", size);
        }
    }
}

Test(stack, too_little_memory_is_null) {
    struct stack_config cfg;
    uint8_t seed[16] = {0};
    stack_config_default(&cfg, 1);
    size_t size = stack_mem_size(&cfg);
    for (size_t part = 0; part < 16; part++) {
        void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        cr_assert_null(stack_init(mem, size / 32 * part, &cfg, seed, 1), "part %zu", part);
        munmap(mem, size);
    }
}

/* ---- a link that takes what the test says ---- */

struct narrow {
    struct link link;
    int room; /* packets it still takes */
    int taken, calls;
    int frames; /* it pretends to have received so many */
    uint8_t frame[64];
};
static int narrow_recv(struct link *l, struct frame *f, int max, uint64_t now) {
    struct narrow *n = (struct narrow *)l;
    (void)now;
    int k = n->frames < max ? n->frames : max;
    for (int i = 0; i < k; i++)
        frame_from_mem(&f[i], n->frame, sizeof(n->frame));
    n->frames -= k;
    return k;
}
static void narrow_recv_done(struct link *l, int k) {
    (void)l;
    (void)k;
}
static int narrow_send(struct link *l, struct pkt *const *p, int n, uint64_t now, uint64_t *drop) {
    struct narrow *x = (struct narrow *)l;
    (void)p;
    (void)now;
    (void)drop;
    x->calls++;
    cr_assert_leq(n, LINK_BATCH);
    int k = n < x->room ? n : x->room;
    x->room -= k;
    x->taken += k;
    return k;
}
static uint64_t narrow_next(struct link *l) {
    (void)l;
    return TIME_NEVER;
}
static const struct link_ops narrow_ops = {.recv_batch = narrow_recv,
                                           .recv_done = narrow_recv_done,
                                           .send_batch = narrow_send,
                                           .next_event = narrow_next};

Test(stack, what_the_link_does_not_take_waits) {
    world_init(&w);
    struct narrow n = {.link = {.ops = &narrow_ops, .caps = {.mtu = 1500}}};
    struct sock *u = xopen(A, SOCK_DGRAM);
    setint(A, u, SOL_SOCKET, SO_BROADCAST, 1);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(xsendto(A, u, "x", 1, "10.0.0.255", 53), 1);
    cr_assert_eq(A->st->tx_len, 100);
    uint64_t next = stack_flush(A->st, &n.link, w.now_ns);
    cr_assert_eq(A->st->tx_len, 100);
    cr_assert(next > w.now_ns && next <= w.now_ns + MS, "it asks to be called again soon");
    cr_assert_eq(n.calls, 1, "it does not insist");
    n.room = 40;
    stack_flush(A->st, &n.link, next);
    cr_assert_eq(n.taken, 40);
    cr_assert_eq(A->st->tx_len, 60);
    n.room = 1000;
    next = stack_flush(A->st, &n.link, next);
    cr_assert_eq(n.taken, 100);
    cr_assert_eq(A->st->tx_len, 0);
    cr_assert_gt(next, w.now_ns + MS);
    cr_assert_eq(A->st->ctr.link_tx_frames, 100);
    cr_assert_eq(A->st->pkts.n_used, 0);
    world_free(&w);
}

Test(stack, a_poll_takes_a_bounded_number_of_frames) {
    world_init(&w);
    struct narrow n = {.link = {.ops = &narrow_ops, .caps = {.mtu = 1500}}, .frames = 1000};
    bool more;
    stack_poll(A->st, &n.link, w.now_ns, &more);
    cr_assert(more);
    cr_assert_eq(n.frames, 1000 - POLL_FRAMES_MAX);
    cr_assert_eq(A->st->ctr.link_rx_frames, POLL_FRAMES_MAX);
    n.frames = 5;
    stack_poll(A->st, &n.link, w.now_ns, &more);
    cr_assert_not(more);
    cr_assert_eq(n.frames, 0);
    world_free(&w);
}

Test(stack, a_bulk_transfer_to_ourselves_stays_in_bounds) {
    world_init(&w);
    struct pair p = connect_pair(&w, 0, 0, 5000);
    static char big[1 << 16];
    size_t sent = 0, got = 0;
    ssize_t n;
    for (int i = 0; i < 10000 && got < 4u << 20; i++) {
        if (sent < 4u << 20 && (n = xsend(A, p.c, big, sizeof(big))) > 0)
            sent += (size_t)n;
        uint64_t next = stack_poll(A->st, A->link, w.now_ns, NULL);
        while ((n = xrecv(A, p.s, big, sizeof(big), 0)) > 0)
            got += (size_t)n;
        w.now_ns = next > w.now_ns && next != TIME_NEVER ? next : w.now_ns + 1000;
    }
    cr_assert_geq(got, 4u << 20);
    cr_assert_eq(A->st->loop_len, 0);
    world_free(&w);
}

Test(stack, idle_when_nothing_is_left) {
    world_init(&w);
    cr_assert(stack_idle(A->st));
    struct pair p = connect_pair(&w, 0, 1, 5000);
    cr_assert_not(stack_idle(A->st));
    sock_put(A->st, p.c, A->proc);
    cr_assert_not(stack_idle(A->st));
    settle(&w);
    sock_put(B->st, p.s, B->proc);
    settle(&w);
    cr_assert(stack_idle(B->st));
    cr_assert_not(stack_idle(A->st), "TIME-WAIT");
    world_run(&w, 61 * S);
    cr_assert(stack_idle(A->st));
    cr_assert_eq(A->st->pkts.n_used, 0);
    cr_assert_eq(A->st->chunks.small.n_used + A->st->chunks.large.n_used, 0);
    world_free(&w);
}

Test(stack, a_dead_neighbour_ends_a_connect) {
    world_init(&w);
    struct sock *so = xopen(A, SOCK_STREAM);
    xconnect(A, so, "10.0.0.77", 5000);
    world_run(&w, 10 * S);
    cr_assert_eq(xconnect(A, so, "10.0.0.77", 5000), -EHOSTUNREACH);
    world_free(&w);
}

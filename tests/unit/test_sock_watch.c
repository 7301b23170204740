/* stack/sock/watch.c: watches, sets, bells. */
#include <sys/epoll.h>

#include "tests/unit/sock_world.h"

static struct world w;
static struct watchset *ws;
static struct sock *so; /* a datagram socket of host 1, on port 53 */

#define A (&w.h[0])
#define B (&w.h[1])

static void setup(void) {
    world_init(&w);
    ws = watchset_new(B->st, B->proc);
    so = xopen(B, SOCK_DGRAM);
    xbind(B, so, "0.0.0.0", 53);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_watch, .init = setup, .fini = teardown);

static void datagram(void) {
    struct sock *c = xopen(A, SOCK_DGRAM);
    xsendto(A, c, "x", 1, "10.0.0.2", 53);
    settle(&w);
    sock_put(A->st, c, A->proc);
}

static int collect(struct watchset *set, struct sock_event ev[8]) {
    return watchset_collect(B->st, set, ev, 8);
}

static void drain(void) {
    char b;
    while (xrecv(B, so, &b, 1, 0) >= 0)
        ;
}

Test(sock_watch, ready_at_once_if_the_sock_is) {
    struct sock_event ev[8];
    struct watch *wa = watch_add(B->st, ws, so, POLLOUT, 7);
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(ev[0].events, POLLOUT);
    cr_assert_eq(ev[0].data, 7);
    watch_mod(B->st, wa, POLLIN, 8);
    cr_assert_eq(collect(ws, ev), 0);
    cr_assert_not(watchset_any_ready(B->st, ws));
    datagram();
    cr_assert(watchset_any_ready(B->st, ws));
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(ev[0].data, 8);
}

Test(sock_watch, level_stays_edge_does_not) {
    struct sock_event ev[8];
    struct watchset *edge = watchset_new(B->st, B->proc);
    watch_add(B->st, ws, so, POLLIN, 1);
    watch_add(B->st, edge, so, POLLIN | EPOLLET, 2);
    datagram();
    for (int i = 0; i < 3; i++)
        cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(collect(edge, ev), 1);
    cr_assert_eq(collect(edge, ev), 0);
    datagram();
    cr_assert_eq(collect(edge, ev), 1, "something new");
    drain();
    cr_assert_eq(collect(ws, ev), 0);
}

Test(sock_watch, edge_on_a_stream_fires_for_each_arrival) {
    struct sock_event ev[8];
    struct pair p = connect_pair(&w, 0, 1, 5000);
    watch_add(B->st, ws, p.s, POLLIN | POLLRDHUP | EPOLLET, 1);
    cr_assert_eq(collect(ws, ev), 0);
    for (int i = 0; i < 3; i++) {
        xsend(A, p.c, "x", 1);
        settle(&w);
        cr_assert_eq(collect(ws, ev), 1, "arrival %d", i);
        cr_assert_eq(collect(ws, ev), 0);
    }
    sock_shutdown(A->st, p.c, SHUT_WR);
    settle(&w);
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert(ev[0].events & POLLRDHUP);
}

Test(sock_watch, edge_for_writing_fires_when_room_is_made) {
    struct sock_event ev[8];
    static char big[1 << 16];
    struct pair p = connect_pair(&w, 1, 0, 5000);
    watch_add(B->st, ws, p.c, POLLOUT | EPOLLET, 1);
    cr_assert_eq(collect(ws, ev), 1);
    while (xsend(B, p.c, big, sizeof(big)) > 0)
        settle(&w);
    collect(ws, ev);
    cr_assert_eq(collect(ws, ev), 0);
    for (int i = 0; i < 2000; i++) {
        if (xrecv(A, p.s, big, sizeof(big), 0) < 0)
            world_run(&w, 50 * MS);
    }
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(ev[0].events, POLLOUT);
}

Test(sock_watch, oneshot_until_rearmed) {
    struct sock_event ev[8];
    struct watch *wa = watch_add(B->st, ws, so, POLLIN | EPOLLONESHOT, 1);
    datagram();
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(collect(ws, ev), 0);
    datagram();
    cr_assert_eq(collect(ws, ev), 0);
    watch_mod(B->st, wa, POLLIN | EPOLLONESHOT, 1);
    cr_assert_eq(collect(ws, ev), 1);
}

Test(sock_watch, error_and_hangup_come_unasked) {
    struct sock_event ev[8];
    struct pair p = connect_pair(&w, 0, 1, 5000);
    watch_add(B->st, ws, p.s, 0, 1);
    cr_assert_eq(collect(ws, ev), 0);
    struct linger l = {1, 0};
    sock_setopt(A->st, p.c, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    sock_put(A->st, p.c, A->proc);
    settle(&w);
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(ev[0].events, POLLERR | POLLHUP);
}

Test(sock_watch, fair) {
    struct sock_event ev[8];
    for (uint64_t i = 0; i < 6; i++)
        watch_add(B->st, ws, so, POLLOUT, i);
    uint32_t seen = 0;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(watchset_collect(B->st, ws, ev, 2), 2);
        seen |= 1u << ev[0].data | 1u << ev[1].data;
    }
    cr_assert_eq(seen, 0x3f, "nobody is passed over");
    cr_assert_eq(collect(ws, ev), 6, "and nobody comes twice");
}

Test(sock_watch, a_bell_rings_once_per_sleep) {
    watch_add(B->st, ws, so, POLLIN, 1);
    datagram();
    cr_assert_eq(sock_next_bell(B->st), 0, "nobody sleeps");
    drain();
    watchset_sleep(ws, 31);
    cr_assert_eq(sock_next_bell(B->st), 0);
    datagram();
    datagram();
    cr_assert_eq(sock_next_bell(B->st), 31);
    cr_assert_eq(sock_next_bell(B->st), 0);
    datagram();
    cr_assert_eq(sock_next_bell(B->st), 0);
    watchset_wake(ws);
    watchset_sleep(ws, 32);
    datagram();
    watchset_wake(ws);
    cr_assert_eq(sock_next_bell(B->st), 0, "it woke by itself meanwhile");
    watchset_sleep(ws, 33);
    datagram();
    cr_assert_eq(sock_next_bell(B->st), 33);
}

Test(sock_watch, exclusive_wakes_one) {
    struct sock *l = xlisten(B, "0.0.0.0", 5000), *child, *c[2];
    struct watchset *set[3];
    for (uint32_t i = 0; i < 3; i++) {
        set[i] = watchset_new(B->st, B->proc);
        watch_add(B->st, set[i], l, POLLIN | EPOLLEXCLUSIVE, i);
        watchset_sleep(set[i], 10 + i);
    }
    watch_add(B->st, ws, l, POLLIN, 9);
    watchset_sleep(ws, 99);
    for (int i = 0; i < 2; i++) {
        c[i] = xopen(A, SOCK_STREAM);
        xconnect(A, c[i], "10.0.0.2", 5000);
    }
    settle(&w);
    uint32_t sum = 0, n = 0, bell;
    while ((bell = sock_next_bell(B->st)) != 0)
        sum += bell, n++;
    cr_assert(n == 2 || n == 3, "one of the three (or one for each connection), and the plain one");
    cr_assert_geq(sum, 10 + 99);
    /* It takes one; there is another, so the next one is woken. */
    cr_assert_eq(xaccept(B, l, &child), 0);
    for (n = 0; sock_next_bell(B->st) != 0;)
        n++;
    cr_assert_leq(n, 1);
    struct sock_event ev[8];
    int told = 0;
    for (int i = 0; i < 3; i++)
        told += collect(set[i], ev) > 0;
    cr_assert_geq(told, 2);
    (void)c;
}

Test(sock_watch, an_exclusive_one_that_leaves_passes_it_on) {
    struct watchset *set[2];
    struct watch *wa[2];
    for (uint32_t i = 0; i < 2; i++) {
        set[i] = watchset_new(B->st, B->proc);
        wa[i] = watch_add(B->st, set[i], so, POLLIN | EPOLLEXCLUSIVE, i);
        watchset_sleep(set[i], 10 + i);
    }
    datagram();
    cr_assert_eq(sock_next_bell(B->st), 10);
    cr_assert_eq(sock_next_bell(B->st), 0);
    watchset_free(B->st, set[0]);
    cr_assert_eq(sock_next_bell(B->st), 11);
    (void)wa;
}

Test(sock_watch, a_closed_sock_is_told_once) {
    struct sock_event ev[8];
    struct watch *wa = watch_add(B->st, ws, so, POLLIN | EPOLLET, 5);
    watchset_sleep(ws, 3);
    sock_put(B->st, so, B->proc);
    cr_assert_eq(sock_next_bell(B->st), 3);
    cr_assert_eq(collect(ws, ev), 1);
    cr_assert_eq(ev[0].events, POLLNVAL);
    cr_assert_eq(ev[0].data, 5);
    cr_assert_eq(collect(ws, ev), 0);
    watch_del(B->st, wa);
    struct sock *gone = xopen(B, SOCK_DGRAM), *kept = xopen(B, SOCK_DGRAM);
    watch_add(B->st, ws, gone, POLLOUT, 1);
    watch_add(B->st, ws, kept, POLLOUT, 2);
    sock_put(B->st, gone, B->proc);
    watchset_clear(B->st, ws);
    cr_assert_eq(collect(ws, ev), 0);
    cr_assert_null(watch_find(ws, kept, 2));
}

Test(sock_watch, find_and_limits) {
    struct watchset *other = watchset_new(B->st, B->proc);
    struct watch *wa = watch_add(B->st, ws, so, POLLIN, 5);
    cr_assert_eq(watch_find(ws, so, 5), wa);
    cr_assert_null(watch_find(ws, so, 6));
    cr_assert_null(watch_find(other, so, 5));
    uint32_t n = 1;
    while (watch_add(B->st, other, so, POLLIN, n) != NULL)
        n++;
    cr_assert_eq(n, 1024);
    cr_assert_eq(B->st->ctr.mem_watches_out, 1);
    watchset_free(B->st, other);
    cr_assert_not_null(watch_add(B->st, ws, so, POLLIN, 6));
    while (watchset_new(B->st, B->proc) != NULL)
        ;
    cr_assert_eq(B->st->ctr.mem_watches_out, 2);
}

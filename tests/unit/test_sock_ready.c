/* stack/sock/ready.c: POLL bits, and what the waiting code asks. */
#include "tests/unit/sock_world.h"

static struct world w;

static void setup(void) {
    world_init(&w);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_ready, .init = setup, .fini = teardown);

#define A   (&w.h[0])
#define B   (&w.h[1])
#define ALL (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP)

static uint32_t bits(struct host *h, struct sock *so) {
    return sock_ready(h->st, so) & ALL;
}

Test(sock_ready, bits_by_state) {
    struct sock *l = xlisten(B, "0.0.0.0", 5000), *so = xopen(A, SOCK_STREAM), *child;
    cr_expect_eq(bits(A, so), POLLOUT | POLLHUP, "not connected");
    cr_expect_eq(bits(B, l), 0);
    xconnect(A, so, "10.0.0.2", 5000);
    cr_expect_eq(bits(A, so), 0, "connecting");
    settle(&w);
    cr_expect_eq(bits(A, so), POLLOUT);
    cr_expect_eq(bits(B, l), POLLIN);
    cr_assert_eq(xaccept(B, l, &child), 0);
    cr_expect_eq(bits(B, l), 0);
    xsend(A, so, "x", 1);
    settle(&w);
    cr_expect_eq(bits(B, child), POLLIN | POLLOUT);
    sock_shutdown(A->st, so, SHUT_WR);
    settle(&w);
    cr_expect_eq(bits(B, child), POLLIN | POLLOUT | POLLRDHUP);
    sock_shutdown(B->st, child, SHUT_WR);
    settle(&w);
    cr_expect_eq(bits(B, child) & POLLHUP, POLLHUP);
    cr_expect_eq(bits(A, so), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

Test(sock_ready, reset) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct linger l = {1, 0};
    sock_setopt(A->st, p.c, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    sock_put(A->st, p.c, A->proc);
    settle(&w);
    cr_expect_eq(bits(B, p.s), ALL);
    cr_expect_eq(getint(B, p.s, SOL_SOCKET, SO_ERROR), ECONNRESET);
    cr_expect_eq(bits(B, p.s) & POLLERR, 0);
}

Test(sock_ready, dgram) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    cr_expect_eq(bits(A, u), POLLOUT);
}

Test(sock_ready, direct_only_when_nothing_is_to_be_told_first) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sock *fresh = xopen(A, SOCK_STREAM), *u = xopen(A, SOCK_DGRAM);
    cr_expect_null(sock_direct(A->st, fresh));
    cr_expect_null(sock_direct(A->st, u));
    cr_expect_not_null(sock_direct(B->st, p.s));
    xsend(A, p.c, "x", 1);
    settle(&w);
    cr_expect_null(sock_direct(B->st, p.s));
    char b;
    xrecv(B, p.s, &b, 1, 0);
    cr_expect_not_null(sock_direct(B->st, p.s));
    sock_shutdown(A->st, p.c, SHUT_WR);
    cr_expect_not_null(sock_direct(A->st, p.c), "half-closed, it may still receive");
    settle(&w);
    cr_expect_null(sock_direct(B->st, p.s));
}

Test(sock_ready, direct_reception_fills_the_lent_buffer) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    char b[16] = "";
    struct iovec iov = {b, sizeof(b)};
    xsend(A, p.c, "straight", 8);
    stack_flush(A->st, A->link, w.now_ns);
    struct direct_recv d = {.t = sock_direct(B->st, p.s), .iov = &iov, .niov = 1};
    B->st->direct = &d;
    stack_poll(B->st, B->link, w.now_ns, NULL);
    B->st->direct = NULL;
    cr_assert_eq(d.got, 8);
    cr_assert_eq(memcmp(b, "straight", 8), 0);
    cr_assert_eq(xrecv(B, p.s, b, 16, 0), -EAGAIN);
}

Test(sock_ready, lingering_until_flushed) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    xsend(A, p.c, "x", 1);
    sock_shutdown(A->st, p.c, SHUT_WR);
    cr_expect_not(sock_is_flushed(A->st, p.c));
    world_run(&w, S);
    cr_expect(sock_is_flushed(A->st, p.c));
}

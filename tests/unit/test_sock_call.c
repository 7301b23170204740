/* stack/sock/call.c: bind, listen, connect, accept, shutdown, names, with Linux's errnos. */
#include "tests/unit/sock_world.h"

static struct world w;

static void setup(void) {
    world_init(&w);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_call, .init = setup, .fini = teardown);

#define A (&w.h[0])
#define B (&w.h[1])

/* ---- bind, listen ---- */

Test(sock_call, bind_errnos) {
    struct sock *so = xopen(A, SOCK_STREAM), *other = xopen(A, SOCK_STREAM);
    struct sockaddr_in in = ip("10.0.0.1", 5000);
    struct sockaddr *sa = (struct sockaddr *)&in;
    cr_assert_eq(sock_bind(A->st, so, sa, 8), -EINVAL);
    in.sin_family = AF_INET6;
    cr_assert_eq(sock_bind(A->st, so, sa, sizeof(in)), -EAFNOSUPPORT);
    in.sin_family = AF_UNSPEC;
    cr_assert_eq(sock_bind(A->st, so, sa, sizeof(in)), -EAFNOSUPPORT);
    cr_assert_eq(xbind(A, so, "10.9.9.9", 5000), -EADDRNOTAVAIL);
    cr_assert_eq(xbind(A, so, "10.0.0.1", 80), 0, "low ports are nobody's privilege");
    cr_assert_eq(xbind(A, so, "10.0.0.1", 81), -EINVAL, "bound already");
    cr_assert_eq(xbind(A, other, "0.0.0.0", 80), -EADDRINUSE);
    cr_assert_eq(xbind(A, other, "127.0.0.1", 80), 0, "another address");
}

Test(sock_call, bind_unspec_any_is_taken_for_inet) {
    struct sock *so = xopen(A, SOCK_STREAM);
    struct sockaddr_in in = ip("0.0.0.0", 5001);
    in.sin_family = AF_UNSPEC;
    cr_assert_eq(sock_bind(A->st, so, (struct sockaddr *)&in, sizeof(in)), 0);
    cr_assert_eq(local_port(A, so), 5001);
}

Test(sock_call, bind_port_0_picks_one) {
    struct sock *t = xopen(A, SOCK_STREAM), *u = xopen(A, SOCK_DGRAM);
    cr_assert_eq(xbind(A, t, "0.0.0.0", 0), 0);
    cr_assert_eq(xbind(A, u, "0.0.0.0", 0), 0);
    cr_assert_neq(local_port(A, t), 0);
    cr_assert_neq(local_port(A, u), 0);
}

Test(sock_call, listen_errnos) {
    struct sock *u = xopen(A, SOCK_DGRAM), *so = xopen(A, SOCK_STREAM), *child;
    cr_assert_eq(sock_listen(A->st, u, 1), -EOPNOTSUPP);
    cr_assert_eq(xaccept(A, so, &child), -EINVAL);
    cr_assert_eq(sock_listen(A->st, so, -1), 0, "unbound: an ephemeral port");
    cr_assert_neq(local_port(A, so), 0);
    cr_assert_eq(sock_listen(A->st, so, 5), 0, "again: a new backlog");
    cr_assert_eq(xaccept(A, so, &child), -EAGAIN);
    cr_assert_eq(xaccept(A, u, &child), -EOPNOTSUPP);
    cr_assert_eq(xbind(A, so, "0.0.0.0", 5000), -EINVAL);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EISCONN);
    struct pair p = connect_pair(&w, 0, 1, 5000);
    cr_assert_eq(sock_listen(A->st, p.c, 5), -EINVAL);
}

/* ---- connect ---- */

Test(sock_call, connect_states) {
    struct sock *l = xlisten(B, "0.0.0.0", 5000), *so = xopen(A, SOCK_STREAM), *child;
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EALREADY);
    settle(&w);
    cr_assert_eq(sock_ready(A->st, so) & (POLLIN | POLLOUT | POLLERR | POLLHUP), POLLOUT);
    cr_assert_eq(getint(A, so, SOL_SOCKET, SO_ERROR), 0);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), 0, "the first call after success tells it");
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EISCONN);
    cr_assert_eq(xaccept(B, l, &child), 0);
    cr_assert_eq(xconnect(B, child, "10.0.0.1", 1), -EISCONN);
}

Test(sock_call, connect_refused_told_by_connect) {
    struct sock *so = xopen(A, SOCK_STREAM);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS);
    settle(&w);
    uint32_t r = sock_ready(A->st, so);
    cr_assert_eq(r & (POLLIN | POLLOUT | POLLERR | POLLHUP), POLLIN | POLLOUT | POLLERR | POLLHUP,
                 "%#x", r);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -ECONNREFUSED);
    /* And it can be used again, without a new socket. */
    struct sock *l = xlisten(B, "0.0.0.0", 5000);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS);
    settle(&w);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), 0);
    (void)l;
}

Test(sock_call, connect_refused_told_by_so_error) {
    struct sock *so = xopen(A, SOCK_STREAM);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS);
    settle(&w);
    cr_assert_eq(getint(A, so, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    cr_assert_eq(getint(A, so, SOL_SOCKET, SO_ERROR), 0);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -ECONNABORTED, "as Linux has it");
}

Test(sock_call, failed_connect_keeps_bind) {
    struct sock *so = xopen(A, SOCK_STREAM);
    cr_assert_eq(xbind(A, so, "10.0.0.1", 6000), 0);
    xconnect(A, so, "10.0.0.2", 5000);
    settle(&w);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -ECONNREFUSED);
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS);
    cr_assert_eq(local_port(A, so), 6000);
}

Test(sock_call, connect_bad_addresses) {
    struct sock *so = xopen(A, SOCK_STREAM);
    struct sockaddr_in in = ip("10.0.0.2", 5000);
    cr_assert_eq(sock_connect(A->st, so, (struct sockaddr *)&in, 1), -EINVAL);
    cr_assert_eq(sock_connect(A->st, so, (struct sockaddr *)&in, 8), -EINVAL);
    in.sin_family = AF_INET6;
    cr_assert_eq(sock_connect(A->st, so, (struct sockaddr *)&in, sizeof(in)), -EAFNOSUPPORT);
    cr_assert_eq(xconnect(A, so, "192.0.2.1", 5000), -ENETUNREACH, "no route");
    cr_assert_eq(xconnect(A, so, "10.0.0.255", 5000), -ENETUNREACH, "MUST-46");
    cr_assert_eq(xconnect(A, so, "224.0.0.1", 5000), -ENETUNREACH, "MUST-46");
    struct sock *l = xlisten(B, "0.0.0.0", 5000);
    (void)l;
    cr_assert_eq(xconnect(A, so, "10.0.0.2", 5000), -EINPROGRESS, "still good");
}

Test(sock_call, connect_to_any_is_this_host) {
    struct sock *l = xlisten(A, "127.0.0.1", 5000), *so = xopen(A, SOCK_STREAM), *child;
    cr_assert_eq(xconnect(A, so, "0.0.0.0", 5000), -EINPROGRESS);
    settle(&w);
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    cr_assert_eq(sock_accept(A->st, l, A->proc, 0, (struct sockaddr *)&in, &len, &child), 0);
    cr_assert_eq(in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    cr_assert_eq(ntohs(in.sin_port), local_port(A, so));
}

Test(sock_call, one_host_meets_itself_in_one_poll) {
    struct sock *l = xlisten(A, "0.0.0.0", 5000), *so = xopen(A, SOCK_STREAM), *child;
    cr_assert_eq(xconnect(A, so, "10.0.0.1", 5000), -EINPROGRESS);
    stack_flush(A->st, A->link, w.now_ns);
    cr_assert_eq(xconnect(A, so, "10.0.0.1", 5000), 0);
    cr_assert_eq(xaccept(A, l, &child), 0);
}

Test(sock_call, connect_unspec_dissolves) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sockaddr sa = {.sa_family = AF_UNSPEC};
    cr_assert_eq(sock_connect(A->st, p.c, &sa, sizeof(sa)), 0);
    settle(&w);
    char b;
    cr_assert_eq(xrecv(B, p.s, &b, 1, 0), -ECONNRESET);
    cr_assert_eq(sock_ready(A->st, p.c) & (POLLIN | POLLOUT | POLLHUP), POLLOUT | POLLHUP);
    struct sock *l = xlisten(B, "0.0.0.0", 5001);
    cr_assert_eq(xconnect(A, p.c, "10.0.0.2", 5001), -EINPROGRESS);
    settle(&w);
    cr_assert_eq(xconnect(A, p.c, "10.0.0.2", 5001), 0);
    (void)l;
}

Test(sock_call, udp_connect_and_dissolve) {
    struct sock *u = xopen(A, SOCK_DGRAM);
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    struct sockaddr sa = {.sa_family = AF_UNSPEC};
    cr_assert_eq(sock_getname(A->st, u, true, (struct sockaddr *)&in, &len), -ENOTCONN);
    cr_assert_eq(xconnect(A, u, "10.0.0.2", 53), 0);
    cr_assert_eq(sock_getname(A->st, u, true, (struct sockaddr *)&in, &len), 0);
    cr_assert_eq(ntohs(in.sin_port), 53);
    cr_assert_eq(sock_getname(A->st, u, false, (struct sockaddr *)&in, &len), 0);
    cr_assert_eq(in.sin_addr.s_addr, inet_addr("10.0.0.1"));
    cr_assert_eq(sock_connect(A->st, u, &sa, sizeof(sa)), 0);
    cr_assert_eq(sock_getname(A->st, u, true, (struct sockaddr *)&in, &len), -ENOTCONN);
}

/* ---- accept ---- */

Test(sock_call, accept_inherits_options_not_nonblocking) {
    struct sock *l = xlisten(B, "0.0.0.0", 5000), *so = xopen(A, SOCK_STREAM), *child;
    struct timeval tv = {.tv_sec = 3};
    setint(B, l, SOL_SOCKET, SO_KEEPALIVE, 1);
    setint(B, l, IPPROTO_TCP, TCP_NODELAY, 1);
    setint(B, l, SOL_SOCKET, SO_PRIORITY, 4);
    sock_setopt(B->st, l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    sock_set_nonblocking(l, true);
    xconnect(A, so, "10.0.0.2", 5000);
    settle(&w);
    cr_assert_eq(xaccept(B, l, &child), 0);
    cr_assert_eq(getint(B, child, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_assert_eq(getint(B, child, IPPROTO_TCP, TCP_NODELAY), 1);
    cr_assert_eq(getint(B, child, SOL_SOCKET, SO_PRIORITY), 4);
    cr_assert_eq(sock_rcvtimeo_ns(child), 3 * S);
    cr_assert_not(sock_nonblocking(child));
    cr_assert_eq(local_port(B, child), 5000);
}

Test(sock_call, accept_without_room_loses_nothing) {
    struct sock *l = xlisten(B, "0.0.0.0", 5000), *so = xopen(A, SOCK_STREAM), *child,
                *filler = NULL;
    xconnect(A, so, "10.0.0.2", 5000);
    settle(&w);
    struct sock *last = NULL;
    while (sock_open(B->st, B->proc, AF_INET, SOCK_DGRAM, 0, 0, &filler) == 0 ||
           sock_open(B->st, B->proc, AF_INET, SOCK_STREAM, 0, 0, &filler) == 0)
        last = filler;
    cr_assert_eq(xaccept(B, l, &child), -ENFILE);
    sock_put(B->st, last, B->proc);
    cr_assert_eq(xaccept(B, l, &child), 0);
}

/* ---- shutdown, close ---- */

Test(sock_call, shutdown_errnos) {
    struct sock *so = xopen(A, SOCK_STREAM), *u = xopen(A, SOCK_DGRAM);
    cr_assert_eq(sock_shutdown(A->st, so, 3), -EINVAL);
    cr_assert_eq(sock_shutdown(A->st, so, SHUT_WR), -ENOTCONN);
    cr_assert_eq(sock_shutdown(A->st, u, SHUT_RD), -ENOTCONN);
    cr_assert(sock_ready(A->st, u) & POLLIN, "its readers are woken all the same");
}

Test(sock_call, half_close) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    char b[8];
    cr_assert_eq(xsend(A, p.c, "hello", 5), 5);
    cr_assert_eq(sock_shutdown(A->st, p.c, SHUT_WR), 0);
    cr_assert_eq(xsend(A, p.c, "x", 1), -EPIPE);
    settle(&w);
    cr_assert_eq(xrecv(B, p.s, b, 8, 0), 5);
    cr_assert_eq(xrecv(B, p.s, b, 8, 0), 0);
    cr_assert(sock_ready(B->st, p.s) & POLLRDHUP);
    cr_assert_eq(xsend(B, p.s, "you", 3), 3);
    settle(&w);
    cr_assert_eq(xrecv(A, p.c, b, 8, 0), 3);
}

Test(sock_call, shutdown_ends_a_listener) {
    struct sock *l = xlisten(A, "0.0.0.0", 5000), *child;
    cr_assert_eq(sock_shutdown(A->st, l, SHUT_WR), 0);
    cr_assert_eq(getint(A, l, SOL_SOCKET, SO_ACCEPTCONN), 1);
    cr_assert_eq(sock_shutdown(A->st, l, SHUT_RD), 0);
    cr_assert_eq(getint(A, l, SOL_SOCKET, SO_ACCEPTCONN), 0);
    cr_assert_eq(xaccept(A, l, &child), -EINVAL);
    cr_assert(sock_ready(A->st, l) & POLLHUP);
    cr_assert_eq(sock_listen(A->st, l, 1), 0, "bound still");
    cr_assert_eq(local_port(A, l), 5000);
}

Test(sock_call, shutdown_ends_a_connect) {
    struct sock *so = xopen(A, SOCK_STREAM);
    xconnect(A, so, "10.0.0.77", 5000);
    cr_assert_eq(sock_shutdown(A->st, so, SHUT_RDWR), 0);
    cr_assert_eq(getint(A, so, SOL_SOCKET, SO_ERROR), ECONNRESET);
}

Test(sock_call, data_written_before_the_last_put_arrives) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    char b[16];
    cr_assert_eq(xsend(A, p.c, "last words", 10), 10);
    proc_detach(A->st, A->proc);
    cr_assert_eq(sock_count(A->st), 0);
    cr_assert_not(stack_idle(A->st), "TCP is not done");
    settle(&w);
    cr_assert_eq(xrecv(B, p.s, b, sizeof(b), 0), 10);
    cr_assert_eq(xrecv(B, p.s, b, sizeof(b), 0), 0);
    sock_put(B->st, p.s, B->proc);
    world_run(&w, 130 * S);
    cr_assert(stack_idle(A->st));
    cr_assert(stack_idle(B->st));
}

Test(sock_call, names) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sockaddr_in in;
    socklen_t len = sizeof(in);
    cr_assert_eq(sock_getname(A->st, p.c, true, (struct sockaddr *)&in, &len), 0);
    cr_assert_eq(in.sin_addr.s_addr, inet_addr("10.0.0.2"));
    cr_assert_eq(in.sin_port, htons(5000));
    cr_assert_eq(in.sin_family, AF_INET);
    struct sock *so = xopen(A, SOCK_STREAM);
    cr_assert_eq(sock_getname(A->st, so, true, (struct sockaddr *)&in, &len), -ENOTCONN);
    cr_assert_eq(sock_getname(A->st, so, false, (struct sockaddr *)&in, &len), 0);
    cr_assert_eq(in.sin_addr.s_addr, 0);
    cr_assert_eq(in.sin_port, 0);
}

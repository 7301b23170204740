/* bind, listen, connect and what they allow side by side; connections of a host to itself. */
#include "tests/unit/tcp_unit.h"

#include <poll.h>
#include <sys/socket.h>

static struct tcb *bound(struct stack *st, const char *addr, uint16_t port, bool reuse_addr,
                         bool reuse_port, int want) {
    struct tcb *t = tcp_open(st);
    struct endpoint ep = {.port = port};
    cr_assert(addr_parse(addr, &ep.addr));
    tcp_opts(t)->reuse_addr = reuse_addr;
    tcp_opts(t)->reuse_port = reuse_port;
    cr_assert_eq(tcp_bind(st, t, &ep), want, "%s:%u", addr, port);
    return t;
}

/* Delivers what the host sends to itself until nothing is left. */
static void run_loop(struct stack *st) {
    struct pkt *p;
    for (tcp_flush(st); (p = STAILQ_FIRST(&st->loop)) != NULL; tcp_flush(st)) {
        struct frame f;
        struct ip_in in;
        struct icmp_err err;
        STAILQ_REMOVE_HEAD(&st->loop, link);
        st->loop_len--;
        frame_from_pkt(&f, p);
        cr_assert_eq(net_input_loop(st, &f, &in, &err), NET_IN_L4);
        tcp_input(st, &in);
        net_input_end(st, &in);
        pkt_free(&st->pkts, &st->chunks, p);
    }
}

/* Runs the timers of the next `ns`. */
static void advance(struct stack *st, uint64_t ns) {
    uint64_t end = st->now_ns + ns, next;
    struct timer *t;
    while ((next = timers_next(&st->timers)) <= end) {
        st->now_ns = next > st->now_ns ? next : st->now_ns;
        while ((t = timers_expire(&st->timers, st->now_ns)) != NULL)
            cr_assert(tcp_timer(st, t) || net_timer(st, t));
        run_loop(st);
    }
    st->now_ns = end;
}

Test(tcp_bind, one_port_one_holder) {
    struct stack *st = tu_stack();
    bound(st, "10.0.0.1", 5000, false, false, 0);
    bound(st, "10.0.0.1", 5000, false, false, -EADDRINUSE);
    bound(st, "0.0.0.0", 5000, false, false, -EADDRINUSE);
    bound(st, "127.0.0.1", 5000, false, false, 0);
    bound(st, "10.0.0.1", 5001, false, false, 0);
    bound(st, "10.0.0.99", 5002, false, false, -EADDRNOTAVAIL);
    fx_free(st);
}

Test(tcp_bind, reuseaddr_lets_two_bind_and_one_listen) {
    struct stack *st = tu_stack();
    struct tcb *a = bound(st, "0.0.0.0", 5000, true, false, 0);
    struct tcb *b = bound(st, "0.0.0.0", 5000, true, false, 0);
    bound(st, "0.0.0.0", 5000, false, false, -EADDRINUSE);
    cr_assert_eq(tcp_listen(st, a, 1), 0);
    cr_assert_eq(tcp_listen(st, b, 1), -EADDRINUSE);
    bound(st, "0.0.0.0", 5000, true, false, -EADDRINUSE);
    fx_free(st);
}

Test(tcp_bind, reuseport_lets_all_listen) {
    struct stack *st = tu_stack();
    for (int i = 0; i < 4; i++)
        cr_assert_eq(tcp_listen(st, bound(st, "0.0.0.0", 5000, false, true, 0), 1), 0);
    bound(st, "0.0.0.0", 5000, false, false, -EADDRINUSE);
    fx_free(st);
}

Test(tcp_bind, port_0_takes_a_free_one) {
    struct stack *st = tu_stack();
    struct endpoint a, b, r;
    tcp_get_endpoints(bound(st, "0.0.0.0", 0, false, false, 0), &a, &r);
    tcp_get_endpoints(bound(st, "0.0.0.0", 0, false, false, 0), &b, &r);
    cr_assert_geq(a.port, 32768);
    cr_assert_neq(a.port, b.port);
    fx_free(st);
}

Test(tcp_bind, must46_no_connection_to_a_broadcast_address) {
    struct stack *st = tu_stack();
    struct tcb *t = tcp_open(st);
    cr_assert_eq(tcp_connect(st, t, &(struct endpoint){FX_V4(0x0a0000ff), 1}), -ENETUNREACH);
    cr_assert_eq(tcp_connect(st, t, &(struct endpoint){FX_V4(0xe0000001), 1}), -ENETUNREACH);
    cr_assert_eq(tcp_connect(st, t, &(struct endpoint){FX_V4(0xffffffff), 1}), -ENETUNREACH);
    cr_assert_eq(tcp_get_state(t), TCPS_CLOSED);
    fx_free(st);
}

Test(tcp_bind, a_socket_may_connect_to_itself) { /* MUST-10 in the extreme */
    struct stack *st = tu_stack();
    struct tcb *t = bound(st, "127.0.0.1", 5000, false, false, 0);
    char text[] = "to myself", got[32];
    struct iovec out = {text, sizeof(text)}, in = {got, sizeof(got)};
    cr_assert_eq(tcp_connect(st, t, &(struct endpoint){FX_V4(0x7f000001), 5000}), 0);
    run_loop(st);
    cr_assert_eq(tcp_get_state(t), TCPS_ESTABLISHED);
    cr_assert_eq(tcp_send(st, t, &out, 1, 0, NULL), (ssize_t)sizeof(text));
    run_loop(st);
    cr_assert_eq(tcp_recv(st, t, &in, 1, sizeof(got), false, 0), (ssize_t)sizeof(text));
    cr_assert_str_eq(got, text);
    cr_assert_null(tcp_check(st, t));
    cr_assert_eq(tcp_shutdown(st, t, SHUT_WR), 0);
    run_loop(st);
    cr_assert_eq(tcp_get_state(t), TCPS_TIME_WAIT);
    cr_assert_eq(tcp_recv(st, t, &in, 1, sizeof(got), false, 0), 0);
    tcp_close(st, t);
    advance(st, 61 * SEC);
    cr_assert_eq(st->tcp->tcbs.n_used, 0);
    fx_check_empty(st);
    fx_free(st);
}

Test(tcp_bind, a_host_talks_to_itself_and_ports_are_free_again_after_time_wait) {
    struct stack *st = tu_stack();
    struct tcb *l = bound(st, "0.0.0.0", 5000, false, false, 0), *c = tcp_open(st), *s;
    static char big[200000];
    struct iovec out = {big, sizeof(big)};
    size_t sent = 0, received = 0;
    cr_assert_eq(tcp_listen(st, l, 5), 0);
    cr_assert_eq(tcp_connect(st, c, &(struct endpoint){US, 5000}), 0);
    run_loop(st);
    cr_assert_not_null(s = tcp_accept(st, l));
    while (received < sizeof(big)) {
        out = (struct iovec){big + sent, sizeof(big) - sent};
        ssize_t n = sent < sizeof(big) ? tcp_send(st, c, &out, 1, 0, NULL) : 0;
        sent += n > 0 ? (size_t)n : 0;
        run_loop(st);
        n = tcp_recv(st, s, NULL, 0, 50000, false, 0);
        received += n > 0 ? (size_t)n : 0;
        run_loop(st);
    }
    tcp_close(st, l);
    tcp_close(st, c);
    run_loop(st);
    cr_assert_eq(tcp_get_state(s), TCPS_CLOSE_WAIT);
    tcp_close(st, s);
    run_loop(st);
    bound(st, "0.0.0.0", 5000, true, false, 0);
    advance(st, 61 * SEC);
    cr_assert_eq(st->tcp->tcbs.n_used, 1);
    fx_free(st);
}

Test(tcp_bind, a_refused_connect_may_be_tried_again) {
    struct stack *st = tu_stack();
    struct tcb *t = bound(st, "10.0.0.1", 6000, false, false, 0);
    struct endpoint to = {US, 5000};
    cr_assert_eq(tcp_connect(st, t, &to), 0);
    run_loop(st);
    cr_assert_eq(tcp_get_state(t), TCPS_CLOSED);
    cr_assert(tcp_ready(st, t) & POLLERR);
    cr_assert_eq(tcp_take_error(t), ECONNREFUSED);
    cr_assert_eq(tcp_listen(st, bound(st, "0.0.0.0", 5000, false, false, 0), 1), 0);
    cr_assert_eq(tcp_connect(st, t, &to), 0);
    run_loop(st);
    cr_assert_eq(tcp_get_state(t), TCPS_ESTABLISHED);
    struct endpoint local, remote;
    tcp_get_endpoints(t, &local, &remote);
    cr_assert_eq(local.port, 6000); /* the port that he asked for stays his */
    fx_free(st);
}

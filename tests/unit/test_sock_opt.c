/* stack/sock/opt.c and its levels (opt_socket.c, opt_ip.c, opt_tcp.c): getsockopt and setsockopt.
 */
#include "tests/unit/sock_world.h"

static struct world w;
static struct sock *t, *u;

static void setup(void) {
    world_init(&w);
    t = xopen(&w.h[0], SOCK_STREAM);
    u = xopen(&w.h[0], SOCK_DGRAM);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_opt, .init = setup, .fini = teardown);

#define A (&w.h[0])
#define B (&w.h[1])

Test(sock_opt, every_plain_option_keeps_what_it_was_given) {
    static const struct {
        int level, name, set, get;
        bool udp;
    } rows[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1, 1, true},
        {SOL_SOCKET, SO_REUSEPORT, 5, 1, true},
        {SOL_SOCKET, SO_KEEPALIVE, 1, 1, true},
        {SOL_SOCKET, SO_BROADCAST, 7, 1, true},
        {SOL_SOCKET, SO_OOBINLINE, 1, 1, true},
        {SOL_SOCKET, SO_DONTROUTE, 1, 1, true},
        {SOL_SOCKET, SO_PRIORITY, 6, 6, true},
        {SOL_SOCKET, SO_MARK, 77, 77, true},
        {SOL_SOCKET, SO_RCVLOWAT, 100, 100, true},
        {IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DO, true},
        {IPPROTO_IP, IP_RECVERR, 1, 1, true},
        {IPPROTO_IP, IP_PKTINFO, 1, 1, true},
        {IPPROTO_IP, IP_RECVTOS, 1, 1, true},
        {IPPROTO_IP, IP_RECVTTL, 1, 1, true},
        {IPPROTO_IP, IP_FREEBIND, 1, 1, true},
        {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, 1, true},
        {IPPROTO_IP, IP_TTL, 5, 5, true},
        {IPPROTO_TCP, TCP_NODELAY, 1, 1, false},
        {IPPROTO_TCP, TCP_CORK, 1, 1, false},
        {IPPROTO_TCP, TCP_QUICKACK, 1, 1, false},
        {IPPROTO_TCP, TCP_KEEPIDLE, 11, 11, false},
        {IPPROTO_TCP, TCP_KEEPINTVL, 12, 12, false},
        {IPPROTO_TCP, TCP_KEEPCNT, 13, 13, false},
        {IPPROTO_TCP, TCP_SYNCNT, 3, 3, false},
        {IPPROTO_TCP, TCP_LINGER2, 9, 9, false},
        {IPPROTO_TCP, TCP_LINGER2, -5, -1, false},
        {IPPROTO_TCP, TCP_LINGER2, 1000, 120, false},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, 1500, 1500, false},
        {IPPROTO_TCP, TCP_DEFER_ACCEPT, 3, 3, false},
        {IPPROTO_TCP, TCP_MAXSEG, 1000, 1000, false},
        {IPPROTO_TCP, TCP_WINDOW_CLAMP, 20000, 20000, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int err = setint(A, t, rows[i].level, rows[i].name, rows[i].set);
        cr_expect_eq(err, 0, "row %zu: %d", i, err);
        int got = getint(A, t, rows[i].level, rows[i].name);
        cr_expect_eq(got, rows[i].get, "row %zu: %d", i, got);
        err = setint(A, u, rows[i].level, rows[i].name, rows[i].set);
        cr_expect_eq(err, rows[i].udp ? 0 : -ENOPROTOOPT, "row %zu, udp: %d", i, err);
    }
}

Test(sock_opt, bounds) {
    static const struct {
        int level, name, v;
    } bad[] = {
        {IPPROTO_IP, IP_TTL, 0},         {IPPROTO_IP, IP_TTL, 256},
        {IPPROTO_IP, IP_TTL, -2},        {IPPROTO_IP, IP_MTU_DISCOVER, 6},
        {IPPROTO_TCP, TCP_KEEPIDLE, 0},  {IPPROTO_TCP, TCP_KEEPIDLE, 32768},
        {IPPROTO_TCP, TCP_KEEPINTVL, 0}, {IPPROTO_TCP, TCP_KEEPCNT, 128},
        {IPPROTO_TCP, TCP_SYNCNT, 0},    {IPPROTO_TCP, TCP_USER_TIMEOUT, -1},
        {IPPROTO_TCP, TCP_MAXSEG, 87},   {IPPROTO_TCP, TCP_MAXSEG, 32768},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(setint(A, t, bad[i].level, bad[i].name, bad[i].v), -EINVAL, "row %zu", i);
}

Test(sock_opt, defaults_are_linux_s) {
    cr_expect_eq(getint(A, t, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
    cr_expect_eq(getint(A, t, IPPROTO_TCP, TCP_KEEPINTVL), 75);
    cr_expect_eq(getint(A, t, IPPROTO_TCP, TCP_KEEPCNT), 9);
    cr_expect_eq(getint(A, t, IPPROTO_TCP, TCP_SYNCNT), 6);
    cr_expect_eq(getint(A, t, IPPROTO_TCP, TCP_LINGER2), 60);
    cr_expect_eq(getint(A, t, IPPROTO_IP, IP_TTL), 64);
    cr_expect_eq(getint(A, u, IPPROTO_IP, IP_TTL), 64);
    cr_expect_eq(getint(A, t, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_WANT);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 131072);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_SNDBUF), 16384);
    cr_expect_eq(getint(A, u, SOL_SOCKET, SO_RCVBUF), 212992);
    cr_expect_eq(getint(A, u, SOL_SOCKET, SO_SNDBUF), 212992);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVLOWAT), 1);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_SNDLOWAT), 1);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_REUSEADDR), 0);
}

Test(sock_opt, buffers_are_doubled_and_bounded) {
    cr_assert_eq(setint(A, t, SOL_SOCKET, SO_RCVBUF, 50000), 0);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 100000);
    setint(A, t, SOL_SOCKET, SO_RCVBUF, 1);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 2304);
    setint(A, t, SOL_SOCKET, SO_RCVBUF, 1 << 30);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 425984);
    setint(A, t, SOL_SOCKET, SO_RCVBUF, -1);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 425984);
    setint(A, t, SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_RCVBUF), 1 << 25);
    setint(A, u, SOL_SOCKET, SO_SNDBUF, 1);
    cr_expect_eq(getint(A, u, SOL_SOCKET, SO_SNDBUF), 4608);
}

Test(sock_opt, lengths) {
    int v = 1;
    uint8_t b = 3;
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_KEEPALIVE, &v, 3), -EINVAL);
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_TCP, TCP_NODELAY, &v, 1), -EINVAL);
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_KEEPALIVE, &v, 0x80000000u), -EINVAL);
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_IP, IP_TTL, &b, 1), 0, "IP takes a byte");
    cr_expect_eq(getint(A, t, IPPROTO_IP, IP_TTL), 3);
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_IP, IP_TTL, NULL, 0), -EINVAL);
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_IP, IP_RECVTTL, &b, 1), 0);
    /* A longer one is read from its beginning. */
    uint64_t wide = 1;
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_TCP, TCP_NODELAY, &wide, 8), 0);
    /* On the way out what does not fit is cut. */
    uint8_t out[8];
    socklen_t len = 2;
    memset(out, 0xee, sizeof(out));
    cr_expect_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_TYPE, out, &len), 0);
    cr_expect_eq(len, 2);
    cr_expect_eq(out[2], 0xee);
    len = 8;
    cr_expect_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_TYPE, out, &len), 0);
    cr_expect_eq(len, 4);
    len = 1;
    cr_expect_eq(sock_getopt(A->st, t, IPPROTO_IP, IP_TTL, out, &len), 0);
    cr_expect_eq(len, 1);
    cr_expect_eq(out[0], 3);
    len = 0x80000000u;
    cr_expect_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_TYPE, out, &len), -EINVAL);
}

Test(sock_opt, unknown_and_read_only) {
    cr_expect_eq(setint(A, t, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    cr_expect_eq(getint(A, t, SOL_SOCKET, 9999), -ENOPROTOOPT);
    cr_expect_eq(setint(A, t, 9999, 1, 1), -ENOPROTOOPT);
    cr_expect_eq(getint(A, t, 9999, 1), -EOPNOTSUPP);
    cr_expect_eq(setint(A, t, SOL_SOCKET, SO_TYPE, 1), -ENOPROTOOPT);
    cr_expect_eq(setint(A, t, SOL_SOCKET, SO_ERROR, 1), -ENOPROTOOPT);
    cr_expect_eq(setint(A, t, IPPROTO_TCP, 9999, 1), -ENOPROTOOPT);
    cr_expect_eq(setint(A, u, IPPROTO_TCP, TCP_NODELAY, 1), -ENOPROTOOPT);
    cr_expect_eq(getint(A, u, IPPROTO_TCP, TCP_INFO), -EOPNOTSUPP);
    cr_expect_eq(setint(A, t, IPPROTO_IPV6, 26, 1), -ENOPROTOOPT, "IPV6_V6ONLY");
}

Test(sock_opt, what_it_is) {
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    cr_expect_eq(getint(A, u, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_DOMAIN), AF_INET);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    cr_expect_eq(getint(A, u, SOL_SOCKET, SO_PROTOCOL), IPPROTO_UDP);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_ACCEPTCONN), 0);
    cr_assert_eq(sock_listen(A->st, t, 1), 0);
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_ACCEPTCONN), 1);
}

Test(sock_opt, linger) {
    struct linger l = {1, 7}, got = {0};
    socklen_t len = sizeof(got);
    cr_assert_eq(sock_linger_ns(t), 0);
    cr_assert_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    cr_assert_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_LINGER, &got, &len), 0);
    cr_expect_eq(got.l_onoff, 1);
    cr_expect_eq(got.l_linger, 7);
    cr_expect_eq(sock_linger_ns(t), 7 * S);
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_LINGER, &l, 4), -EINVAL);
}

Test(sock_opt, timeouts) {
    struct timeval tv = {.tv_sec = 1, .tv_usec = 500000}, got;
    socklen_t len = sizeof(got);
    cr_assert_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
    cr_expect_eq(sock_rcvtimeo_ns(t), 1500 * MS);
    cr_assert_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_RCVTIMEO, &got, &len), 0);
    cr_expect(got.tv_sec == 1 && got.tv_usec == 500000);
    tv.tv_usec = 1000000;
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), -EDOM);
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_SNDTIMEO, &tv, 8), -EINVAL);
    tv = (struct timeval){.tv_sec = INT64_MAX};
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
    cr_expect_eq(sock_sndtimeo_ns(t), 0, "for ever");
    tv = (struct timeval){.tv_sec = -1};
    cr_expect_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)), 0);
    cr_expect_eq(sock_sndtimeo_ns(t), 1, "at once");
}

Test(sock_opt, strings) {
    char name[16];
    socklen_t len = sizeof(name);
    cr_assert_eq(sock_getopt(A->st, t, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    cr_expect_str_eq(name, "cubic");
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
    len = sizeof(name);
    cr_assert_eq(sock_getopt(A->st, t, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    cr_expect_str_eq(name, "reno");
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6), -ENOENT);
    cr_expect_eq(sock_setopt(A->st, t, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
    cr_assert_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_BINDTODEVICE, "veth0", 6), 0);
    len = sizeof(name);
    cr_assert_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
    cr_expect_str_eq(name, "veth0");
    cr_expect_eq(len, 6);
    len = 3;
    cr_expect_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_BINDTODEVICE, name, &len), -EINVAL);
    cr_assert_eq(sock_setopt(A->st, t, SOL_SOCKET, SO_BINDTODEVICE, NULL, 0), 0);
    len = sizeof(name);
    cr_assert_eq(sock_getopt(A->st, t, SOL_SOCKET, SO_BINDTODEVICE, name, &len), 0);
    cr_expect_eq(len, 0);
    len = sizeof(name);
    cr_assert_eq(sock_getopt(A->st, t, IPPROTO_IP, IP_OPTIONS, name, &len), 0);
    cr_expect_eq(len, 0, "sshd and tcp-wrappers ask");
}

Test(sock_opt, of_a_connection) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct tcp_info info;
    socklen_t len = sizeof(info);
    cr_assert_eq(sock_getopt(A->st, p.c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    cr_expect_eq(info.tcpi_state, TCPS_ESTABLISHED);
    cr_expect_eq(len, sizeof(info));
    len = 1;
    cr_assert_eq(sock_getopt(A->st, p.c, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    cr_expect_eq(len, 1);
    cr_expect_eq(getint(A, p.c, IPPROTO_IP, IP_MTU), 1500);
    cr_expect_eq(getint(A, t, IPPROTO_IP, IP_MTU), -ENOTCONN);
    cr_expect_eq(getint(A, p.c, IPPROTO_TCP, TCP_MAXSEG), 1448);
    struct sockaddr_in in;
    len = sizeof(in);
    cr_assert_eq(sock_getopt(A->st, p.c, SOL_SOCKET, SO_PEERNAME, &in, &len), 0);
    cr_expect_eq(in.sin_port, htons(5000));
    cr_expect_eq(getint(A, t, SOL_SOCKET, SO_PEERNAME), -ENOTCONN);
}

/* What is rounded, bounded or translated on the way in, as Linux shows it. */
Test(sock_opt, defer_accept_is_kept_in_retransmissions) {
    static const int shown[][2] = {{-1, 0}, {1, 1}, {2, 3}, {7, 7}, {8, 15}, {128, 247}};
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        cr_assert_eq(setint(A, t, IPPROTO_TCP, TCP_DEFER_ACCEPT, shown[i][0]), 0);
        cr_assert_eq(getint(A, t, IPPROTO_TCP, TCP_DEFER_ACCEPT), shown[i][1]);
    }
}

Test(sock_opt, time_stamp_options_exclude_each_other_as_in_linux) {
    cr_assert_eq(setint(A, t, SOL_SOCKET, SO_TIMESTAMP, 1), 0);
    cr_assert_eq(getint(A, t, SOL_SOCKET, SO_TIMESTAMP), 1);
    cr_assert_eq(setint(A, t, SOL_SOCKET, SO_TIMESTAMPNS, 1), 0);
    cr_assert_eq(getint(A, t, SOL_SOCKET, SO_TIMESTAMP), 0);
    cr_assert_eq(getint(A, t, SOL_SOCKET, SO_TIMESTAMPNS), 1);
    cr_assert_eq(setint(A, t, SOL_SOCKET, SO_TIMESTAMP, 0), 0);
    cr_assert_eq(getint(A, t, SOL_SOCKET, SO_TIMESTAMPNS), 0);
}

Test(sock_opt, ip_minttl_drops_what_came_from_afar) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    cr_assert_eq(setint(B, p.s, IPPROTO_IP, IP_MINTTL, 65), 0);
    cr_assert_eq(xsend(A, p.c, "x", 1), 1); /* leaves with 64 */
    world_run(&w, 100 * MS);
    char c;
    cr_assert_eq(xrecv(B, p.s, &c, 1, 0), -EAGAIN);
    cr_assert_gt(B->st->ctr.TcpExtTCPMinTTLDrop, 0);
    cr_assert_eq(setint(B, p.s, IPPROTO_IP, IP_MINTTL, 64), 0);
    world_run(&w, 2000 * MS);
    cr_assert_eq(xrecv(B, p.s, &c, 1, 0), 1);
}

/* What RFC 1122 and RFC 9293 ask of a host beside the protocol's states: addresses, the IP layer's
 * fields, the interface to the user. Named by the numbers of RFC 9293, appendix B. */
#include "tests/tcp/script.h"

TestSuite(host, .init = t_setup, .fini = t_finish);

#define LOCAL     0x0a000001u
#define PEER      0x0a000002u
#define BROADCAST 0x0a0000ffu
#define MULTICAST 0xe0000001u

/* ---- segments ---- */

Test(host, must1_a_window_is_unsigned) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_SNDBUF, 1 << 20);
    t_send(100000);
    t_skip();
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
    in(". 1:1(0) ack 30001 win 65535");
    cr_assert_eq(t_skip(), 40, "40,000 bytes are under way: more than a signed window would hold");
    in(". 1:1(0) ack 70001 win 65535");
    t_skip();
    in(". 1:1(0) ack 100001 win 65535");
}

Test(host, must2_every_segment_has_a_checksum) { /* which the script verifies, each time */
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in("P. 1:11(10) ack 11 win 65535");
    out(". 11:11(0) ack 11");
    t_recv(10);
}

Test(host, must4_the_three_options_of_rfc793) {
    t_established("nop,mss 700,nop,nop,eol", 65535);
    t_send(1000);
    out(". 1:701(700) ack 1");
    out("P. 701:1001(300) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(host, must60_data_without_psh_is_handed_up) {
    t_established("mss 1000", 65535);
    in(". 1:11(10) ack 1 win 65535");
    t_recv(10);
    t_skip();
}

Test(host, shld27_what_was_sent_in_pieces_is_pushed_at_the_end) {
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(500);
    t_send(500);
    t_send(500); /* Nagle holds the last piece; what can be joined is one segment, one PSH */
    out("P. 11:1011(1000) ack 1");
    in(". 1:1(0) ack 1011 win 65535");
    out("P. 1011:1511(500) ack 1");
}

Test(host, shld28_segments_are_full_where_there_is_enough) {
    t_established("mss 1000", 65535);
    t_send(3500);
    for (unsigned i = 0; i < 3; i++)
        out(". %u:%u(1000) ack 1", 1 + 1000 * i, 1001 + 1000 * i);
    out("P. 3001:3501(500) ack 1");
    in(". 1:1(0) ack 3501 win 65535");
}

Test(host, shld2_a_rst_may_carry_data) {
    t_established("mss 1000", 65535);
    in("R 1:11(10)");
    cr_assert_eq(t_recv_some(1), -ECONNRESET);
}

/* ---- windows ---- */

Test(host, shld14_the_window_s_edge_never_moves_left) {
    t_established("mss 1000", 65535);
    uint32_t edge = 0;
    for (unsigned i = 0; i < 30; i++) {
        in(". %u:%u(1000) ack 1 win 65535", 1 + 1000 * i, 1001 + 1000 * i);
        after(50);
        if (t_skip() == 0)
            continue;
        cr_assert_geq(t_right_edge(), edge);
        edge = t_right_edge();
    }
    t_set(SOL_SOCKET, SO_RCVBUF, 4096); /* not even when the user makes the buffer smaller */
    in(". 30001:31001(1000) ack 1 win 65535");
    after(50);
    t_skip();
    cr_assert_geq(t_right_edge(), edge);
    t_recv(31000);
    t_skip();
}

Test(host, shld15_shld16_behind_a_shrunk_window_only_what_is_inside_goes_again) {
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    in(". 1:1(0) ack 1 win 3000");
    out_within(1000, ". 1:1001(1000) ack 1"); /* inside */
    in(". 1:1(0) ack 1001 win 3000");
    for (unsigned i = 0; i < 20; i++)
        after(20);
    unsigned n = t_skip();
    cr_assert_leq(n, 3, "%u: nothing beyond 4001", n);
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
    in(". 1:1(0) ack 20001 win 65535");
    t_skip();
}

/* ---- keepalive ---- */

Test(host, must24_keepalive_is_of_each_connection) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_KEEPALIVE, 1);
    t_set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    t_peer_port(T_PEER_PORT);
    after(10500);
    cr_assert_eq(t_skip(), 1, "the first probes, the second does not");
}

Test(host, must27_its_interval_is_the_user_s_to_choose) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_KEEPIDLE, 5);
    t_set(IPPROTO_TCP, TCP_KEEPINTVL, 2);
    t_set(SOL_SOCKET, SO_KEEPALIVE, 1);
    out_after(5000, ". 0:0(0) ack 1");
    out_after(2000, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
}

/* ---- opens ---- */

Test(host, must41_a_passive_open_disturbs_no_connection) {
    t_established("mss 1000", 65535);
    struct sock *first = t_sock();
    struct sock *second = NULL;
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(5001)};
    cr_assert_eq(sock_open(t_stack(), 0, AF_INET, SOCK_STREAM, 0, 0, &second), 0);
    cr_assert_eq(sock_bind(t_stack(), second, (struct sockaddr *)&sin, sizeof(sin)), 0);
    cr_assert_eq(sock_listen(t_stack(), second, 5), 0);
    t_select(first);
    in(". 1:11(10) ack 1 win 65535");
    t_skip();
    t_recv(10);
}

Test(host, must42_a_port_listens_while_others_are_in_syn_rcvd_on_it) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    t_expect_state(TCPS_ESTABLISHED);
}

Test(host, must43_must44_must45_the_local_address_is_chosen_once_and_kept) {
    struct sockaddr_in sin = {0};
    socklen_t len = sizeof(sin);
    t_connect(); /* MUST-43: it may be told by bind(2); MUST-44: else IP picks it */
    out("S 0:0(0)");
    cr_assert_eq(sock_getname(t_stack(), t_sock(), false, (struct sockaddr *)&sin, &len), 0);
    cr_assert_eq(ntohl(sin.sin_addr.s_addr), LOCAL);
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
    t_send(10);
    out("P. 1:11(10) ack 1"); /* MUST-45: the script asserts the source of each packet */
    in(". 1:1(0) ack 11 win 65535");
}

Test(host, must57_a_syn_to_a_broadcast_or_multicast_address_is_dropped) {
    t_listen();
    in_forged(0, BROADCAST, "S 0:0(0) win 65535 <mss 1000>");
    in_forged(0, MULTICAST, "S 0:0(0) win 65535 <mss 1000>");
    in_forged(0, 0xffffffff, "S 0:0(0) win 65535 <mss 1000>");
    expect_none();
    cr_assert_eq(t_connections(), 1, "the listener");
}

Test(host, must63_a_syn_from_no_possible_host_is_dropped) {
    static const uint32_t nobody[] = {BROADCAST, MULTICAST, 0xffffffff, 0x7f000001, LOCAL};
    t_listen();
    for (unsigned i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
        in_forged(nobody[i], 0, "S 0:0(0) win 65535 <mss 1000>");
    expect_none();
    cr_assert_eq(t_connections(), 1, "the listener");
}

/* ---- the IP layer ---- */

Test(host, must48_shld21_the_user_chooses_the_dscp_and_may_change_it) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_IP, IP_TOS, 46 << 2);
    t_send(10);
    out("P. 1:11(10) ack 1 dscp 46");
    in(". 1:1(0) ack 11 win 65535");
    t_set(IPPROTO_IP, IP_TOS, 10 << 2);
    t_send(10);
    out("P. 11:21(10) ack 1 dscp 10");
    in(". 1:1(0) ack 21 win 65535");
}

Test(host, must49_the_ttl_can_be_configured) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_IP, IP_TTL, 7);
    t_send(10);
    out("P. 1:11(10) ack 1 ttl 7");
    in(". 1:1(0) ack 11 win 65535");
}

/* ---- ICMP ---- */

Test(host, must54_an_icmp_error_finds_its_connection) {
    t_connect();
    out("S 0:0(0)");
    struct sock *first = t_sock();
    t_peer_port(40001);
    t_connect();
    out("S 0:0(0)");
    in_icmp(3, 3, 0, "S 0:0(0)"); /* port unreachable, about the second */
    cr_assert_eq(t_error(), ECONNREFUSED);
    t_peer_port(T_PEER_PORT);
    t_select(first);
    cr_assert_eq(t_error(), 0);
    cr_assert_eq(t_connections(), 2, "one is over, but still its user's");
}

Test(host, must47_shld25_a_soft_error_is_told_when_the_connection_ends) {
    t_cfg.tcp.retries2 = 3;
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in_icmp(3, 1, 0, "P. 1:11(10) ack 1"); /* host unreachable */
    cr_assert_eq(t_error(), 0, "it may pass");
    after(60000);
    t_skip();
    cr_assert_eq(t_error(), EHOSTUNREACH);
}

Test(host, shld20_who_wants_soft_errors_at_once_gets_them) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_IP, IP_RECVERR, 1); /* off by default: SHLD-20 */
    t_send(10);
    out("P. 1:11(10) ack 1");
    in_icmp(3, 1, 0, "P. 1:11(10) ack 1");
    cr_assert_eq(t_error(), EHOSTUNREACH);
    in(". 1:1(0) ack 11 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
}

/* ---- ECN ---- */

Test(host, shld8_ecn) { /* tcp_ecn.c has the rest */
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000>");
    out("S.E 0:0(0) ack 1");
}

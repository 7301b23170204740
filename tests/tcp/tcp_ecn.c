/* Explicit congestion notification: RFC 3168. Flags E is ECE, W is CWR; `ecn` the IP header's bits.
 */
#include "tests/tcp/script.h"

TestSuite(ecn, .init = t_setup, .fini = t_finish);

#define ON  "SEW"
#define ECT 2
#define CE  3

/* A passive open by a peer that asks for ECN. */
static void established(void) {
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>");
    out("S.E 0:0(0) ack 1 ecn 0");
    after(20);
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
}

Test(ecn, rfc3168_it_is_done_when_the_peer_asks) { /* tcp_ecn 2, the default */
    established();
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 2");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(ecn, a_peer_that_does_not_ask_gets_none) {
    t_established("mss 1000", 65535);
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 0");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(ecn, tcp_ecn_0_never) {
    t_cfg.tcp.ecn = 0;
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1 ecn 0");
}

Test(ecn, tcp_ecn_1_asks) {
    t_cfg.tcp.ecn = 1;
    t_connect();
    out("SEW 0:0(0) ecn 0");
    in("S.E 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1 ecn 0");
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 2");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(ecn, a_syn_ack_that_reflects_both_flags_means_no) {
    t_cfg.tcp.ecn = 1;
    t_connect();
    out("SEW 0:0(0)");
    in("S.EW 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 0");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(ecn, a_lost_syn_may_have_been_lost_for_asking) {
    t_cfg.tcp.ecn = 1;
    t_connect();
    out("SEW 0:0(0)");
    out_after(1000, "S 0:0(0)");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
}

/* §6.1.3: ECE on every ACK until the sender says CWR. */
Test(ecn, rfc3168_a_mark_is_echoed_until_cwr) {
    established();
    in("P. 1:1001(1000) ack 1 win 65535 ecn 3");
    out(".E 1:1(0) ack 1001");
    in("P. 1001:2001(1000) ack 1 win 65535 ecn 2");
    out_within(500, ".E 1:1(0) ack 2001");
    in("P.W 2001:3001(1000) ack 1 win 65535 ecn 2");
    out_within(500, ". 1:1(0) ack 3001");
    t_recv(3000);
}

/* §6.1.2: an echo halves the window once a round trip (CUBIC: 0.7), and nothing is sent again. */
Test(ecn, rfc3168_an_echo_makes_the_window_smaller_once) {
    established();
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    after(20);
    in(".E 1:1(0) ack 1001 win 65535");
    in(".E 1:1(0) ack 2001 win 65535");
    in(".E 1:1(0) ack 10001 win 65535");
    out(".W 10001:11001(1000) ack 1 ecn 2");
    cr_assert_eq(t_skip(), 6, "seven of ten segments in flight, one of them has gone already");
    in(". 1:1(0) ack 20001 win 65535");
    t_skip();
    cr_assert_eq(t_counter("TcpRetransSegs"), 0);
}

/* §6.1.4, §6.1.5. */
Test(ecn, rfc3168_neither_acks_nor_what_is_sent_again_may_be_marked) {
    established();
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 2");
    out_within(1000, "P. 1:1001(1000) ack 1 ecn 0");
    in("P. 1:11(10) ack 1001 win 65535");
    out_within(500, ". 1001:1001(0) ack 11 ecn 0");
    t_recv(10);
}

/* A passive open by a peer whose SYN may be marked itself, as DCTCP's are. */
static void dctcp_established(void) {
    t_cfg.tcp.cc = CC_DCTCP;
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000,nop,nop,sackOK> ecn 2");
    out("S.E 0:0(0) ack 1 ecn 2");
    after(20);
    in(". 1:1(0) ack 1 win 65535 ecn 2");
    t_accept();
}

Test(ecn, rfc8257_dctcp_marks_every_packet_as_capable) {
    dctcp_established();
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 2");
    in(". 1:1001(1000) ack 1001 win 65535");
    out(". 1001:1001(0) ack 1001 ecn 2");
}

Test(ecn, rfc8257_dctcp_asks_whatever_tcp_ecn_says) {
    t_cfg.tcp.cc = CC_DCTCP;
    t_cfg.tcp.ecn = 0;
    t_connect();
    out("SEW 0:0(0) ecn 2");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>"); /* and is Reno where the peer does none */
    out(". 1:1(0) ack 1 ecn 0");
}

Test(ecn, rfc8257_3_2_each_change_of_marks_is_told_at_once) {
    dctcp_established();
    after(10);
    in(". 1:1001(1000) ack 1 win 65535 ecn 3");
    out(".E 1:1(0) ack 1001");
    in(". 1001:2001(1000) ack 1 win 65535 ecn 3");
    out(".E 1:1(0) ack 2001");
    in("W. 2001:3001(1000) ack 1 win 65535 ecn 2"); /* CWR ends nothing here */
    out(". 1:1(0) ack 3001");
    t_recv(3000);
}

Test(ecn, rfc8257_3_4_the_window_comes_down_by_half_of_what_was_marked) {
    dctcp_established();
    /* Round trips without a mark: alpha, 1 at first, comes down to about 0.2. */
    for (unsigned i = 0; i < 24; i++) {
        t_send(1000);
        t_skip();
        after(20);
        in(". 1:1(0) ack %u win 65535 ecn 2", 1001 + 1000 * i);
    }
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    after(20);
    in(".E 1:1(0) ack 25001 win 65535 ecn 2");
    t_skip();
    for (unsigned ack = 26001; ack <= 44001; ack += 1000)
        in(". 1:1(0) ack %u win 65535 ecn 2", ack);
    t_skip();
    t_send(20000);
    unsigned n = t_skip();
    cr_assert_geq(n, 8, "Reno would be at 5, this %u", n);
    in(". 1:1(0) ack 64001 win 65535 ecn 2");
    t_skip();
}

Test(ecn, a_syn_that_may_be_marked_asks_for_another_ecn) { /* as Linux */
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000> ecn 2");
    out("S. 0:0(0) ack 1 ecn 0");
}

Test(ecn, tcp_info_tells_of_it) {
    established();
    cr_assert_eq(t_info().tcpi_options & (TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN), TCPI_OPT_ECN);
    in("P. 1:11(10) ack 1 win 65535 ecn 2");
    cr_assert_eq(t_info().tcpi_options & (TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN),
                 TCPI_OPT_ECN | TCPI_OPT_ECN_SEEN);
    t_skip();
}

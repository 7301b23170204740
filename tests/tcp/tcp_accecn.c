/* Accurate ECN: RFC 9768. Flags e is AE, W is CWR, E is ECE; together they are the ACE field, most
 * significant bit first: "eE" is 5, where both counts begin. `ecn` is the IP header's two bits. */
#include "tests/tcp/script.h"

#include "stack/tcp/ecn.h"

TestSuite(accecn, .init = t_setup, .fini = t_finish);

static void established(void) {
    t_cfg.tcp.ecn = ACCECN_IF_ASKED;
    t_listen();
    in("SEWe 0:0(0) win 65535 <mss 1000,nop,nop,sackOK>");
    out("S.W 0:0(0) ack 1 ecn 0"); /* the SYN came as Not-ECT */
    after(20);
    in(".W 1:1(0) ack 1 win 65535"); /* … and so did the SYN-ACK */
    t_accept();
}

static void connected(const char *syn_ack_flags) {
    t_cfg.tcp.ecn = ACCECN_ASK;
    t_connect();
    out("SEWe 0:0(0) ecn 0");
    after(20);
    in("%s 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,sackOK>", syn_ack_flags);
}

Test(accecn, rfc9768_3_1_the_server_says_how_the_syn_arrived) {
    static const struct {
        unsigned ecn;
        const char *answer;
    } seen[] = {{0, "S.W"}, {1, "S.EW"}, {2, "S.e"}, {3, "S.We"}};
    t_cfg.tcp.ecn = ACCECN_IF_ASKED;
    t_listen();
    for (unsigned i = 0; i < 4; i++) {
        t_peer_port((uint16_t)(40000 + i));
        in("SEWe 0:0(0) win 65535 <mss 1000> ecn %u", seen[i].ecn);
        out("%s 0:0(0) ack 1", seen[i].answer);
        in("R 1:1(0)");
    }
}

Test(accecn, rfc9768_3_2_the_field_counts_what_came_marked) {
    established();
    in(".eE 1:1001(1000) ack 1 win 65535 ecn 2");
    out(".eE 1:1(0) ack 1001 ecn 2");
    in(".eE 1001:2001(1000) ack 1 win 65535 ecn 3");
    out(".We 1:1(0) ack 2001"); /* 6 */
    in(".eE 2001:3001(1000) ack 1 win 65535 ecn 3");
    out(".EWe 1:1(0) ack 3001"); /* 7 */
    in(".eE 3001:4001(1000) ack 1 win 65535 ecn 3");
    out(". 1:1(0) ack 4001"); /* 0: it goes round */
    t_recv(4000);
}

Test(accecn, rfc9768_3_2_2_5_1_the_second_mark_is_told_at_once) {
    established();
    for (unsigned i = 0; i < 17; i++) { /* until ACKs are delayed */
        in(".eE %u:%u(10) ack 1 win 65535 ecn 2", 1 + 10 * i, 11 + 10 * i);
        t_skip();
    }
    in(".eE 171:181(10) ack 1 win 65535 ecn 3");
    expect_none();
    in(".eE 181:191(10) ack 1 win 65535 ecn 3");
    out(".EWe 1:1(0) ack 191");
    t_recv(190);
}

Test(accecn, the_client_tells_how_the_syn_ack_arrived) {
    connected("S.W");
    out(".W 1:1(0) ack 1 ecn 2");
    t_send(1000);
    out("P.eE 1:1001(1000) ack 1 ecn 2");
    in(".eE 1:1(0) ack 1001 win 65535");
}

Test(accecn, a_marked_syn_ack_is_told_twice) {
    t_cfg.tcp.ecn = ACCECN_ASK;
    t_connect();
    out("SEWe 0:0(0)");
    in("S.W 0:0(0) ack 1 win 65535 <mss 1000> ecn 3");
    out(".We 1:1(0) ack 1"); /* how it arrived */
    t_send(1000);
    out("P.We 1:1001(1000) ack 1"); /* the count, 6 */
    in(".eE 1:1(0) ack 1001 win 65535");
}

Test(accecn, marks_take_the_window_down_once_a_round_trip) {
    established();
    t_send(30000);
    cr_assert_eq(t_skip(), 10);
    after(20);
    in(".We 1:1(0) ack 1001 win 65535");
    t_skip();
    cr_assert_eq(t_counter("TcpRetransSegs"), 0);
    for (unsigned ack = 2001; ack <= 10001; ack += 1000)
        in(". 1:1(0) ack %u win 65535", ack); /* three more marks in the same round trip */
    unsigned n = t_skip();
    cr_assert_leq(n, 9, "%u", n);
    in(". 1:1(0) ack 30001 win 65535");
    t_skip();
}

Test(accecn, no_cwr_answers_a_mark_since_the_flag_is_a_digit) {
    established();
    t_send(1000);
    out("P.eE 1:1001(1000) ack 1");
    after(20);
    in(".We 1:1(0) ack 1001 win 65535");
    t_send(1000);
    out("P.eE 1001:2001(1000) ack 1");
    in(".We 1:1(0) ack 2001 win 65535");
}

Test(accecn, retransmissions_and_acks_may_be_marked_too) {
    established();
    t_send(1000);
    out("P.eE 1:1001(1000) ack 1 ecn 2");
    out_within(1000, "P.eE 1:1001(1000) ack 1 ecn 2");
    in(".eE 1:1001(1000) ack 1001 win 65535 ecn 2");
    out(".eE 1001:1001(0) ack 1001 ecn 2");
    t_recv(1000);
}

Test(accecn, a_classic_server_gets_classic_ecn) {
    connected("S.E");
    out(". 1:1(0) ack 1 ecn 0");
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 2");
    in(".E 1:1(0) ack 1001 win 65535");
    t_send(1000);
    out("P.W 1001:2001(1000) ack 1");
    in(". 1:1(0) ack 2001 win 65535");
}

Test(accecn, a_server_without_ecn_gets_none) {
    connected("S.");
    out(". 1:1(0) ack 1 ecn 0");
    t_send(1000);
    out("P. 1:1001(1000) ack 1 ecn 0");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(accecn, flags_that_are_merely_reflected_mean_no) {
    connected("S.EWe");
    out(". 1:1(0) ack 1 ecn 0");
}

Test(accecn, rfc9768_3_1_4_a_lost_syn_asks_once_more_and_then_not) {
    t_cfg.tcp.ecn = ACCECN_ASK;
    t_connect();
    out("SEWe 0:0(0)");
    out_after(1000, "SEWe 0:0(0)");
    out_after(1000, "S 0:0(0)");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
}

Test(accecn, rfc9768_3_2_2_3_a_path_that_rewrites_the_bits_gets_none_to_rewrite) {
    connected("S.e"); /* says that the SYN arrived as ECT(0), which it was not */
    out(".W 1:1(0) ack 1 ecn 0");
    t_send(1000);
    out("P.eE 1:1001(1000) ack 1 ecn 0"); /* the count of what comes goes on */
    in(".eE 1:1(0) ack 1001 win 65535");
}

Test(accecn, rfc9768_3_2_2_4_a_field_wiped_to_0_is_no_count) {
    t_cfg.tcp.ecn = ACCECN_IF_ASKED;
    t_listen();
    in("SEWe 0:0(0) win 65535 <mss 1000>");
    out("S.W 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    t_send(1000);
    out("P.eE 1:1001(1000) ack 1 ecn 0");
    in(".eE 1:1(0) ack 1001 win 65535");
}

Test(accecn, tcp_ecn_2_answers_as_a_classic_server) {
    t_listen();
    in("SEWe 0:0(0) win 65535 <mss 1000>");
    out("S.E 0:0(0) ack 1");
}

Test(accecn, tcp_ecn_4_asks_for_the_classic_one) {
    t_cfg.tcp.ecn = ACCECN_ASK_CLASSIC;
    t_connect();
    out("SEW 0:0(0)");
    in("S.E 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
}

Test(accecn, a_syn_cookie_has_room_for_classic_ecn_only) {
    t_cfg.tcp.ecn = ACCECN_IF_ASKED;
    t_cfg.tcp.syncookies = SYNCOOKIES_ALWAYS;
    t_listen();
    in("SEWe 0:0(0) win 65535 <mss 1000,sackOK,TS val 1 ecr 0>");
    out("S.E 0:0(0) ack 1");
}

/* Attacks that have broken others, by the numbers of the list of hostile input: what must not
 * happen, and what must go on meanwhile. */
#include "tests/tcp/script.h"

TestSuite(hostile, .init = t_setup, .fini = t_finish);

#define LOCAL 0x0a000001u

Test(hostile, v1_options_that_lie_harm_no_connection) {
    t_established("mss 1000", 65535);
    /* Out of the window, with options of every kind: nothing of it may count. */
    in(". 900000:900000(0) ack 1 win 0 <mss 1,nop,wscale 14,TS val 4294967295 ecr 1,nop,nop>");
    t_skip();
    t_send(1000);
    out(". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
}

Test(hostile, v14_an_mss_of_0_counts_as_the_least) {
    t_established("mss 0", 65535);
    t_send(100);
    out(". 1:49(48) ack 1");
    t_skip();
    in(". 1:1(0) ack 101 win 65535");
    t_skip();
}

Test(hostile, v15_one_byte_pieces_out_of_order_are_bounded) {
    t_established("mss 1000", 65535);
    for (unsigned i = 0; i < 2000; i++) {
        in(". %u:%u(1) ack 1 win 65535", 3 + 2 * i, 4 + 2 * i);
        t_skip();
    }
    cr_assert_gt(t_counter("TcpExtTCPOFODrop"), 0, "not all of them are kept");
    t_peer_port(40001); /* and others are served */
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:11(10) ack 1 win 65535");
    t_accept();
    t_recv(10);
    t_skip();
}

/* Many peers who connect, ask for much and close their window. */
Test(hostile, v16_peers_who_never_read_do_not_take_all_memory) {
    t_listen_backlog(200);
    for (unsigned i = 0; i < 100; i++) {
        t_peer_port((uint16_t)(20000 + i));
        in("S 0:0(0) win 0 <mss 1000>");
        t_skip();
        in(". 1:1(0) ack 1 win 0");
        t_accept();
        while (t_send_some(65536, 0) > 0)
            ;
    }
    t_skip();
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1001(1000) ack 1 win 65535");
    t_accept();
    t_recv(1000);
    t_skip();
}

Test(hostile, v18_land) {
    t_listen();
    t_peer_port(T_PORT);
    in_forged(LOCAL, LOCAL, "S 0:0(0) win 65535 <mss 1000>");
    expect_none();
    cr_assert_eq(t_connections(), 1, "the listener");
}

Test(hostile, v19_blind_data_and_syns_change_nothing) {
    t_established("mss 1000", 65535);
    for (uint32_t at = 100000; at < 4000000000u; at += 99999937u) {
        in("R %u:%u(0)", at, at);
        in("S %u:%u(0) win 65535", at, at);
        in(". %u:%u(10) ack 1 win 65535", at, at + 10);
    }
    t_skip();
    t_expect_state(TCPS_ESTABLISHED);
    in(". 1:11(10) ack 1 win 65535");
    t_recv(10);
    t_skip();
}

/* CVE-2016-5696: the bound of one connection tells nothing of another. */
Test(hostile, v20_challenge_acks_are_counted_for_each_connection) {
    t_established("mss 1000", 65535);
    in("R 100:100(0)");
    out(". 1:1(0) ack 1");
    in("R 100:100(0)");
    expect_none(); /* its bound is reached */
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    in("R 100:100(0)");
    out(". 1:1(0) ack 1"); /* and says nothing of this one's */
}

Test(hostile, v21_no_storm_of_acks) {
    t_established("mss 1000", 65535);
    for (unsigned i = 0; i < 100; i++)
        in(". 900000:900000(0) ack 1 win 65535"); /* each asks for an ACK */
    cr_assert_leq(t_skip(), 1);
}

Test(hostile, v22_isns_cannot_be_told_from_each_other) {
    uint32_t last = 0, small = 0;
    t_listen_backlog(200);
    for (unsigned i = 0; i < 100; i++) {
        t_peer_port((uint16_t)(20000 + i));
        in("S 0:0(0) win 65535 <mss 1000>");
        uint32_t isn = t_peek_seq();
        small += isn - last < 1u << 24; /* 64,000 per connection would be */
        last = isn;
        t_skip();
        in("R 1:1(0)");
    }
    cr_assert_lt(small, 10);
}

Test(hostile, v25_an_optimistic_ack_is_none) {
    t_established("mss 1000", 65535);
    t_send(30000);
    cr_assert_eq(t_skip(), 10);
    in(". 1:1(0) ack 20001 win 65535"); /* of what was never sent */
    cr_assert_leq(t_skip(), 1, "an ACK that says so, and no more data");
    cr_assert_eq(t_counter("TcpUnsentAcks"), 1);
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
    in(". 1:1(0) ack 30001 win 65535");
}

Test(hostile, v26_time_wait_is_not_assassinated) {
    t_cfg.tcp.rfc1337 = true;
    t_established("mss 1000", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535");
    out(". 2:2(0) ack 2");
    in("R 2:2(0)");
    in(". 1:1(0) ack 2 win 65535");
    t_skip();
    t_expect_state(TCPS_TIME_WAIT);
}

Test(hostile, v28_a_forged_path_mtu_has_a_floor) {
    t_established("mss 1460", 65535);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    in_icmp(3, 4, 68, "P. 1:1001(1000) ack 1");
    t_skip();
    in(". 1:1(0) ack 1001 win 65535");
    t_skip();
    t_send(1000);
    cr_assert_leq(t_skip(), 2, "512 bytes at least (tcp_min_pmtu, RFC 1191's tables)");
    in(". 1:1(0) ack 2001 win 65535");
    t_skip();
}

Test(hostile, v28_hard_errors_and_redirects_do_not_end_a_connection) {
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    for (uint8_t code = 0; code < 16; code++)
        if (code != 4)
            in_icmp(3, code, 0, "P. 1:11(10) ack 1");
    in_icmp(5, 1, 0, "P. 1:11(10) ack 1");
    in(". 1:1(0) ack 11 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_error(), 0);
}

Test(hostile, v29_flags_that_make_no_sense_are_dropped) {
    t_established("mss 1000", 65535);
    in("none 1:1(0)");
    in("FPU 1:1(0)");
    in("SF 1:1(0) win 65535");
    in("SR 1:1(0)");
    t_skip();
    cr_assert_neq(t_state(), TCPS_CLOSE_WAIT);
}

Test(hostile, v31_orphans_end_by_themselves) {
    t_listen_backlog(200);
    for (unsigned i = 0; i < 100; i++) {
        t_peer_port((uint16_t)(20000 + i));
        in("S 0:0(0) win 65535 <mss 1000>");
        t_skip();
        in(". 1:1(0) ack 1 win 65535");
        t_accept();
        t_close();
        in(". 1:1(0) ack 2 win 65535"); /* FIN-WAIT-2, for ever if the peer would */
    }
    t_skip();
    cr_assert_eq(t_connections(), 101);
    after(61000);
    cr_assert_eq(t_connections(), 1, "the listener");
}

Test(hostile, v32_sequence_numbers_wrap) {
    t_peer_isn(0xffffff00u);
    t_established("mss 1000", 65535);
    for (unsigned i = 0; i < 10; i++) {
        in(". %u:%u(100) ack 1 win 65535", 1 + 100 * i, 101 + 100 * i);
        t_skip();
    }
    t_recv(1000);
    t_skip();
}

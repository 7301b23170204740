/* Windows: Nagle, silly windows on both sides, zero windows. RFC 9293 §3.8.6, RFC 1122 §4.2.3.4. */
#include "tests/tcp/script.h"

TestSuite(window, .init = t_setup, .fini = t_finish);

Test(window, shld7_nagle_holds_a_small_segment_while_data_is_in_flight) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(10);
    t_send(10);
    after(100);
    expect_none();
    in(". 1:1(0) ack 11 win 65535");
    out("P. 11:31(20) ack 1");
}

Test(window, nagle_lets_full_segments_go) {
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(2500);
    out(". 11:1011(1000) ack 1");
    out(". 1011:2011(1000) ack 1");
    expect_none();
    in(". 1:1(0) ack 2011 win 65535");
    out("P. 2011:2511(500) ack 1");
}

Test(window, must17_tcp_nodelay_turns_nagle_off) {
    t_established("mss 1460", 65535);
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(10);
    out("P. 11:21(10) ack 1");
}

Test(window, turning_nagle_off_sends_what_it_held) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(10);
    expect_none();
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    out("P. 11:21(10) ack 1");
}

Test(window, cork_holds_a_partial_segment_until_it_is_pulled) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_CORK, 1);
    t_send(1500);
    out(". 1:1001(1000) ack 1");
    expect_none();
    t_set(IPPROTO_TCP, TCP_CORK, 0);
    out("P. 1001:1501(500) ack 1");
}

Test(window, cork_holds_for_200_ms_at_most) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_CORK, 1);
    t_send(500);
    out_after(200, "P. 1:501(500) ack 1");
}

Test(window, msg_more_waits_for_more) {
    t_established("mss 1000", 65535);
    cr_assert_eq(t_send_some(100, MSG_MORE), 100);
    after(50);
    expect_none();
    t_send(100);
    out("P. 1:201(200) ack 1");
}

Test(window, shld29_shld30_must36_a_zero_window_is_probed_with_backoff) {
    t_established("mss 1460", 0);
    t_send(100);
    expect_none();
    out_after(200, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 0");
    out_after(400, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 0");
    out_after(800, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 1000");
    out("P. 1:101(100) ack 1");
}

Test(window, must37_a_zero_window_may_stay_as_long_as_probes_are_answered) {
    t_established("mss 1460", 0);
    t_send(100);
    for (int i = 0; i < 40; i++) {
        out_within(121000, ". 0:0(0) ack 1");
        in(". 1:1(0) ack 1 win 0");
    }
    t_expect_state(TCPS_ESTABLISHED);
    in(". 1:1(0) ack 1 win 1000");
    out("P. 1:101(100) ack 1");
}

Test(window, must34_a_window_that_shrinks_is_survived) {
    t_established("mss 1000", 5000);
    t_send(5000);
    for (int i = 0; i < 5; i++)
        t_skip();
    in(". 1:1(0) ack 1001 win 500"); /* the right edge goes from 5001 to 1501 */
    t_send(1000);
    expect_none();
    in(". 1:1(0) ack 5001 win 5000");
    out("P. 5001:6001(1000) ack 1");
}

Test(window, must38_a_sender_waits_for_a_full_segment_or_half_the_largest_window) {
    t_established("mss 1000", 10000);
    t_send(10000);
    t_skip();
    in(". 1:1(0) ack 10001 win 300");
    t_send(2000);
    expect_none(); /* 300 bytes would be a silly segment */
    in(". 1:1(0) ack 10001 win 1500");
    out(". 10001:11001(1000) ack 1");
    t_skip();
}

Test(window, a_peer_with_a_small_window_gets_what_fits) {
    t_established("mss 1460", 500);
    t_send(2000);
    out(". 1:501(500) ack 1");
    expect_none();
    in(". 1:1(0) ack 501 win 500");
    out(". 501:1001(500) ack 1");
}

Test(window, must39_a_full_buffer_closes_the_window_and_reading_opens_it) {
    t_listen();
    t_set(SOL_SOCKET, SO_RCVBUF, 10000);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    uint32_t at = 1, edge = t_right_edge();
    while (at < edge) {
        uint32_t n = edge - at < 1000 ? edge - at : 1000;
        in("P. %u:%u(%u) ack 1 win 65535", at, at + n, n);
        at += n;
        after(500);
        t_skip();
        cr_assert_geq(t_right_edge(), edge, "SHLD-14: the right edge never moves back");
        edge = t_right_edge();
        cr_assert_lt(at, 1000000, "the window never closes");
    }
    in("P. %u:%u(1) ack 1 win 65535", at, at + 1); /* a window probe */
    out(". 1:1(0) ack %u win 0", at);
    t_recv_some(10); /* too little to be told: a silly window */
    expect_none();
    cr_assert_eq(t_recv_some(1000000), at - 1 - 10);
    out(". 1:1(0) ack %u", at);
    cr_assert_geq(t_right_edge(), at + 1000);
}

/* A peer without window scaling: the buffer outgrows what the window field can say, and reading
 * must not answer with ACKs that tell nothing (they would count as duplicates). */
Test(window, reading_sends_no_update_that_says_nothing_new) {
    t_established("mss 1000", 65535);
    uint32_t at = 1;
    for (int i = 0; i < 300; i++) {
        in("P. %u:%u(1000) ack 1 win 65535", at, at + 1000);
        at += 1000;
        t_recv_some(1000);
    }
    t_skip();
    for (int i = 0; i < 10; i++) {
        in("P. %u:%u(1000) ack 1 win 65535", at, at + 1000);
        at += 1000;
    }
    after(100);
    t_skip();
    for (int i = 0; i < 9; i++)
        t_recv_some(1000);
    cr_assert_leq(t_skip(), 1, "windows that are as large as before");
}

/* SHLD-17: data in flight, the window shrunk to nothing, and every retransmission answered. */
Test(window, must35_shld17_must37_a_window_shrunk_to_zero_may_stay_so_with_data_in_flight) {
    t_established("mss 1000", 5000);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1 win 0");
    for (int i = 0; i < 25; i++) {
        out_within(121300, "P. 1:1001(1000) ack 1");
        in(". 1:1(0) ack 1 win 0");
    }
    t_expect_state(TCPS_ESTABLISHED);
}

/* … but not when there is no user any more (V31). */
Test(window, an_orphan_before_a_window_shrunk_to_zero_is_given_up) {
    t_established("mss 1000", 5000);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1 win 0");
    t_close();
    for (int i = 0; i < 8; i++) {
        after(60000);
        t_skip();
        if (t_state() == TCPS_CLOSED)
            return;
        in(". 1:1(0) ack 1 win 0");
    }
    after(130000);
    t_skip();
    t_expect_state(TCPS_CLOSED);
}

Test(window, a_window_shrunk_to_zero_that_opens_gets_data_at_once) {
    t_established("mss 1000", 5000);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1 win 0");
    for (int i = 0; i < 6; i++) {
        out_within(121300, "P. 1:1001(1000) ack 1");
        in(". 1:1(0) ack 1 win 0");
    }
    in(". 1:1(0) ack 1 win 5000");
    out("P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 5000");
}

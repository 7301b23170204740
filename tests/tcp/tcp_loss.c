/* Loss and recovery: RFC 6298, 5681, 6582, 6675. */
#include "tests/tcp/script.h"

TestSuite(loss, .init = t_setup, .fini = t_finish);

Test(loss, rfc6298_rto_doubles) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    for (int ms = 200; ms <= 12800; ms *= 2)
        out_after(ms, "P. 1:11(10) ack 1");
    in(". 1:1(0) ack 11 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPTimeouts"), 7);
}

Test(loss, rto_is_at_most_120_s) {
    t_cfg.tcp.retries2 = 30;
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    for (int i = 0; i < 12; i++)
        out_within(121300, "P. 1:11(10) ack 1");
    out_after(120000, "P. 1:11(10) ack 1");
    in(". 1:1(0) ack 11 win 65535");
}

Test(loss, shld11_must20_a_connection_is_given_up_after_retries2) {
    t_cfg.tcp.retries2 = 3;
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    out_after(200, "P. 1:11(10) ack 1");
    out_after(400, "P. 1:11(10) ack 1");
    out_after(800, "P. 1:11(10) ack 1");
    after(10000);
    t_skip(); /* Linux sends no RST; one would do no harm */
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_recv_some(1), -ETIMEDOUT);
    cr_assert_eq(t_counter("TcpExtTCPAbortOnTimeout"), 1);
}

Test(loss, must18_karn_an_ack_of_a_repeated_segment_is_no_sample) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    out_after(200, "P. 1:11(10) ack 1");
    out_after(400, "P. 1:11(10) ack 1");
    after(500);
    in(". 1:1(0) ack 11 win 65535"); /* were it taken for one of 1.1 s, RTO would be far longer */
    t_send(10);
    out("P. 11:21(10) ack 1");
    out_within(850, "P. 11:21(10) ack 1");
    in(". 1:1(0) ack 21 win 65535");
}

Test(loss, rfc5681_three_duplicate_acks_repeat_the_first_segment) {
    t_established("mss 1000", 65535);
    t_send(8000);
    cr_assert_eq(t_skip(), 8);
    in(". 1:1(0) ack 1 win 65535");
    in(". 1:1(0) ack 1 win 65535");
    expect_none();
    in(". 1:1(0) ack 1 win 65535");
    out(". 1:1001(1000) ack 1");
    expect_none();
    cr_assert_eq(t_counter("TcpExtTCPFastRetrans"), 1);
    in(". 1:1(0) ack 8001 win 65535");
}

Test(loss, an_ack_that_changes_the_window_is_no_duplicate) {
    t_established("mss 1000", 65535);
    t_send(8000);
    t_skip();
    in(". 1:1(0) ack 1 win 65534");
    in(". 1:1(0) ack 1 win 65533");
    in(". 1:1(0) ack 1 win 65532");
    in(". 1:1(0) ack 1 win 65531");
    expect_none();
    in(". 1:1(0) ack 8001 win 65535");
}

Test(loss, rfc6582_a_partial_ack_repeats_the_next_hole) {
    t_established("mss 1000", 65535);
    t_send(8000);
    t_skip();
    for (int i = 0; i < 3; i++)
        in(". 1:1(0) ack 1 win 65535");
    out(". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 4001 win 65535");
    out(". 4001:5001(1000) ack 1");
    expect_none();
    in(". 1:1(0) ack 8001 win 65535");
    expect_none();
    cr_assert_eq(t_counter("TcpRetransSegs"), 2);
}

Test(loss, rfc6675_only_the_holes_are_repeated) {
    t_rtt_ms = 20;
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(8000);
    t_skip();
    after(20);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>");
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:3001>");
    expect_none();
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:4001>");
    out(". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 5001:8001 1001:4001>");
    out(". 4001:5001(1000) ack 1");
    in(". 1:1(0) ack 4001 win 65535 <nop,nop,sack 5001:8001>");
    expect_none();
    in(". 1:1(0) ack 8001 win 65535");
    expect_none();
    cr_assert_eq(t_counter("TcpExtTCPSackRecovery"), 1);
}

Test(loss, rfc2018_sacked_data_is_kept_until_it_is_acknowledged) {
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(3000);
    t_skip();
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:3001>");
    t_skip();
    out_within(1000, ". 1:1001(1000) ack 1");
    /* The receiver has thrown away what it had reported. */
    in(". 1:1(0) ack 1001 win 65535");
    out_within(2000, ". 1001:2001(1000) ack 1");
    in(". 1:1(0) ack 2001 win 65535");
    out_within(3000, ". 2001:3001(1000) ack 1");
    in(". 1:1(0) ack 3001 win 65535");
    t_skip();
}

Test(loss, nonsense_sack_blocks_change_nothing) {
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(3000);
    t_skip();
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 5001:4001>");
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 100001:200001>");
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack -5000:3001>");
    t_skip();
    t_expect_state(TCPS_ESTABLISHED); /* its invariants are checked there */
    in(". 1:1(0) ack 3001 win 65535");
    t_skip();
}

Test(loss, must19_after_a_timeout_slow_start_begins_with_one_segment) {
    t_established("mss 1000", 65535);
    t_send(8000);
    cr_assert_eq(t_skip(), 8);
    out_after(200, ". 1:1001(1000) ack 1");
    expect_none();
    in(". 1:1(0) ack 1001 win 65535");
    out(". 1001:2001(1000) ack 1");
    out(". 2001:3001(1000) ack 1");
    expect_none();
    in(". 1:1(0) ack 8001 win 65535");
}

Test(loss, rfc6928_the_first_flight_is_ten_segments) {
    t_established("mss 1000", 65535);
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    in(". 1:1(0) ack 2001 win 65535");
    cr_assert_eq(t_skip(), 4, "slow start: two left the network, two more may enter it");
    in(". 1:1(0) ack 20001 win 65535");
    t_skip();
}

/* As in Linux: eight bytes in front of a stream would else cost a twentieth of all windows until
 * the first loss. But one of them a round trip only. */
Test(loss, one_small_segment_a_round_trip_opens_the_window_like_a_whole_one) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    t_send(8);
    t_send(8);
    t_send(40000);
    cr_assert_eq(t_skip(), 11); /* 9984 bytes are left */
    in(". 1:1(0) ack 9 win 65535");
    cr_assert_eq(t_skip(), 1);
    in(". 1:1(0) ack 17 win 65535");
    in(". 1:1(0) ack 10017 win 65535");
    t_skip();
    cr_assert_eq(t_info().tcpi_snd_cwnd, 21); /* 10,000 + 10,016 + 992 bytes */
    in(". 1:1(0) ack 40017 win 65535");
    t_skip();
}

Test(loss, rfc5681_idle_time_takes_the_window_back) {
    t_established("mss 1000", 65535);
    t_send(20000);
    t_skip();
    for (int ack = 2001; ack <= 20001; ack += 2000) {
        in(". 1:1(0) ack %d win 65535", ack);
    }
    t_skip();
    after(60000);
    t_send(30000);
    cr_assert_leq(t_skip(), 10);
    in(". 1:1(0) ack 50001 win 65535");
    t_skip();
}

Test(loss, ack_division_does_not_open_the_window_faster) {
    t_established("mss 1000", 65535);
    t_send(30000);
    cr_assert_eq(t_skip(), 10);
    for (int i = 1; i <= 20; i++) {
        in(". 1:1(0) ack %d win 65535", 1 + 50 * i);
    }
    cr_assert_leq(t_skip(), 2, "1,000 bytes in 20 ACKs are still one segment (RFC 3465)");
    t_skip();
}

Test(loss, rfc3042_without_sack_a_duplicate_stands_for_a_segment_and_counts_once) {
    t_established("mss 1000", 65535);
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    in(". 1:1(0) ack 1 win 65535");
    out(". 10001:11001(1000) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    out(". 11001:12001(1000) ack 1");
    /* It was reordering: the two segments that the duplicates stood for are acknowledged now. One
     * of the 3,000 bytes' thirds is news (the hole): cwnd is 11, and 9 are in flight. */
    in(". 1:1(0) ack 3001 win 65535");
    cr_assert_eq(t_skip(), 2);
    in(". 1:1(0) ack 14001 win 65535");
    t_skip();
    in(". 1:1(0) ack 20001 win 65535");
}

Test(loss, rfc2018_an_ack_that_was_overtaken_still_tells_of_holes) {
    t_rtt_ms = 10;
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    after(10);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:4001>");
    out(". 1:1001(1000) ack 1");
    t_skip();
    after(10);
    in(". 1:1(0) ack 5001 win 65535");
    t_skip();
    in(". 1:1(0) ack 4001 win 65535 <nop,nop,sack 7001:10001>"); /* sent before the last one */
    cr_assert_gt(t_skip(), 0, "what has arrived makes room");
    in(". 1:1(0) ack 20001 win 65535");
    t_skip();
}

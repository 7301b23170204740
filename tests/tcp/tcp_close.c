/* Closing: RFC 9293 §3.6, §3.10.4, TIME-WAIT, RFC 1337, RFC 6191. */
#include "tests/tcp/script.h"

TestSuite(close, .init = t_setup, .fini = t_finish);

/* In TIME-WAIT, the peer having closed after us. */
static void into_time_wait(const char *options) {
    t_established(options, 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in(". 1:1(0) ack 2 win 65535");
    in("F. 1:1(0) ack 2 win 65535");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, must13_active_close_ends_in_time_wait_for_60_s) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    t_expect_state(TCPS_FIN_WAIT_1);
    in(". 1:1(0) ack 2 win 65535");
    t_expect_state(TCPS_FIN_WAIT_2);
    in("F. 1:1(0) ack 2 win 65535");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
    after(59900);
    t_expect_state(TCPS_TIME_WAIT);
    after(200);
    t_expect_state(TCPS_CLOSED);
}

Test(close, passive_close_goes_through_close_wait_and_last_ack) {
    t_established("mss 1460", 65535);
    in("F. 1:1(0) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 2");
    t_expect_state(TCPS_CLOSE_WAIT);
    t_recv(0);
    cr_assert(t_ready() & POLLIN);
    cr_assert(t_ready() & POLLRDHUP);
    t_close();
    out("F. 1:1(0) ack 2");
    t_expect_state(TCPS_LAST_ACK);
    in(". 2:2(0) ack 2 win 65535");
    t_expect_state(TCPS_CLOSED);
}

Test(close, simultaneous_close_goes_through_closing) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 1 win 65535");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_CLOSING);
    in(". 2:2(0) ack 2 win 65535");
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, a_fin_that_acks_our_fin_skips_fin_wait_2) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, half_close_still_receives) {
    t_established("mss 1460", 65535);
    t_shutdown(SHUT_WR);
    out("F. 1:1(0) ack 1");
    in(". 1:1(0) ack 2 win 65535");
    in("P. 1:101(100) ack 2 win 65535");
    out_within(500, ". 2:2(0) ack 101");
    t_recv(100);
    cr_assert_eq(t_send_some(1, MSG_NOSIGNAL), -EPIPE);
    after(100000); /* no time limit while a user holds it */
    t_expect_state(TCPS_FIN_WAIT_2);
    in("F. 101:101(0) ack 2 win 65535");
    out(". 2:2(0) ack 102");
    t_recv(0);
}

Test(close, half_close_of_the_peer_still_lets_us_send) {
    t_established("mss 1460", 65535);
    in("F. 1:1(0) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 2");
    t_send(100);
    out("P. 1:101(100) ack 2");
    in(". 2:2(0) ack 101 win 65535");
    t_expect_state(TCPS_CLOSE_WAIT);
}

Test(close, fin_follows_the_last_data) {
    t_established("mss 1000", 65535);
    t_send(1500);
    t_close();
    out(". 1:1001(1000) ack 1");
    t_skip(); /* "P." and "F." may be one segment or two */
    in(". 1:1(0) ack 1502 win 65535");
    t_expect_state(TCPS_FIN_WAIT_2);
}

Test(close, fin_is_repeated_until_it_is_acknowledged) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    out_after(200, "F. 1:1(0) ack 1");
    out_after(400, "F. 1:1(0) ack 1");
    in(". 1:1(0) ack 2 win 65535");
    t_expect_state(TCPS_FIN_WAIT_2);
}

Test(close, fin_before_missing_data_waits_for_it) {
    t_established("mss 1460", 65535);
    in("F. 101:101(0) ack 1 win 65535");
    out(". 1:1(0) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
    in("P. 1:101(100) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 102");
    t_expect_state(TCPS_CLOSE_WAIT);
    t_recv(100);
    t_recv(0);
}

Test(close, v31_orphan_in_fin_wait_2_is_dropped_after_60_s) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in(". 1:1(0) ack 2 win 65535");
    after(59000);
    t_expect_state(TCPS_FIN_WAIT_2);
    after(2000);
    t_expect_state(TCPS_CLOSED);
}

Test(close, shld3_close_with_unread_data_resets) {
    t_established("mss 1460", 65535);
    in("P. 1:11(10) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 11");
    t_close();
    out("R. 1:1(0) ack 11");
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_counter("TcpExtTCPAbortOnData") + t_counter("TcpExtTCPAbortOnClose"), 1);
}

Test(close, linger_of_zero_resets) {
    t_established("mss 1460", 65535);
    t_set_linger(0);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_close();
    out("R. 11:11(0) ack 1");
    t_expect_state(TCPS_CLOSED);
}

Test(close, data_after_close_resets) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in(". 1:1(0) ack 2 win 65535");
    in("P. 1:11(10) ack 2 win 65535");
    out("R 2:2(0)");
    t_expect_state(TCPS_CLOSED);
}

Test(close, a_repeated_fin_in_time_wait_is_acked_and_restarts_the_clock) {
    into_time_wait("mss 1460");
    after(50000);
    in("F. 1:1(0) ack 2 win 65535");
    out(". 2:2(0) ack 2");
    after(50000);
    t_expect_state(TCPS_TIME_WAIT);
    after(11000);
    t_expect_state(TCPS_CLOSED);
}

Test(close, v26_rfc1337_a_rst_does_not_end_time_wait) {
    t_cfg.tcp.rfc1337 = true;
    into_time_wait("mss 1460");
    in("R 2:2(0) win 0");
    in("R. 2:2(0) ack 2 win 0");
    t_skip();
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, without_tcp_rfc1337_a_rst_with_the_exact_number_ends_time_wait) {
    into_time_wait("mss 1460");
    in("R 3:3(0) win 0");
    t_expect_state(TCPS_TIME_WAIT);
    in("R 2:2(0) win 0");
    t_expect_state(TCPS_CLOSED);
}

Test(close, old_data_in_time_wait_is_answered_with_an_ack) {
    into_time_wait("mss 1460");
    after(1000);
    in("P. -100:0(100) ack 1 win 65535");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, shld4_rfc6191_a_syn_with_a_newer_timestamp_reopens_time_wait) {
    into_time_wait("mss 1460,nop,nop,TS val 100 ecr 0");
    uint32_t old = t_local_isn();
    after(1000);
    in("S 0:0(0) win 65535 <mss 1460,nop,nop,TS val 2000 ecr 0>");
    cr_assert_gt((int32_t)(t_peek_seq() - old), 0, "the new ISN is beyond the old sequence");
    out("S. 0:0(0) ack 1");
    t_expect_state(TCPS_SYN_RCVD);
    cr_assert_eq(t_counter("TcpExtTWRecycled"), 1);
}

Test(close, a_syn_beyond_the_old_sequence_reopens_time_wait_without_timestamps) {
    into_time_wait("mss 1460");
    t_peer_isn(0xfffffc18 + 100000);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    t_expect_state(TCPS_SYN_RCVD);
}

Test(close, an_old_syn_does_not_reopen_time_wait) {
    into_time_wait("mss 1460");
    after(1000);
    in("S -5000:-5000(0) win 65535 <mss 1460>");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
}

Test(close, must12_the_user_learns_of_a_reset_and_then_of_the_broken_pipe) {
    t_established("mss 1460", 65535);
    in("R. 1:1(0) ack 1 win 0");
    cr_assert(t_ready() & POLLERR);
    cr_assert(t_ready() & POLLHUP);
    cr_assert_eq(t_recv_some(10), -ECONNRESET);
    cr_assert_eq(t_recv_some(10), 0);
    cr_assert_eq(t_send_some(10, MSG_NOSIGNAL), -EPIPE);
}

Test(close, closing_a_listener_resets_what_nobody_accepted) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_close_listener();
    out("R. 1:1(0) ack 1");
    t_expect_state(TCPS_CLOSED);
}

/* Keepalive and user timeout. RFC 9293 §3.8.4, RFC 5482. */
#include "tests/tcp/script.h"

TestSuite(timers, .init = t_setup, .fini = t_finish);

static void keepalive(int idle, int interval, int count) {
    t_set(SOL_SOCKET, SO_KEEPALIVE, 1);
    t_set(IPPROTO_TCP, TCP_KEEPIDLE, idle);
    t_set(IPPROTO_TCP, TCP_KEEPINTVL, interval);
    t_set(IPPROTO_TCP, TCP_KEEPCNT, count);
}

Test(timers, must25_keepalive_is_off_by_default) {
    t_established("mss 1460", 65535);
    after(3.0 * 3600 * 1000);
    expect_none();
    t_expect_state(TCPS_ESTABLISHED);
}

Test(timers, must28_keepalive_waits_two_hours_by_default) {
    t_established("mss 1460", 65535);
    t_set(SOL_SOCKET, SO_KEEPALIVE, 1);
    out_after(7200.0 * 1000, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    out_after(7200.0 * 1000, ". 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
}

Test(timers, shld12_must29_several_unanswered_probes_end_the_connection) {
    t_established("mss 1460", 65535);
    keepalive(10, 5, 3);
    out_after(10000, ". 0:0(0) ack 1");
    out_after(5000, ". 0:0(0) ack 1");
    out_after(5000, ". 0:0(0) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
    out_after(5000, "R. 1:1(0) ack 1");
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_error(), ETIMEDOUT);
}

Test(timers, must26_traffic_puts_keepalive_off) {
    t_established("mss 1460", 65535);
    keepalive(10, 5, 3);
    after(9000);
    in("P. 1:11(10) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 11");
    out_after(10000, ". 0:0(0) ack 11");
    in(". 11:11(0) ack 1 win 65535");
    after(9000);
    expect_none();
}

Test(timers, a_peers_keepalive_probe_is_answered) {
    t_established("mss 1460", 65535);
    after(1000);
    in(". 0:0(0) ack 1 win 65535");
    out(". 1:1(0) ack 1");
    after(1000);
    in(". 0:1(1) ack 1 win 65535"); /* one byte of garbage (RFC 1122 §4.2.3.6) */
    out(". 1:1(0) ack 1");
}

Test(timers, rfc5482_user_timeout_ends_a_connection_earlier) {
    t_established("mss 1460", 65535);
    t_set(IPPROTO_TCP, TCP_USER_TIMEOUT, 1500);
    t_send(10);
    out("P. 1:11(10) ack 1");
    after(1400);
    t_expect_state(TCPS_ESTABLISHED);
    after(1900);
    t_skip();
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_recv_some(1), -ETIMEDOUT);
}

Test(timers, an_unanswered_zero_window_gives_up_in_the_end) {
    t_cfg.tcp.retries2 = 4;
    t_established("mss 1460", 0);
    t_send(100);
    after(60000);
    t_skip();
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_recv_some(1), -ETIMEDOUT);
}

/* MUST-21: the user's own limit counts also where the peer has shrunk its window to nothing. */
Test(timers, must21_rfc5482_user_timeout_at_a_shrunk_window) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_USER_TIMEOUT, 3000);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    for (int i = 0; i < 10; i++) {
        in(". 1:1(0) ack 1 win 0");
        after(500);
    }
    t_skip();
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_recv_some(1), -ETIMEDOUT);
}

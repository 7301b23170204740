/* What must not disturb a connection: RFC 9293 §3.10.7.4, RFC 5961. */
#include "stack/tcp/tcb.h"
#include "tests/tcp/script.h"

TestSuite(reset, .init = t_setup, .fini = t_finish);

Test(reset, rfc5961_a_rst_at_rcv_nxt_resets) {
    t_established("mss 1460", 65535);
    in("R 1:1(0) win 0");
    expect_none();
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_error(), ECONNRESET);
    cr_assert_eq(t_error(), 0, "told once");
}

Test(reset, v19_rfc5961_a_rst_elsewhere_in_the_window_draws_a_challenge_ack) {
    t_established("mss 1460", 65535);
    in("R 100:100(0) win 0");
    out(". 1:1(0) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_counter("TcpExtTCPChallengeACK"), 1);
}

Test(reset, a_rst_outside_the_window_is_ignored) {
    t_established("mss 1460", 65535);
    in("R -10:-10(0) win 0");
    in("R 10000000:10000000(0) win 0");
    expect_none();
    t_expect_state(TCPS_ESTABLISHED);
}

Test(reset, rfc5961_a_syn_draws_a_challenge_ack_wherever_it_lies) {
    t_established("mss 1460", 65535);
    in("S 1:1(0) win 65535 <mss 1460>");
    out(". 1:1(0) ack 1");
    after(1000);
    in("S 100000000:100000000(0) win 65535 <mss 1460>");
    out(". 1:1(0) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
}

Test(reset, v21_challenge_acks_are_limited_to_one_per_500_ms_and_connection) {
    t_established("mss 1460", 65535);
    for (int i = 0; i < 10; i++)
        in("R 100:100(0) win 0");
    out(". 1:1(0) ack 1");
    expect_none();
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    in("R 100:100(0) win 0");
    out(". 1:1(0) ack 1"); /* CVE-2016-5696: no counter is shared between connections */
}

Test(reset, v25_an_ack_of_what_was_never_sent_is_dropped_and_answered) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in("P. 1:11(10) ack 5000 win 65535");
    out(". 11:11(0) ack 1");
    cr_assert_eq(t_recv_some(10), -EAGAIN);
}

Test(reset, rfc5961_an_ack_from_long_ago_is_dropped) {
    t_established("mss 1460", 1000);
    in("P. 1:11(10) ack -100000 win 1000");
    t_skip();
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_expect_state(TCPS_ESTABLISHED);
}

Test(reset, data_outside_the_window_is_answered_with_an_ack) {
    t_established("mss 1460", 65535);
    in("P. 1000000:1000010(10) ack 1 win 65535");
    out(". 1:1(0) ack 1");
    after(1000);
    in("P. -9:1(10) ack 1 win 65535");
    out(". 1:1(0) ack 1");
}

Test(reset, a_segment_without_ack_is_dropped) {
    t_established("mss 1460", 65535);
    in("P 1:11(10) win 65535");
    in("none 1:11(10) win 65535");
    in("F 1:1(0) win 65535");
    expect_none();
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_expect_state(TCPS_ESTABLISHED);
}

Test(reset, a_rst_in_close_wait_resets) {
    t_established("mss 1460", 65535);
    in("F. 1:1(0) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 2");
    in("R 2:2(0) win 0");
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_error(), EPIPE, "as Linux: the peer had closed properly");
}

Test(reset, a_rst_in_fin_wait_ends_an_orphan) {
    t_established("mss 1460", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in("R. 1:1(0) ack 2 win 0");
    t_expect_state(TCPS_CLOSED);
}

Test(reset, data_received_before_a_reset_is_gone_as_in_linux) {
    t_established("mss 1460", 65535);
    in("P. 1:11(10) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 11");
    in("R 11:11(0) win 0");
    t_expect_state(TCPS_CLOSED);
    ssize_t r = t_recv_some(100);
    cr_assert(r == 10 || r == -ECONNRESET, "%zd", r);
}

Test(reset, must56_a_soft_icmp_error_does_not_end_a_connection) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in_icmp(3, 1, 0, "P. 1:11(10) ack 1"); /* host unreachable */
    in_icmp(3, 0, 0, "P. 1:11(10) ack 1");
    in_icmp(11, 0, 0, "P. 1:11(10) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
    in(". 1:1(0) ack 11 win 65535");
}

Test(reset, shld26_rfc5927_a_hard_icmp_error_ends_only_what_is_not_synchronized) {
    t_connect();
    out("S 0:0(0)");
    in_icmp(3, 3, 0, "S 0:0(0)");
    cr_assert_eq(t_connect_again(), -ECONNREFUSED);
    t_peer_port(40001);
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in_icmp(3, 3, 0, "P. 1:11(10) ack 1");
    t_expect_state(TCPS_ESTABLISHED);
    in(". 1:1(0) ack 11 win 65535");
}

Test(reset, v28_rfc5927_an_icmp_error_about_no_sequence_in_flight_is_ignored) {
    t_connect();
    out("S 0:0(0)");
    in_icmp(3, 3, 0, "S 5000:5000(0)");
    t_expect_state(TCPS_SYN_SENT);
}

Test(reset, must55_source_quench_is_ignored) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    in_icmp(4, 0, 0, "P. 1:11(10) ack 1");
    expect_none();
    in(". 1:1(0) ack 11 win 65535");
}

Test(reset, rfc1191_fragmentation_needed_makes_smaller_segments) {
    t_established("mss 1460", 65535);
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    in_icmp(3, 4, 1000, "P. 1:1461(1460) ack 1");
    out(". 1:961(960) ack 1");
    out("P. 961:1461(500) ack 1");
    in(". 1:1(0) ack 1461 win 65535");
}

/* RFC 1191 §6.3: all connections to that host go by what one of them has learnt. */
Test(reset, a_path_mtu_that_another_connection_learnt_is_followed) {
    t_established("mss 1460", 65535);
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    struct endpoint local, remote;
    struct tcb *t;
    POOL_FOREACH (&t_stack()->tcp->tcbs, i, t)
        if (t->state == TCPS_ESTABLISHED)
            tcp_get_endpoints(t, &local, &remote);
    net_set_path_mtu(t_stack(), &remote.addr, 1000);
    t_send(960);
    out(". 1:961(960) ack 1");
    out(". 961:1461(500) ack 1");
    out("P. 1461:2421(960) ack 1");
    in(". 1:1(0) ack 2421 win 65535");
}

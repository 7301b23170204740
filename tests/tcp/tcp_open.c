/* Opening: RFC 9293 §3.5, §3.10.7.1 – .3, and the options that a SYN negotiates. */
#include "tests/tcp/script.h"

TestSuite(open, .init = t_setup, .fini = t_finish);

Test(open, must14_passive_open_goes_through_syn_rcvd) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1 <mss 1460>");
    t_expect_state(TCPS_SYN_RCVD);
    t_accept_none();
    in(". 1:1(0) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
    t_accept();
}

Test(open, syn_ack_answers_only_options_that_were_offered) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    out("S. 0:0(0) ack 1 <mss 1460,sackOK,TS val * ecr 100,nop,wscale *>");
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK>");
    out("S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>");
    t_peer_port(40002);
    in("S 0:0(0) win 65535 <mss 1460,nop,wscale 2>");
    out("S. 0:0(0) ack 1 <mss 1460,nop,wscale *>");
    t_peer_port(40003);
    in("S 0:0(0) win 65535");
    out("S. 0:0(0) ack 1 <mss 1460>");
}

Test(open, must67_shld5_shld6_active_open_offers_what_linux_offers_in_its_order) {
    t_connect();
    out("S 0:0(0) win 64240 <mss 1460,sackOK,TS val * ecr 0,nop,wscale *>");
    t_expect_state(TCPS_SYN_SENT);
    in("S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK,TS val 7 ecr last,nop,wscale 7>");
    out(". 1:1(0) ack 1 <nop,nop,TS val * ecr 7>");
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_connect_again(), 0);
}

Test(open, must10_simultaneous_open_with_syn_acks) {
    t_connect_from_port();
    out("S 0:0(0)");
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    t_expect_state(TCPS_SYN_RCVD);
    in("S. 0:0(0) ack 1 win 65535 <mss 1460>");
    t_expect_state(TCPS_ESTABLISHED);
    t_skip(); /* an ACK may answer the peer's SYN-ACK, and does in Linux */
    t_send(10);
    out("P. 1:11(10) ack 1");
}

/* RFC 7323 §2.2 */
Test(open, the_window_of_a_simultaneous_open_s_syn_ack_is_not_scaled) {
    t_connect_from_port();
    out("S 0:0(0)");
    in("S 0:0(0) win 1000 <mss 500,nop,wscale 7>");
    out("S. 0:0(0) ack 1");
    in("S. 0:0(0) ack 1 win 1000 <mss 500,nop,wscale 7>");
    t_skip();
    t_send(3000);
    out(". 1:501(500) ack 1");
    out(". 501:1001(500) ack 1");
    expect_none();
}

Test(open, must10_simultaneous_open_ends_with_a_plain_ack_too) {
    t_connect_from_port();
    out("S 0:0(0)");
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
}

/* As Linux: four at even intervals (tcp_syn_linear_timeouts), and then six that double. */
Test(open, must22_shld10_syn_is_repeated_each_second_then_at_2_4_8_16_32_s_then_etimedout) {
    t_connect();
    out("S 0:0(0)");
    for (int i = 0; i < 4; i++)
        out_after(1000, "S 0:0(0)");
    for (int s = 1; s <= 32; s *= 2)
        out_after(s * 1000, "S 0:0(0)");
    after(63000);
    cr_assert_eq(t_connect_again(), -EALREADY);
    after(2000);
    cr_assert_eq(t_connect_again(), -ETIMEDOUT);
    t_expect_state(TCPS_CLOSED);
}

Test(open, syn_ack_is_repeated_five_times_then_forgotten) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    for (int s = 1; s <= 16; s *= 2)
        out_after(s * 1000, "S. 0:0(0) ack 1");
    after(40000);
    t_expect_state(TCPS_CLOSED);
    t_accept_none();
}

Test(open, rst_that_acks_our_syn_is_econnrefused) {
    t_connect();
    out("S 0:0(0)");
    in("R. 0:0(0) ack 1 win 0");
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_connect_again(), -ECONNREFUSED);
}

Test(open, rst_in_syn_sent_must_ack_our_syn) {
    t_connect();
    out("S 0:0(0)");
    in("R. 0:0(0) ack 100 win 0");
    in("R. 0:0(0) ack 0 win 0");
    in("R 0:0(0) win 0");
    t_expect_state(TCPS_SYN_SENT);
    expect_none();
}

Test(open, unacceptable_ack_in_syn_sent_draws_a_rst_and_changes_nothing) {
    t_connect();
    out("S 0:0(0)");
    in("S. 0:0(0) ack 100 win 65535 <mss 1460>");
    out("R 100:100(0) win 0");
    in(". 0:0(0) ack 0 win 65535");
    out("R 0:0(0) win 0");
    t_expect_state(TCPS_SYN_SENT);
    in("S. 0:0(0) ack 1 win 65535 <mss 1460>");
    out(". 1:1(0) ack 1");
}

Test(open, ack_to_a_listener_draws_a_rst_from_its_ack_number) {
    t_listen();
    in(". 5:5(0) ack 777 win 100");
    out("R 777:777(0) win 0 <>");
}

Test(open, rst_to_a_listener_is_ignored) {
    t_listen();
    in("R 5:5(0) win 0");
    in("R. 5:5(0) ack 9 win 0");
    expect_none();
}

Test(open, closed_port_answers_a_syn_as_linux_does) {
    in("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    out("R. 0:0(0) ack 1 win 0 <>");
}

Test(open, closed_port_acks_all_that_the_segment_occupied) {
    in("S 0:10(10) win 65535");
    out("R. 0:0(0) ack 11 win 0 <>");
    in("F 5:15(10) win 65535");
    out("R. 0:0(0) ack 16 win 0 <>");
}

Test(open, v30_closed_port_answers_an_ack_from_its_ack_number_and_a_rst_never) {
    in("P. 5:15(10) ack 4321 win 65535");
    out("R 4321:4321(0) win 0 <>");
    in("R 5:5(0) win 0");
    in("R. 5:5(0) ack 1 win 0");
    expect_none();
}

Test(open, v29_flags_that_make_no_sense_open_nothing) {
    t_listen();
    in("FS 0:0(0) win 65535");
    in("SR 0:0(0) win 65535");
    in("FSRP.U 0:0(0) ack 1 win 65535");
    in("none 0:0(0) win 65535");
    t_skip();
    t_expect_state(TCPS_CLOSED);
    t_accept_none();
}

Test(open, must3_a_wrong_checksum_is_dropped) {
    t_listen();
    in_bad_csum("S 0:0(0) win 65535");
    expect_none();
    cr_assert_eq(t_counter("TcpInCsumErrors"), 1);
}

Test(open, data_on_a_syn_is_not_acknowledged) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in("P. 1:11(10) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 11");
    t_accept();
    t_recv(10);
}

Test(open, ack_of_the_handshake_may_carry_data) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in("P. 1:11(10) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
    out_within(500, ". 1:1(0) ack 11");
    t_accept();
    t_recv(10);
}

Test(open, repeated_syn_in_syn_rcvd_is_answered_again) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    after(600);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    t_expect_state(TCPS_SYN_RCVD);
}

Test(open, unacceptable_ack_in_syn_rcvd_draws_a_rst) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 100 win 65535");
    out("R 100:100(0) win 0");
    t_expect_state(TCPS_SYN_RCVD);
    in(". 1:1(0) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
}

Test(open, must11_rst_in_syn_rcvd_returns_a_passive_open_to_listen) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in("R 1:1(0) win 0");
    t_expect_state(TCPS_CLOSED);
    t_accept_none();
    t_established("mss 1460", 65535);
}

Test(open, must11_rst_in_syn_rcvd_refuses_an_active_open) {
    t_connect_from_port();
    out("S 0:0(0)");
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in("R 1:1(0) win 0");
    t_expect_state(TCPS_CLOSED);
    cr_assert_eq(t_connect_again(), -ECONNREFUSED);
}

Test(open, must15_without_an_mss_option_segments_have_536_bytes) {
    t_established("", 65535);
    t_send(1000);
    out(". 1:537(536) ack 1");
    t_skip();
}

Test(open, must16_timestamps_take_their_twelve_bytes_from_the_mss) {
    t_established("mss 1000,nop,nop,TS val 100 ecr 0", 65535);
    t_send(1976);
    out(". 1:989(988) ack 1 <nop,nop,TS val * ecr 101>");
    out("P. 989:1977(988) ack 1 <nop,nop,TS val * ecr 101>");
}

Test(open, window_on_a_syn_is_not_scaled_and_later_ones_are) {
    t_listen();
    in("S 0:0(0) win 1000 <mss 500,nop,wscale 2>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 500"); /* 2,000 bytes */
    t_accept();
    t_send(3000);
    out(". 1:501(500)");
    out(". 501:1001(500)");
    out(". 1001:1501(500)");
    out(". 1501:2001(500)");
    expect_none();
}

Test(open, window_scale_counts_only_if_both_sent_it) {
    t_established("mss 500", 1000);
    t_send(3000);
    out(". 1:501(500)");
    out(". 501:1001(500)");
    expect_none();
}

Test(open, v22_must8_isn_follows_a_clock_and_rfc6528_differs_by_connection) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    uint32_t first = t_local_isn();
    in("R 1:1(0) win 0");
    after(1000);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    uint32_t elapsed = t_local_isn() - first;
    cr_assert(elapsed > 200000 && elapsed < 20000000, "between 4 us and 64 ns a tick: %u", elapsed);
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    uint32_t other = t_local_isn() - first;
    cr_assert(other - elapsed > 100000 && elapsed - other > 100000,
              "another connection, another offset");
}

Test(open, a_full_backlog_drops_and_counts) {
    t_listen_backlog(1);
    for (uint16_t i = 0; i < 2; i++) {
        t_peer_port((uint16_t)(41000 + i));
        in("S 0:0(0) win 65535 <mss 1460>");
        out("S. 0:0(0) ack 1");
        in(". 1:1(0) ack 1 win 65535");
    }
    t_peer_port(41002);
    in("S 0:0(0) win 65535 <mss 1460>");
    in(". 1:1(0) ack 1 win 65535");
    t_skip();
    cr_assert_gt(t_counter("TcpExtListenOverflows") + t_counter("TcpExtListenDrops"), 0);
    t_accept();
    t_accept();
    t_accept_none();
    t_peer_port(41003);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
}

Test(open, must22_tcp_syncnt_is_a_time_as_in_linux) { /* 1: as long as two SYNs that double, 3 s */
    t_connect_options(TCP_SYNCNT, 1);
    out("S 0:0(0)");
    out_after(1000, "S 0:0(0)");
    out_after(1000, "S 0:0(0)");
    after(1100);
    expect_none();
    cr_assert_eq(t_error(), ETIMEDOUT);
}

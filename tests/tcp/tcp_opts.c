/* Timestamps and PAWS: RFC 7323. */
#include "tests/tcp/script.h"

TestSuite(opts, .init = t_setup, .fini = t_finish);

#define TS "mss 1460,nop,nop,TS val 100 ecr 0"

Test(opts, rfc7323_3_2_every_segment_but_a_rst_carries_a_timestamp) {
    t_established(TS, 65535);
    t_send(10);
    out("P. 1:11(10) ack 1 <nop,nop,TS val * ecr 101>");
    in("P. 1:11(10) ack 11 win 65535 <nop,nop,TS val 120 ecr last>");
    out_within(500, ". 11:11(0) ack 11 <nop,nop,TS val * ecr 120>");
}

Test(opts, ts_recent_follows_only_segments_at_the_left_edge) {
    t_established(TS, 65535);
    in("P. 101:201(100) ack 1 win 65535 <nop,nop,TS val 200 ecr last>");
    out(". 1:1(0) ack 1 <nop,nop,TS val * ecr 101>");
    in("P. 1:101(100) ack 1 win 65535 <nop,nop,TS val 150 ecr last>");
    out(". 1:1(0) ack 201 <nop,nop,TS val * ecr 150>");
    t_recv(200);
}

Test(opts, rfc7323_5_3_paws_drops_and_acks_what_is_older) {
    t_established(TS, 65535);
    in("P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 200 ecr last>");
    out_within(500, ". 1:1(0) ack 11 <nop,nop,TS val * ecr 200>");
    t_recv(10);
    after(1000);
    in("P. 11:21(10) ack 1 win 65535 <nop,nop,TS val 199 ecr last>");
    out(". 1:1(0) ack 11");
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    cr_assert_eq(t_counter("TcpExtPAWSEstab"), 1);
}

Test(opts, v27_cve_2005_0356_a_huge_timestamp_outside_the_window_is_not_believed) {
    t_established(TS, 65535);
    in("P. 9000000:9000010(10) ack 1 win 65535 <nop,nop,TS val 2000000000 ecr last>");
    out(". 1:1(0) ack 1 <nop,nop,TS val * ecr 101>");
    in("P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 102 ecr last>");
    out_within(500, ". 1:1(0) ack 11");
    t_recv(10);
}

Test(opts, rfc7323_5_5_after_24_days_an_older_timestamp_is_believed) {
    t_established(TS, 65535);
    after(25.0 * 24 * 3600 * 1000);
    t_skip();
    in("P. 1:11(10) ack 1 win 65535 <nop,nop,TS val 5 ecr last>");
    out_within(500, ". 1:1(0) ack 11");
    t_recv(10);
}

Test(opts, a_rst_needs_no_timestamp) {
    t_established(TS, 65535);
    in("R 1:1(0) win 0");
    t_expect_state(TCPS_CLOSED);
}

Test(opts, rtt_is_measured_by_timestamps_even_of_repeated_segments) {
    t_established(TS, 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    out_after(200, "P. 1:11(10) ack 1");
    after(50);
    in(". 1:1(0) ack 11 win 65535 <nop,nop,TS val 110 ecr last>");
    t_send(10);
    out("P. 11:21(10) ack 1");
    out_within(330, "P. 11:21(10) ack 1"); /* no longer backed off to 400 and more */
    in(". 1:1(0) ack 21 win 65535 <nop,nop,TS val 120 ecr last>");
}

Test(opts, an_active_open_without_an_answer_to_an_option_goes_without_it) {
    t_connected("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1 <>");
    in("P. 101:111(10) ack 11 win 65535");
    out(". 11:11(0) ack 1 <>");
}

/* Signed segments (RFC 2385): there are no keys here, so, as Linux without one, they are dropped
 * before anything else, and what comes unsigned is served. */
Test(opts, rfc2385_a_signed_segment_without_a_key_is_dropped) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <md5, nop, nop>");
    t_accept_none();
    cr_assert_eq(t_counter("TcpExtTCPMD5Unexpected"), 1);
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
}

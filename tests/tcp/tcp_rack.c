/* RACK and the tail loss probe: RFC 8985. What was sent before something that has arrived is lost,
 * after a time of grace for reordering; and when no ACK comes, a probe goes out to fetch one. */
#include "tests/tcp/script.h"

TestSuite(rack, .init = t_setup, .fini = t_finish);

/* A path of 100 ms to a peer with SACK. */
static void established(void) {
    t_rtt_ms = 100;
    t_established("mss 1000,nop,nop,sackOK", 65535);
}

/* §6.2 step 5: one SACK is enough. What it does not cover was sent earlier, and gets a quarter of
 * the round trip to come late. */
Test(rack, rfc8985_one_sack_and_a_quarter_of_a_round_trip) {
    established();
    t_send(2000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>");
    expect_none();
    out_after(25, ". 1:1001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 2001 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPTimeouts"), 0);
}

Test(rack, rfc8985_reordering_within_the_grace_triggers_nothing) {
    established();
    t_send(2000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:2001>");
    after(20);
    in(". 1:1(0) ack 2001 win 65535");
    after(1000);
    expect_none();
    cr_assert_eq(t_counter("TcpRetransSegs"), 0);
    cr_assert_eq(t_counter("TcpExtTCPSACKReorder"), 1);
}

/* Three SACKed segments are what RFC 6675 wants: then at once. */
Test(rack, three_sacked_segments_need_no_grace) {
    established();
    t_send(4000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:4001>");
    out(". 1:1001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 4001 win 65535");
}

/* A retransmission that is lost itself: something sent after it has arrived. Counting duplicates
 * could never tell. */
Test(rack, rfc8985_a_lost_retransmission_needs_no_timeout) {
    established();
    t_send(5000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:5001>");
    out(". 1:1001(1000) ack 1");
    after(1);
    t_send(1000);
    out("P. 5001:6001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:6001>");
    out(". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 6001 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPLostRetransmit"), 1);
    cr_assert_eq(t_counter("TcpExtTCPTimeouts"), 0);
}

/* ---- tail loss probe, §7 ---- */

/* No ACK for the end of a flight: after two round trips its last segment once more, whose SACK then
 * shows what else is missing. */
Test(rack, rfc8985_tail_drop_is_repaired_by_a_probe_not_by_a_timeout) {
    established();
    t_send(4000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1001 win 65535");
    out_after(202, "P. 3001:4001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 3001:4001>");
    out(". 1001:2001(1000) ack 1"); /* one segment for one that was delivered: RFC 9937 */
    after(100);
    in(". 1:1(0) ack 2001 win 65535 <nop,nop,sack 3001:4001>");
    out(". 2001:3001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 4001 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPLossProbes"), 1);
    cr_assert_eq(t_counter("TcpExtTCPTimeouts"), 0);
}

/* New data is a better probe than old. */
Test(rack, rfc8985_a_probe_is_new_data_where_there_is_some) {
    established();
    t_send(11000); /* a window of ten, and one */
    cr_assert_eq(t_skip(), 10);
    out_after(202, "P. 10001:11001(1000) ack 1");
    in(". 1:1(0) ack 11001 win 65535");
}

/* A lone segment may be answered by a delayed ACK: 200 ms more. */
Test(rack, rfc8985_a_lone_segment_waits_for_a_delayed_ack) {
    established();
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    out_within(401, "P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
}

/* §7.4.2: the probe was the retransmission that mended a loss. Congestion control must hear of it.
 */
Test(rack, rfc8985_a_probe_that_mends_a_loss_makes_the_window_smaller) {
    established();
    t_send(3000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 2001 win 65535");
    out_within(401, "P. 2001:3001(1000) ack 1");
    t_send(1000);
    out("P. 3001:4001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 4001 win 65535"); /* no DSACK: only one of the two has arrived */
    cr_assert_eq(t_counter("TcpExtTCPLossProbeRecovery"), 1);
}

Test(rack, rfc8985_a_probe_reported_as_duplicate_was_no_loss) {
    established();
    t_send(3000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 2001 win 65535");
    out_within(401, "P. 2001:3001(1000) ack 1");
    in(". 1:1(0) ack 3001 win 65535"); /* the original's */
    in(". 1:1(0) ack 3001 win 65535 <nop,nop,sack 2001:3001>");
    cr_assert_eq(t_counter("TcpExtTCPLossProbeRecovery"), 0);
}

Test(rack, tcp_early_retrans_0_sends_no_probe) {
    t_cfg.tcp.early_retrans = 0;
    established();
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    out_after(300, "P. 1:1001(1000) ack 1"); /* the timeout: SRTT and 4 * RTTVAR */
    in(". 1:1(0) ack 1001 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPTimeouts"), 1);
}

/* Recoveries that were for nothing are taken back: Eifel (RFC 3522, 4015) by timestamps, DSACK
 * (RFC 2883, 3708), F-RTO (RFC 5682). */
#include "tests/tcp/script.h"

TestSuite(undo, .init = t_setup, .fini = t_finish);

static void established(void) {
    t_rtt_ms = 100;
    t_established("mss 1000,nop,nop,sackOK", 65535);
}

/* Everything that was sent again is reported as a duplicate: the window is what it was. */
Test(undo, rfc2883_dsack_of_all_retransmissions) {
    established();
    t_send(10000);
    cr_assert_eq(t_skip(), 10);
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:4001>");
    out(". 1:1001(1000) ack 1");
    after(10);
    in(". 1:1(0) ack 10001 win 65535"); /* it was late, and all the others came */
    in(". 1:1(0) ack 10001 win 65535 <nop,nop,sack 1:1001>");
    cr_assert_eq(t_counter("TcpExtTCPDSACKUndo"), 1);
    t_send(20000);
    cr_assert_geq(t_skip(), 10, "no less than before the recovery");
    in(". 1:1(0) ack 30001 win 65535");
    t_skip();
}

/* A delay of all packets makes the timeout spurious. The first ACK after it lets two new segments
 * go; the second acknowledges what was never sent again: so the originals have arrived. */
Test(undo, rfc5682_spurious_timeout) {
    t_cfg.tcp.early_retrans = 0;
    established();
    t_send(12000);
    cr_assert_eq(t_skip(), 10);
    out_within(320, ". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
    out(". 10001:11001(1000) ack 1");
    out("P. 11001:12001(1000) ack 1");
    in(". 1:1(0) ack 2001 win 65535");
    expect_none();
    cr_assert_eq(t_counter("TcpExtTCPSpuriousRTOs"), 1);
    in(". 1:1(0) ack 12001 win 65535");
    cr_assert_eq(t_counter("TcpRetransSegs"), 1);
}

/* The same beginning, but the new data only draws duplicates: it was a loss. */
Test(undo, rfc5682_a_timeout_that_was_none_too_early) {
    t_cfg.tcp.early_retrans = 0;
    established();
    t_send(12000);
    cr_assert_eq(t_skip(), 10);
    out_within(320, ". 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
    out(". 10001:11001(1000) ack 1");
    out("P. 11001:12001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 10001:11001>");
    out(". 1001:2001(1000) ack 1");
    in(". 1:1(0) ack 12001 win 65535");
    t_skip();
    cr_assert_eq(t_counter("TcpExtTCPSpuriousRTOs"), 0);
}

/* The ACK echoes a timestamp from before the retransmission: it is for the original. */
Test(undo, rfc3522_eifel) {
    t_rtt_ms = 100;
    t_established("mss 1000,sackOK,TS val 100 ecr 0", 65535);
    t_send(4940);
    cr_assert_eq(t_skip(), 5);
    uint32_t original = t_last_tsval();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,TS val 200 ecr %u,nop,nop,sack 989:3953>", original);
    out(". 1:989(988) ack 1");
    cr_assert_gt(t_last_tsval(), original);
    after(10);
    in(". 1:1(0) ack 4941 win 65535 <nop,nop,TS val 210 ecr %u>", original);
    cr_assert_eq(t_counter("TcpExtTCPFullUndo"), 1);
    t_send(20000);
    cr_assert_geq(t_skip(), 10, "the window is what it was");
    in(". 1:1(0) ack 24941 win 65535 <nop,nop,TS val 310 ecr last>");
    t_skip();
}

/* RFC 5681 §3.1: no undo where the loss was one. */
Test(undo, a_real_loss_stays_one) {
    established();
    t_send(10000);
    t_skip();
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:10001>");
    out(". 1:1001(1000) ack 1");
    after(100);
    in(". 1:1(0) ack 10001 win 65535");
    t_send(20000);
    cr_assert_eq(t_skip(), 7, "CUBIC: seven tenths (RFC 9438)");
    in(". 1:1(0) ack 30001 win 65535");
    t_skip();
    cr_assert_eq(t_counter("TcpExtTCPFullUndo") + t_counter("TcpExtTCPDSACKUndo"), 0);
}

/* Acknowledging: delayed ACKs, out-of-order data, SACK (RFC 2018), DSACK (RFC 2883). */
#include "tests/tcp/script.h"

TestSuite(ack, .init = t_setup, .fini = t_finish);

Test(ack, shld18_must40_an_ack_is_delayed_by_less_than_500_ms) {
    t_established("mss 1460", 65535);
    for (int i = 0; i < 40; i++) { /* beyond what quick ACKs at the start cover */
        in("P. %d:%d(10) ack 1 win 65535", 1 + 10 * i, 11 + 10 * i);
        out_within(499, ". 1:1(0) ack %d", 11 + 10 * i);
        after(1000);
    }
}

Test(ack, shld19_at_least_every_second_full_segment_is_acked_at_once) {
    t_established("mss 1000", 65535);
    for (int i = 0; i < 40; i += 2) {
        for (int k = i; k < i + 2; k++) {
            in(". %d:%d(1000) ack 1 win 65535", 1 + 1000 * k, 1001 + 1000 * k);
        }
        cr_assert_gt(t_skip(), 0, "segment %d", i);
    }
}

Test(ack, an_answer_carries_the_ack) {
    t_established("mss 1460", 65535);
    t_send(10); /* leaves the quick ACKs of a fresh connection as they are */
    out("P. 1:11(10) ack 1");
    in("P. 1:11(10) ack 11 win 65535");
    t_skip();
    t_recv(10);
    t_send(10);
    out("P. 11:21(10) ack 11");
    after(1000);
    t_skip();
}

Test(ack, shld31_out_of_order_data_draws_a_duplicate_ack_at_once) {
    t_established("mss 1460", 65535);
    in("P. 101:201(100) ack 1 win 65535");
    out(". 1:1(0) ack 1");
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    in("P. 1:101(100) ack 1 win 65535");
    out(". 1:1(0) ack 201"); /* SHLD-31; RFC 5681 §4.2: filling a gap is acked at once */
    t_recv(200);
}

Test(ack, rfc2018_the_first_block_holds_the_segment_just_received) {
    t_established("mss 1460,nop,nop,sackOK", 65535);
    in("P. 101:201(100) ack 1 win 65535");
    out(". 1:1(0) ack 1 <nop,nop,sack 101:201>");
    in("P. 301:401(100) ack 1 win 65535");
    out(". 1:1(0) ack 1 <nop,nop,sack 301:401 101:201>");
    in("P. 201:301(100) ack 1 win 65535");
    out(". 1:1(0) ack 1 <nop,nop,sack 101:401>");
    in("P. 1:51(50) ack 1 win 65535");
    out(". 1:1(0) ack 51 <nop,nop,sack 101:401>");
    in("P. 51:101(50) ack 1 win 65535");
    out(". 1:1(0) ack 401 <>");
    t_recv(400);
}

Test(ack, as_many_blocks_as_there_is_room) {
    t_established("mss 1460,sackOK,TS val 100 ecr 0", 65535);
    in("P. 101:201(100) ack 1 win 65535 <nop,nop,TS val 101 ecr last>");
    in("P. 301:401(100) ack 1 win 65535 <nop,nop,TS val 101 ecr last>");
    in("P. 501:601(100) ack 1 win 65535 <nop,nop,TS val 101 ecr last>");
    t_skip();
    in("P. 701:801(100) ack 1 win 65535 <nop,nop,TS val 101 ecr last>");
    out(". 1:1(0) ack 1 <nop,nop,TS val * ecr 101,nop,nop,sack 701:801 501:601 301:401>");
}

Test(ack, rfc2883_a_duplicate_is_told_first) {
    t_established("mss 1460,nop,nop,sackOK", 65535);
    in("P. 1:101(100) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 101");
    after(1000);
    in("P. 1:101(100) ack 1 win 65535");
    out(". 1:1(0) ack 101 <nop,nop,sack 1:101>");
    in("P. 201:301(100) ack 1 win 65535");
    out(". 1:1(0) ack 101 <nop,nop,sack 201:301>");
    after(1000);
    in("P. 201:301(100) ack 1 win 65535");
    out(". 1:1(0) ack 101 <nop,nop,sack 201:301 201:301>");
    t_recv(100);
}

Test(ack, data_that_is_partly_old_counts_for_its_new_part) {
    t_established("mss 1460", 65535);
    in("P. 1:101(100) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 101");
    in("P. 51:151(100) ack 1 win 65535");
    out_within(500, ". 1:1(0) ack 151");
    in("P. 171:191(20) ack 1 win 65535");
    in("P. 141:201(60) ack 1 win 65535");
    t_skip();
    t_recv(200);
}

Test(ack, no_sack_blocks_unless_permitted) {
    t_established("mss 1460", 65535);
    in("P. 101:201(100) ack 1 win 65535");
    out(". 1:1(0) ack 1 <>");
}

/* ---- duplicate ACKs that become one (tcp_comp_sack_delay_ns, tcp_comp_sack_nr) ---- */

static void segment(int kilobyte) {
    in(". %d:%d(1000) ack 1 win 65535 <nop,nop,TS val 102 ecr last>", 1 + 1000 * kilobyte,
       1001 + 1000 * kilobyte);
}

/* A round trip of 100 ms, and no quick ACKs left: the peer's next byte is 20001. */
static void far_away(void) {
    t_rtt_ms = 100;
    t_established("mss 1000,sackOK,TS val 100 ecr 0", 65535);
    for (int i = 0; i < 20; i++)
        segment(i);
    t_recv(20000);
    after(200);
    t_skip();
}

/* Three at once. */
static void duplicates(void) {
    for (int i = 1; i <= 3; i++) {
        segment(20 + i);
        out(". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:%d>", 21001 + 1000 * i);
    }
}

Test(ack, the_fourth_duplicate_ack_waits_for_more) {
    far_away();
    duplicates();
    segment(24);
    segment(25);
    segment(26);
    out_after(1, ". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:27001>");
    cr_assert_eq(t_counter("TcpExtTCPAckCompressed"), 2);
    segment(27);
    out_after(1, ". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:28001>");
    cr_assert_eq(t_counter("TcpExtTCPAckCompressed"), 2);
}

Test(ack, a_filled_gap_is_told_at_once_and_three_duplicates_behind_it) {
    far_away();
    duplicates();
    segment(24);
    segment(20);
    out(". 1:1(0) ack 25001 <nop,nop,TS val * ecr *>");
    cr_assert_eq(t_counter("TcpExtTCPAckCompressed"), 1);
    for (int i = 0; i < 3; i++) {
        segment(26 + i);
        out(". 1:1(0) ack 25001 <nop,nop,TS val * ecr *,nop,nop,sack 26001:%d>", 27001 + 1000 * i);
    }
    segment(29);
    expect_none();
    out_after(1, ". 1:1(0) ack 25001 <nop,nop,TS val * ecr *,nop,nop,sack 26001:30001>");
    t_recv(5000);
}

Test(ack, a_third_hole_sends_what_waits) {
    far_away();
    duplicates();
    segment(24);
    segment(26);
    expect_none();
    segment(28);
    out(". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 26001:27001 21001:25001>");
    out_after(1, ". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 28001:29001 26001:27001 "
                 "21001:25001>");
}

Test(ack, a_duplicate_segment_is_told_of_at_once) {
    far_away();
    duplicates();
    segment(24);
    segment(21);
    out(". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:22001 21001:25001>");
}

Test(ack, so_many_duplicate_acks_become_one_at_most) {
    t_cfg.tcp.comp_sack_nr = 2;
    far_away();
    duplicates();
    segment(24);
    segment(25);
    expect_none();
    segment(26);
    out(". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:27001>");
    cr_assert_eq(t_counter("TcpExtTCPAckCompressed"), 2);
}

Test(ack, without_comp_sack_each_duplicate_ack_goes) {
    t_cfg.tcp.comp_sack_nr = 0;
    far_away();
    duplicates();
    segment(24);
    out(". 1:1(0) ack 20001 <nop,nop,TS val * ecr *,nop,nop,sack 21001:25001>");
}

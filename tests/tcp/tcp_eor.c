/* MSG_EOR: a record's end is a segment's end, whatever else would make one segment of two. */
#include "tests/tcp/script.h"

TestSuite(eor, .init = t_setup, .fini = t_finish);

Test(eor, no_segment_reaches_across_a_record_mark) {
    t_established("mss 1000", 65535);
    t_send(100); /* in flight: Nagle holds the last small one, but a record is complete */
    out("P. 1:101(100) ack 1");
    cr_assert_eq(t_send_some(200, MSG_EOR), 200);
    cr_assert_eq(t_send_some(300, MSG_EOR), 300);
    t_send(400);
    out("P. 101:301(200) ack 1");
    out("P. 301:601(300) ack 1");
    expect_none(); /* the open record waits: Nagle */
    in(". 1:1(0) ack 601 win 65535");
    out("P. 601:1001(400) ack 1");
}

Test(eor, without_it_small_sends_become_one_segment) {
    t_established("mss 1000", 65535);
    t_send(100);
    out("P. 1:101(100) ack 1");
    t_send(200);
    t_send(300);
    in(". 1:1(0) ack 101 win 65535");
    out("P. 101:601(500) ack 1");
}

Test(eor, a_record_of_several_segments_ends_with_a_short_one) {
    t_established("mss 1000", 65535);
    cr_assert_eq(t_send_some(2500, MSG_EOR), 2500);
    t_send(1000);
    out(". 1:1001(1000) ack 1");
    out(". 1001:2001(1000) ack 1");
    out("P. 2001:2501(500) ack 1");
    out("P. 2501:3501(1000) ack 1");
}

Test(eor, a_retransmission_does_not_join_records) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    cr_assert_eq(t_send_some(100, MSG_EOR), 100);
    cr_assert_eq(t_send_some(100, MSG_EOR), 100);
    out("P. 1:101(100) ack 1");
    out("P. 101:201(100) ack 1");
    out_within(1500, "P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
    out("P. 101:201(100) ack 1");
}

Test(eor, a_zero_window_keeps_records_apart) {
    t_established("mss 1000", 0);
    cr_assert_eq(t_send_some(100, MSG_EOR), 100);
    cr_assert_eq(t_send_some(100, MSG_EOR), 100);
    expect_none();
    in(". 1:1(0) ack 1 win 65535");
    out("P. 1:101(100) ack 1");
    t_skip();
}

Test(eor, many_records_wait_for_room_not_for_ever) {
    t_established("mss 1000", 0);
    ssize_t r = 0;
    unsigned n = 0;
    while ((r = t_send_some(1, MSG_EOR)) == 1)
        n++;
    cr_assert_eq(r, -EAGAIN);
    cr_assert_gt(n, 1000);
    cr_assert_not(t_ready() & POLLOUT);
    t_skip();
}

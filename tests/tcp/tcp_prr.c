/* Proportional rate reduction: RFC 9937. During recovery as much is sent as the reduction allows of
 * what is delivered, so that at its end the window is ssthresh, without a pause and without a
 * burst. */
#include "tests/tcp/script.h"

TestSuite(prr, .init = t_setup, .fini = t_finish);

/* Ten segments in flight, the first lost; CUBIC lets seven stay in flight. Ten ACKs deliver ten
 * segments, and seven go out: the retransmission, and six new ones. */
Test(prr, rfc9937_seven_for_ten) {
    t_rtt_ms = 100;
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(30000);
    cr_assert_eq(t_skip(), 10);
    after(100);
    unsigned sent = 0;
    for (int i = 2; i <= 10; i++) {
        in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 1001:%d>", i * 1000 + 1);
        sent += t_skip();
    }
    cr_assert_geq(sent, 6);
    cr_assert_leq(sent, 9, "two of them by limited transmit (RFC 3042)");
    after(100);
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
    cr_assert_eq(t_counter("TcpRetransSegs"), 1);
    in(". 1:1(0) ack 30001 win 65535");
    t_skip();
}

/* Most of a window lost: less is in flight than ssthresh, so each delivered segment lets one go,
 * and one more when nothing else turns out to be lost (the slow-start bound, on safe ACKs only). */
Test(prr, rfc9937_heavy_loss_is_not_followed_by_a_burst) {
    t_rtt_ms = 100;
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(10000);
    cr_assert_eq(t_skip(), 10);
    after(100);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 7001:10001>"); /* seven lost, three delivered */
    unsigned sent = t_skip();
    cr_assert(sent >= 1 && sent <= 3, "%u", sent);
    after(100);
    in(". 1:1(0) ack 1001 win 65535 <nop,nop,sack 7001:10001>");
    sent = t_skip();
    cr_assert(sent >= 1 && sent <= 2, "%u", sent);
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
}

/* The ACK of five segments and the news of a loss in one batch: the five that the ACK sets free are
 * in flight already when the reduction begins, as if the ACKs had come one by one. */
Test(prr, what_earlier_acks_of_the_batch_set_free_is_in_flight) {
    t_rtt_ms = 100;
    t_established("mss 1000,nop,nop,sackOK", 65535);
    t_send(40000);
    cr_assert_eq(t_skip(), 10);
    after(100);
    t_batch();
    in(". 1:1(0) ack 6001 win 65535");
    in(". 1:1(0) ack 6001 win 65535 <nop,nop,sack 7001:10001>");
    t_batch_end();
    for (int i = 10; i < 22; i++) /* 16 in flight, four of them behind the ACKs */
        out(". %d:%d(1000) ack 1", 1 + 1000 * i, 1001 + 1000 * i);
    out(". 6001:7001(1000) ack 1");
    t_skip();
    in(". 1:1(0) ack 40001 win 65535");
    t_skip();
}

/* Pacing: SO_MAX_PACING_RATE spreads what cwnd would let go at once (pace.h). */
#include "tests/tcp/script.h"

TestSuite(pace, .init = t_setup, .fini = t_finish);

Test(pace, the_first_window_leaves_at_once_the_rest_at_the_given_rate) {
    t_rtt_ms = 10;
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_MAX_PACING_RATE, 1000000); /* a segment of 1,000 bytes a millisecond */
    t_send(14000);
    for (unsigned i = 0; i < 10; i++)
        out(". %u:%u(1000) ack 1", 1 + i * 1000, 1001 + i * 1000);
    after(10);
    in(". 1:1(0) ack 10001 win 65535");
    out(". 10001:11001(1000) ack 1");
    out_after(1, ". 11001:12001(1000) ack 1");
    out_after(1, ". 12001:13001(1000) ack 1");
    out_after(1, "P. 13001:14001(1000) ack 1");
    in(". 1:1(0) ack 14001 win 65535");
}

Test(pace, retransmissions_wait_for_their_time_too) {
    t_rtt_ms = 10;
    t_established("mss 1000, sackOK", 65535);
    t_set(SOL_SOCKET, SO_MAX_PACING_RATE, 1000000);
    t_send(10000);
    cr_assert_eq(t_skip(), 10);
    after(10);
    in(". 1:1(0) ack 1 win 65535 <sack 4001:10001>");
    out(". 1:1001(1000) ack 1");
    out_after(1, ". 1001:2001(1000) ack 1");
    out_after(1, ". 2001:3001(1000) ack 1");
    out_after(1, ". 3001:4001(1000) ack 1");
    in(". 1:1(0) ack 10001 win 65535");
}

Test(pace, without_a_limit_nothing_waits) {
    t_rtt_ms = 10;
    t_established("mss 1000", 65535);
    t_send(20000);
    cr_assert_eq(t_skip(), 10);
    after(10);
    in(". 1:1(0) ack 10001 win 65535");
    cr_assert_eq(t_skip(), 10);
    in(". 1:1(0) ack 20001 win 65535");
}

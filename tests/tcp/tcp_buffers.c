/* How much a program may write ahead, and what the receive buffer offers: SO_SNDBUF at true size,
 * TCP_NOTSENT_LOWAT, TCP_WINDOW_CLAMP, and the sysctls that bound them. */
#include "script.h"

TestSuite(buffers, .init = t_setup, .fini = t_finish);

static bool writable(void) {
    return t_ready() & POLLOUT;
}

/* Super-segments of half the peer's window, here 2,000 bytes; each is charged with 832 bytes of
 * overhead, as Linux's buffers. SO_SNDBUF 2304 means 4608: the second begins below it, the third
 * not. */
Test(buffers, sndbuf_counts_the_overhead_of_each_segment) {
    t_established("mss 1000", 5000);
    t_set(SOL_SOCKET, SO_SNDBUF, 2304);
    cr_assert_eq(t_send_some(10000, 0), 4000);
    for (int i = 0; i < 4; i++)
        out("%s %d:%d(1000) ack 1", i < 3 ? "." : "P.", 1 + 1000 * i, 1001 + 1000 * i);
    cr_assert_not(writable());
    in(". 1:1(0) ack 4001 win 5000");
    cr_assert(writable());
}

/* The first write always succeeds, however small the buffer. */
Test(buffers, a_small_sndbuf_takes_one_super_segment) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_SNDBUF, 1);
    cr_assert_eq(t_send_some(100000, 0), 32000 + 10000, "what has gone makes room in the last one");
    t_skip();
    cr_assert_not(writable());
}

/* A new super-segment begins only while less than TCP_NOTSENT_LOWAT waits unsent; cwnd takes ten
 * segments of the first, and it is filled up again. */
Test(buffers, notsent_lowat_bounds_what_waits_unsent) {
    t_established("mss 1000", 32000);
    t_set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4000);
    cr_assert_eq(t_send_some(59000, 0), 26000);
    t_skip();
    cr_assert_not(writable());
    in(". 1:1(0) ack 2001 win 32000"); /* cwnd 12: 14,000 have gone, 12,000 wait */
    in(". 1:1(0) ack 6001 win 32000");
    t_skip();
    cr_assert_not(writable());
    in(". 1:1(0) ack 8001 win 32000"); /* 26,000 have gone */
    t_skip();
    cr_assert(writable(), "less than half of it waits");
}

Test(buffers, notsent_lowat_of_the_sysctl) {
    t_cfg.tcp.notsent_lowat = 4000;
    t_established("mss 1000", 32000);
    cr_assert_eq(t_send_some(59000, 0), 26000);
    t_skip();
}

Test(buffers, window_clamp_bounds_the_window) {
    t_listen();
    t_set(IPPROTO_TCP, TCP_WINDOW_CLAMP, 4000);
    in("S 0:0(0) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1 win 2920 <mss 1460>"); /* whole segments */
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    in("P. 1:1001(1000) ack 1 win 65535");
    out(". 1:1(0) ack 1001 win 3000");
    t_recv_some(1000);
    in("P. 1001:2001(1000) ack 1 win 65535");
    out(". 1:1(0) ack 2001 win 3000");
}

/* SHLD-14: a clamp set later does not take back what was offered. */
Test(buffers, window_clamp_does_not_shrink_the_window) {
    t_established("mss 1000", 65535);
    in("P. 1:1001(1000) ack 1 win 65535");
    uint32_t edge = (t_skip(), t_right_edge());
    t_set(IPPROTO_TCP, TCP_WINDOW_CLAMP, 2000);
    in("P. 1001:2001(1000) ack 1 win 65535");
    t_skip();
    cr_assert_eq(t_right_edge(), edge);
}

/* A reader who keeps up gets a larger window (Linux: dynamic right-sizing) … */
static uint32_t window_after_reading(void) {
    t_cfg.tcp.rmem[MEM_FIRST] = 16384; /* half of it is window */
    t_established("mss 1000", 65535);
    uint32_t at = 1;
    for (int i = 0; i < 20; i++, at += 1000) {
        in("P. %u:%u(1000) ack 1 win 65535", at, at + 1000);
        t_recv(1000);
    }
    t_skip();
    return t_right_edge() - at;
}

Test(buffers, the_window_grows_as_the_reader_keeps_up) {
    cr_assert_gt(window_after_reading(), 8192);
}

/* … unless tcp_moderate_rcvbuf is off. */
Test(buffers, moderate_rcvbuf_off_keeps_the_window) {
    t_cfg.tcp.moderate_rcvbuf = false;
    cr_assert_leq(window_after_reading(), 8192);
}

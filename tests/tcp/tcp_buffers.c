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
    t_cfg.tcp.rmem[MEM_FIRST] = 65536; /* half of it is window */
    t_established("mss 1000", 65535);
    t_send(1);
    out("P. 1:2(1) ack 1");
    after(10);
    in(". 1:1(0) ack 2 win 65535"); /* the round trip is known */
    uint32_t at = 1;
    for (int i = 0; i < 18; i++, at += 1000) {
        if (i == 17)
            after(10);
        in("P. %u:%u(1000) ack 2 win 65535", at, at + 1000);
        t_recv(1000);
        t_skip();
    }
    in("P. %u:%u(1000) ack 2 win 65535", at, at + 1000);
    after(50); /* its ACK */
    t_skip();
    return t_right_edge() - at;
}

Test(buffers, the_window_grows_as_the_reader_keeps_up) {
    /* 17,000 in a round trip, where ten segments of 1,460 were foreseen: twice as much, and of that
     * twice the part by which it was more. */
    uint32_t twice = 2 * 17000;
    uint32_t window = window_after_reading();
    cr_assert_eq(window, twice + 2 * (twice * (17000 - 14600) / 14600), "%u", window);
}

/* … unless tcp_moderate_rcvbuf is off. */
Test(buffers, moderate_rcvbuf_off_keeps_the_window) {
    t_cfg.tcp.moderate_rcvbuf = false;
    cr_assert_leq(window_after_reading(), 32768);
}

/* ---- tcp_mem: what all connections together may hold, in pages of 4,096 bytes ---- */

static void pages(uint32_t least, uint32_t pressure, uint32_t most) {
    t_cfg.tcp.mem[MEM_LEAST] = least;
    t_cfg.tcp.mem[MEM_FIRST] = pressure;
    t_cfg.tcp.mem[MEM_MOST] = most;
}

Test(buffers, above_tcp_mem_data_that_nobody_reads_is_dropped_and_comes_again) {
    pages(1, 1, 1);
    t_established("mss 1000", 65535);
    in("P. 1:4001(4000) ack 1 win 65535");
    in("P. 4001:8001(4000) ack 1 win 65535");
    in("P. 8001:12001(4000) ack 1 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPRcvQDrop"), 1);
    cr_assert_eq(t_counter("TcpExtRcvPruned"), 1);
    cr_assert_eq(t_counter("TcpExtTCPMemoryPressures"), 1);
    t_recv(8000);
    t_skip();
    in("P. 8001:12001(4000) ack 1 win 65535");
    out_within(40, ". 1:1(0) ack 12001");
    t_recv(4000);
}

Test(buffers, above_tcp_mem_what_is_out_of_order_goes_first) {
    pages(1, 1, 1);
    t_established("mss 1000", 65535);
    in("P. 5001:9001(4000) ack 1 win 65535");
    in("P. 1:4001(4000) ack 1 win 65535");
    t_skip();
    in("P. 4001:5001(1000) ack 1 win 65535");
    out_within(40, ". 1:1(0) ack 5001");
    cr_assert_eq(t_counter("TcpExtOfoPruned"), 1);
    cr_assert_eq(t_counter("TcpExtTCPRcvQDrop"), 0);
}

Test(buffers, above_tcp_mem_a_writer_waits) {
    pages(1, 1, 1);
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_SNDBUF, 100000);
    ssize_t n = t_send_some(100000, 0);
    cr_assert(n > 0 && n <= 42000, "%zd", n);
    t_skip();
    cr_assert_not(writable());
    cr_assert_eq(t_send_some(1000, 0), -EAGAIN);
    for (uint32_t at = 1; at < (uint32_t)n; at += 4000) {
        in(". 1:1(0) ack %u win 65535", at + 4000 < (uint32_t)n ? at + 4000 : (uint32_t)n + 1);
        t_skip();
    }
    cr_assert(writable());
}

Test(buffers, above_tcp_mem_an_orphan_is_reset) {
    pages(1, 1, 1);
    t_established("mss 1000", 1000);
    t_set(SOL_SOCKET, SO_SNDBUF, 20000);
    cr_assert_gt(t_send_some(20000, 0), 4096);
    t_skip();
    t_close();
    cr_assert_eq(t_state(), TCPS_CLOSED);
    cr_assert_eq(t_counter("TcpExtTCPAbortOnMemory"), 1);
    t_skip();
}

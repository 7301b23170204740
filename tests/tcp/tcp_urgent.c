/* Urgent data: RFC 9293 §3.8.5, MUST-30 to MUST-33 and MUST-62, and how Linux shows it to programs.
 *
 * On the wire a pointer says where the octet behind the urgent data stands. For programs the octet
 * before it is "out of band": it is read by MSG_OOB and leaves a mark in the stream. */
#include "tests/tcp/script.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

TestSuite(urgent, .init = t_setup, .fini = t_finish);

/* recv(2) of one byte with MSG_OOB: the byte, or -errno; 256 for the end. */
static int recv_oob(int flags) {
    uint8_t byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n = sock_recv(t_stack(), t_sock(), &msg, MSG_OOB | flags);
    if (n == 1)
        cr_assert(msg.msg_flags & MSG_OOB);
    return n == 1 ? byte : n == 0 ? 256 : (int)n;
}

static int get_ioctl(unsigned long req) {
    int v = -1;
    cr_assert_eq(sock_ioctl(t_stack(), t_sock(), req, &v), 0);
    return v;
}

/* ---- receiving ---- */

Test(urgent, must30_the_urgent_byte_is_kept_apart) {
    t_established("mss 1460", 65535);
    in("PU. 1:11(10) ack 1 win 65535 urg 10");
    cr_assert(t_ready() & POLLPRI);
    cr_assert_eq(recv_oob(0), t_peer_byte(10));
    cr_assert_not(t_ready() & POLLPRI);
    cr_assert_eq(recv_oob(0), -EINVAL, "it is read once");
    t_recv(9);
    t_pass(1);
    cr_assert_eq(t_recv_some(100), -EAGAIN);
    t_skip();
}

Test(urgent, a_read_ends_at_the_mark_and_goes_on_behind_it) {
    t_established("mss 1460", 65535);
    in("PU. 1:21(20) ack 1 win 65535 urg 10");
    t_recv(9);
    cr_assert_eq(get_ioctl(SIOCATMARK), 1);
    t_pass(1);
    t_recv(10);
    cr_assert_eq(get_ioctl(SIOCATMARK), 0);
    cr_assert_eq(recv_oob(0), -EINVAL, "passed by the stream, it is gone");
    t_skip();
}

Test(urgent, so_oobinline_leaves_the_byte_in_the_stream) {
    t_established("mss 1460", 65535);
    t_set(SOL_SOCKET, SO_OOBINLINE, 1);
    in("PU. 1:21(20) ack 1 win 65535 urg 10");
    cr_assert(t_ready() & POLLPRI);
    cr_assert_eq(recv_oob(0), -EINVAL);
    t_recv(9);
    cr_assert_eq(get_ioctl(SIOCATMARK), 1);
    t_recv(11);
    cr_assert_not(t_ready() & POLLPRI);
    t_skip();
}

Test(urgent, must31_urgent_data_of_any_length) {
    t_established("mss 1460", 65535);
    in("U. 1:1461(1460) ack 1 win 65535 urg 5000");
    in("U. 1461:2921(1460) ack 1 win 65535 urg 3540");
    cr_assert_eq(recv_oob(0), -EAGAIN, "announced, but not here");
    in("U. 2921:4381(1460) ack 1 win 65535 urg 2080");
    in("PU. 4381:5841(1460) ack 1 win 65535 urg 620");
    cr_assert_eq(recv_oob(0), t_peer_byte(5000));
    t_recv(4999);
    t_pass(1);
    t_recv(840);
    t_skip();
}

Test(urgent, must32_an_announcement_is_told_at_once) {
    t_established("mss 1460", 65535);
    in("U. 1:1(0) ack 1 win 65535 urg 100"); /* no data at all: the peer's window is full, say */
    cr_assert_eq(t_counter("TcpUrgentIn"), 1);
    cr_assert_not(t_ready() & POLLPRI, "as Linux: SIGURG now, POLLPRI with the byte");
    cr_assert_eq(recv_oob(0), -EAGAIN);
    t_skip();
}

Test(urgent, must33_a_program_learns_how_much_comes_before_the_mark) {
    t_established("mss 1460", 65535);
    in("PU. 1:21(20) ack 1 win 65535 urg 15");
    cr_assert_eq(get_ioctl(FIONREAD), 14);
    t_recv(14);
    cr_assert_eq(get_ioctl(FIONREAD), 0);
    cr_assert(t_ready() & POLLIN, "there is more behind the mark");
    t_pass(1);
    t_recv(5);
    t_skip();
}

Test(urgent, only_the_urgent_byte_is_no_reason_to_read) {
    t_established("mss 1460", 65535);
    in("PU. 1:2(1) ack 1 win 65535 urg 1");
    cr_assert_not(t_ready() & POLLIN);
    cr_assert(t_ready() & POLLPRI);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_pass(1);
    in("P. 2:12(10) ack 1 win 65535");
    t_recv(10);
    t_skip();
}

Test(urgent, a_second_urgent_byte_moves_the_mark) {
    t_established("mss 1460", 65535);
    in("PU. 1:11(10) ack 1 win 65535 urg 10");
    in("PU. 11:21(10) ack 1 win 65535 urg 10");
    cr_assert_eq(recv_oob(0), t_peer_byte(20));
    t_recv(19); /* the first one is in line now, as with BSD and Linux */
    t_pass(1);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_skip();
}

Test(urgent, a_passed_over_byte_does_not_come_back_with_the_next_mark) {
    t_established("mss 1460", 65535);
    in("PU. 1:2(1) ack 1 win 65535 urg 1");
    in("PU. 2:3(1) ack 1 win 65535 urg 1");
    cr_assert_eq(recv_oob(0), t_peer_byte(2));
    t_pass(2);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_skip();
}

Test(urgent, msg_peek_leaves_the_urgent_byte) {
    t_established("mss 1460", 65535);
    in("PU. 1:11(10) ack 1 win 65535 urg 10");
    cr_assert_eq(recv_oob(MSG_PEEK), t_peer_byte(10));
    cr_assert_eq(recv_oob(0), t_peer_byte(10));
    t_skip();
}

Test(urgent, out_of_order_the_byte_can_be_read_before_the_gap_is_filled) {
    t_established("mss 1460,sackOK", 65535);
    in("PU. 11:21(10) ack 1 win 65535 urg 10");
    cr_assert_eq(recv_oob(0), t_peer_byte(20));
    in("P. 1:11(10) ack 1 win 65535");
    t_recv(19);
    t_skip();
}

Test(urgent, must66_urg_counts_at_a_zero_window) {
    t_cfg.tcp.rmem[MEM_FIRST] = 4096;
    t_cfg.tcp.rmem[MEM_MOST] = 4096;
    t_established("mss 1024", 65535);
    in("P. 1:1025(1024) ack 1 win 65535");
    in("P. 1025:2049(1024) ack 1 win 65535");
    t_skip();
    in("PU. 1461:1462(1) ack 1 win 65535 urg 1"); /* a window probe, as it were */
    cr_assert(t_ready() & POLLPRI);
    cr_assert_eq(recv_oob(0), t_peer_byte(1461));
    t_skip();
}

Test(urgent, tcp_stdurg_takes_the_pointer_for_the_last_urgent_byte) {
    t_cfg.tcp.stdurg = true;
    t_established("mss 1460", 65535);
    in("PU. 1:21(20) ack 1 win 65535 urg 9");
    cr_assert_eq(recv_oob(0), t_peer_byte(10));
    t_recv(9);
    t_pass(1);
    t_recv(10);
    t_skip();
}

/* ---- V2: hostile pointers ---- */

Test(urgent, v2_a_pointer_of_zero_is_nothing) {
    t_established("mss 1460", 65535);
    in("PU. 1:11(10) ack 1 win 65535 urg 0");
    cr_assert_not(t_ready() & POLLPRI);
    cr_assert_eq(recv_oob(0), -EINVAL);
    t_recv(10);
    t_skip();
}

Test(urgent, v2_a_pointer_far_beyond_the_segment_harms_nobody) {
    t_established("mss 1460", 65535);
    in("PU. 1:11(10) ack 1 win 65535 urg 65535");
    t_recv(10);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    for (uint32_t at = 11; at < 2011; at += 100) {
        in("PU. %u:%u(100) ack 1 win 65535 urg 65535", at, at + 100);
        t_recv(100);
    }
    in("F. 2011:2011(0) ack 1 win 65535");
    cr_assert_eq(t_recv_some(10), 0);
    cr_assert_eq(recv_oob(0), 256, "the end");
    t_skip();
}

Test(urgent, v2_a_pointer_at_what_was_read_long_ago_is_too_late) {
    t_established("mss 1460", 65535);
    in("P. 1:101(100) ack 1 win 65535");
    t_recv(100);
    in("PU. 51:101(50) ack 1 win 65535 urg 20");
    cr_assert_eq(recv_oob(0), -EINVAL);
    in("PU. 51:111(60) ack 1 win 65535 urg 50"); /* what is new comes behind it */
    cr_assert_eq(recv_oob(0), -EINVAL);
    t_recv(10);
    t_skip();
}

Test(urgent, v2_urg_without_data_on_every_segment) {
    t_established("mss 1460", 65535);
    for (unsigned i = 1; i < 200; i++)
        in("U. 1:1(0) ack 1 win 65535 urg %u", i);
    in("P. 1:301(300) ack 1 win 65535");
    t_recv(198);
    t_pass(1);
    t_recv(101);
    t_skip();
}

Test(urgent, v2_urg_on_fin_and_in_the_handshake) {
    t_listen();
    in("SU 0:0(0) win 65535 urg 7 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in("U. 1:1(0) ack 1 win 65535 urg 7");
    t_accept();
    in("PU. 1:11(10) ack 1 win 65535 urg 3");
    in("FU. 11:11(0) ack 1 win 65535 urg 3");
    t_recv(10); /* the newest mark lies behind the end, where no reader comes */
    cr_assert_eq(t_recv_some(1), 0);
    t_skip();
}

/* ---- sending ---- */

Test(urgent, must62_the_pointer_is_the_octet_behind_the_urgent_data) {
    t_established("mss 1460", 65535);
    cr_assert_eq(t_send_some(10, MSG_OOB), 10);
    out("PU. 1:11(10) ack 1 urg 10");
    in(". 1:1(0) ack 11 win 65535");
    t_send(5);
    out("P. 11:16(5) ack 1 urg 0");
}

Test(urgent, urgent_data_does_not_wait_for_nagle) {
    t_established("mss 1460", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    t_send(10);
    expect_none();
    cr_assert_eq(t_send_some(1, MSG_OOB), 1);
    out("PU. 11:22(11) ack 1 urg 11");
}

Test(urgent, each_segment_of_a_train_counts_from_its_own_number) {
    t_established("mss 1000", 65535);
    cr_assert_eq(t_send_some(2500, MSG_OOB), 2500);
    out("U. 1:1001(1000) ack 1 urg 2500");
    out("U. 1001:2001(1000) ack 1 urg 1500");
    out("PU. 2001:2501(500) ack 1 urg 500");
}

Test(urgent, a_retransmission_is_urgent_until_it_is_acknowledged) {
    t_established("mss 1460", 65535);
    cr_assert_eq(t_send_some(10, MSG_OOB), 10);
    out("PU. 1:11(10) ack 1 urg 10");
    out_within(1500, "PU. 1:11(10) ack 1 urg 10");
}

Test(urgent, a_window_probe_carries_the_news) {
    t_established("mss 1460", 0);
    cr_assert_eq(t_send_some(10, MSG_OOB), 10);
    out_after(200, "U. 0:0(0) ack 1 urg 11");
}

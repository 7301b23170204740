/* The error queue of a connection: transmit timestamps (SO_TIMESTAMPING) and the completions of
 * MSG_ZEROCOPY. */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#include "stack/net/errq.h"
#include "tests/tcp/report.h"
#include "tests/tcp/script.h"

TestSuite(errqueue, .init = t_setup, .fini = t_finish);

static void expect_time(uint32_t what, uint32_t id) {
    struct report r;
    cr_assert(next_report(&r), "no report");
    cr_assert_eq(r.ee.ee_origin, SO_EE_ORIGIN_TIMESTAMPING);
    cr_assert_eq(r.ee.ee_errno, ENOMSG);
    cr_assert_eq(r.ee.ee_info, what, "%u, not %u", r.ee.ee_info, what);
    cr_assert_eq(r.ee.ee_data, id, "id %u, not %u", r.ee.ee_data, id);
    cr_assert(r.has_time);
}

static void expect_zerocopy(uint32_t lo, uint32_t hi) {
    struct report r;
    cr_assert(next_report(&r), "no completion");
    cr_assert_eq(r.ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    cr_assert_eq(r.ee.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
    cr_assert(r.ee.ee_info == lo && r.ee.ee_data == hi, "[%u, %u], not [%u, %u]", r.ee.ee_info,
              r.ee.ee_data, lo, hi);
}

static void expect_nothing(void) {
    struct report r;
    cr_assert_not(next_report(&r));
    cr_assert_not(t_ready() & POLLERR);
}

#define TX                                                                                         \
    (SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE |        \
     SOF_TIMESTAMPING_TX_ACK | SOF_TIMESTAMPING_OPT_ID)

Test(errqueue, a_byte_is_timed_when_it_is_sent_and_when_it_is_acknowledged) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, TX);
    t_send(100);
    out("P. 1:101(100) ack 1");
    cr_assert(t_ready() & POLLERR);
    expect_time(SCM_TSTAMP_SCHED, 99); /* the last byte of the send, counted from 0 */
    expect_time(SCM_TSTAMP_SND, 99);
    expect_nothing();
    in(". 1:1(0) ack 50 win 65535");
    expect_nothing();
    in(". 1:1(0) ack 101 win 65535");
    expect_time(SCM_TSTAMP_ACK, 99);
    expect_nothing();
}

Test(errqueue, times_are_those_of_the_events) {
    struct report sent, acked;
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, TX & ~SOF_TIMESTAMPING_TX_SCHED);
    t_send(100);
    out("P. 1:101(100) ack 1");
    after(30);
    in(". 1:1(0) ack 101 win 65535");
    cr_assert(next_report(&sent) && next_report(&acked));
    int64_t ms =
        (acked.at.tv_sec - sent.at.tv_sec) * 1000 + (acked.at.tv_nsec - sent.at.tv_nsec) / 1000000;
    cr_assert_eq(ms, 30);
}

Test(errqueue, data_that_waits_for_the_window_is_not_yet_sent) {
    t_established("mss 1000", 1000);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, TX);
    t_send(1500);
    out(". 1:1001(1000) ack 1");
    expect_nothing();
    in(". 1:1(0) ack 1001 win 1000");
    out("P. 1001:1501(500) ack 1");
    expect_time(SCM_TSTAMP_SCHED, 1499);
    expect_time(SCM_TSTAMP_SND, 1499);
    expect_nothing();
}

Test(errqueue, without_opt_id_there_is_no_number) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_ACK);
    t_send(100);
    out("P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
    expect_time(SCM_TSTAMP_ACK, 0);
    expect_nothing();
}

Test(errqueue, a_report_does_not_end_a_call) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, TX);
    t_send(100);
    out("P. 1:101(100) ack 1");
    cr_assert(t_ready() & POLLERR);
    cr_assert_not(sock_call_ready(t_stack(), t_sock()) & POLLERR);
    cr_assert_eq(t_error(), 0);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    t_send(100);
    t_skip();
}

Test(errqueue, reports_are_bounded) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    t_set(SOL_SOCKET, SO_TIMESTAMPING, TX);
    for (unsigned i = 0; i < 400; i++) {
        t_send(1);
        in(". 1:1(0) ack %u win 65535", 2 + i);
    }
    unsigned n = 0;
    struct report r;
    while (next_report(&r))
        n++;
    cr_assert_eq(n, ERRQ_MAX);
    cr_assert_gt(t_counter("errq_drops"), 0);
    t_skip();
}

Test(errqueue, zerocopy_is_completed_by_the_ack_and_says_that_it_copied) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_ZEROCOPY, 1);
    cr_assert_eq(t_send_some(500, MSG_ZEROCOPY), 500);
    out("P. 1:501(500) ack 1");
    expect_nothing();
    in(". 1:1(0) ack 501 win 65535");
    cr_assert(t_ready() & POLLERR);
    expect_zerocopy(0, 0);
    expect_nothing();
}

Test(errqueue, completions_in_a_row_are_one_range) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_ZEROCOPY, 1);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(t_send_some(1000, MSG_ZEROCOPY), 1000);
    in(". 1:1(0) ack 1001 win 65535");
    in(". 1:1(0) ack 2001 win 65535");
    expect_zerocopy(0, 1);
    in(". 1:1(0) ack 3001 win 65535");
    expect_zerocopy(2, 2);
    t_skip();
}

Test(errqueue, without_so_zerocopy_the_flag_means_nothing) {
    t_established("mss 1000", 65535);
    cr_assert_eq(t_send_some(500, MSG_ZEROCOPY), 500);
    in(". 1:1(0) ack 501 win 65535");
    expect_nothing();
    t_skip();
}

Test(errqueue, a_reset_completes_what_will_never_be_acknowledged) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_ZEROCOPY, 1);
    cr_assert_eq(t_send_some(500, MSG_ZEROCOPY), 500);
    out("P. 1:501(500) ack 1");
    in("R. 1:1(0) ack 1");
    cr_assert(t_ready() & POLLERR);
    expect_zerocopy(0, 0);
    cr_assert_eq(t_error(), ECONNRESET);
}

/* ---- control messages of what is received ---- */

static size_t recv_control(size_t n, char *control, size_t room, struct msghdr *msg) {
    char buf[4096];
    struct iovec iov = {buf, n};
    *msg = (struct msghdr){
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room};
    ssize_t got = sock_recv(t_stack(), t_sock(), msg, 0);
    cr_assert_geq(got, 0);
    return (size_t)got;
}

/* The first control message, which must be of that kind, into data. */
static void first_control(struct msghdr *msg, int level, int type, void *data, size_t len) {
    const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    bool is_it = c != NULL && c->cmsg_level == level && c->cmsg_type == type;
    cr_assert(is_it);
    if (is_it)
        memcpy(data, CMSG_DATA(c), len);
}

Test(errqueue, tcp_inq_tells_what_is_left) {
    _Alignas(struct cmsghdr) char control[64];
    struct msghdr msg;
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_INQ, 1);
    in("P. 1:101(100) ack 1 win 65535");
    cr_assert_eq(recv_control(30, control, sizeof(control), &msg), 30);
    int left = -1;
    first_control(&msg, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
    cr_assert_eq(left, 70);
    cr_assert_eq(recv_control(70, control, sizeof(control), &msg), 70);
    first_control(&msg, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
    cr_assert_eq(left, 0);
    in("F. 101:101(0) ack 1 win 65535");
    cr_assert_eq(recv_control(10, control, sizeof(control), &msg), 0);
    first_control(&msg, IPPROTO_TCP, TCP_CM_INQ, &left, sizeof(left));
    cr_assert_eq(left, 1, "the end is still to be read");
    t_skip();
}

Test(errqueue, so_timestampns_tells_when_data_came) {
    _Alignas(struct cmsghdr) char control[64];
    struct msghdr msg;
    struct timespec first, second;
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_TIMESTAMPNS, 1);
    in("P. 1:101(100) ack 1 win 65535");
    after(50);
    cr_assert_eq(recv_control(100, control, sizeof(control), &msg), 100);
    first_control(&msg, SOL_SOCKET, SO_TIMESTAMPNS, &first, sizeof(first));
    in("P. 101:201(100) ack 1 win 65535");
    cr_assert_eq(recv_control(100, control, sizeof(control), &msg), 100);
    first_control(&msg, SOL_SOCKET, SO_TIMESTAMPNS, &second, sizeof(second));
    int64_t ms = (second.tv_sec - first.tv_sec) * 1000 + (second.tv_nsec - first.tv_nsec) / 1000000;
    cr_assert_eq(ms, 50);
    t_skip();
}

Test(errqueue, so_peek_off_moves_with_peeks_and_back_with_reads) {
    t_established("mss 1000", 65535);
    t_set(SOL_SOCKET, SO_PEEK_OFF, 10);
    in("P. 1:101(100) ack 1 win 65535");
    char b[100];
    struct iovec iov = {b, 20};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    cr_assert_eq(sock_recv(t_stack(), t_sock(), &msg, MSG_PEEK), 20);
    cr_assert_eq((uint8_t)b[0], t_peer_byte(11));
    cr_assert_eq(sock_recv(t_stack(), t_sock(), &msg, MSG_PEEK), 20);
    cr_assert_eq((uint8_t)b[0], t_peer_byte(31));
    t_recv_some(25);
    cr_assert_eq(sock_recv(t_stack(), t_sock(), &msg, MSG_PEEK), 20);
    cr_assert_eq((uint8_t)b[0], t_peer_byte(51));
    t_skip();
}

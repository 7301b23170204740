/* TCP_INFO: what a connection tells of itself. (That its fields begin and end as Linux's do,
 * tests/apps/21_options.sh compares.) */
#include "tests/tcp/script.h"

TestSuite(info, .init = t_setup, .fini = t_finish);

static struct tcp_info_full info_full(void) {
    struct tcp_info_full f;
    socklen_t len = sizeof(f);
    cr_assert_eq(sock_getopt(t_stack(), t_sock(), IPPROTO_TCP, TCP_INFO, &f, &len), 0);
    cr_assert_eq(len, 280, "Linux 6.18's");
    return f;
}

Test(info, a_caller_gets_as_much_as_he_has_room_for) {
    struct tcp_info_full f;
    t_established("mss 1000", 65535);
    for (socklen_t room = 0; room <= sizeof(f); room += 7) {
        socklen_t len = room;
        cr_assert_eq(sock_getopt(t_stack(), t_sock(), IPPROTO_TCP, TCP_INFO, &f, &len), 0);
        cr_assert_eq(len, room);
    }
}

Test(info, segments_are_counted_one_by_one) {
    t_established("mss 1000,sackOK", 65535);
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    for (int i = 0; i < 5; i++)
        t_send(10); /* five segments of 10 bytes are five, not one of 50 */
    cr_assert_eq(t_info().tcpi_unacked, 5);
    cr_assert_eq(t_info().tcpi_bytes_sent, 50);
    cr_assert_eq(t_info().tcpi_data_segs_out, 5);
    in(". 1:1(0) ack 1 win 65535 <nop,nop,sack 11:21>");
    cr_assert_eq(t_info().tcpi_sacked, 1);
    in(". 1:1(0) ack 51 win 65535");
    cr_assert_eq(t_info().tcpi_unacked, 0);
    cr_assert_eq(t_info().tcpi_bytes_acked, 50);
    cr_assert_eq(t_info().tcpi_delivered, 6, "and the SYN-ACK");
    t_skip();
}

Test(info, busy_is_from_the_first_byte_queued_to_the_last_acknowledged) {
    t_established("mss 1000", 65535);
    after(500);
    cr_assert_eq(t_info().tcpi_busy_time, 0);
    t_send(100);
    after(70);
    cr_assert_eq(t_info().tcpi_busy_time, 70000, "it runs");
    in(". 1:1(0) ack 101 win 65535");
    after(500);
    cr_assert_eq(t_info().tcpi_busy_time, 70000);
    cr_assert_eq(t_info().tcpi_rwnd_limited, 0);
    t_skip();
}

Test(info, rwnd_limited_is_while_the_next_segment_does_not_fit) {
    t_established("mss 1000", 2000);
    t_send(3000);
    after(40);
    cr_assert_eq(t_info().tcpi_rwnd_limited, 40000);
    in(". 1:1(0) ack 2001 win 8000");
    after(30);
    cr_assert_eq(t_info().tcpi_rwnd_limited, 40000);
    cr_assert_eq(t_info().tcpi_busy_time, 70000);
    cr_assert_eq(t_info().tcpi_snd_wnd, 8000);
    t_skip();
}

Test(info, sndbuf_limited_is_while_the_application_waits_for_room) {
    t_established("mss 1000", 5000);
    t_set(SOL_SOCKET, SO_SNDBUF, 2304);
    cr_assert_eq(t_send_some(10000, 0), 4000);
    after(50);
    cr_assert_eq(t_info().tcpi_sndbuf_limited, 50000);
    t_skip();
}

Test(info, timeouts_and_the_time_they_took) {
    t_established("mss 1000", 65535);
    t_send(100);
    out("P. 1:101(100) ack 1");
    after(5000); /* probe, timeout, timeout … */
    struct tcp_info_full f = info_full();
    cr_assert_geq(f.total_rto, 2);
    cr_assert_eq(f.total_rto_recoveries, 1);
    cr_assert_gt(f.total_rto_time_ms, 500);
    cr_assert_eq(t_info().tcpi_ca_state, 4, "TCP_CA_Loss");
    in(". 1:1(0) ack 101 win 65535");
    uint32_t ms = info_full().total_rto_time_ms;
    after(1000);
    cr_assert_eq(info_full().total_rto_time_ms, ms, "over");
    cr_assert_eq(t_info().tcpi_bytes_acked, 100);
    cr_assert_eq(t_info().tcpi_bytes_retrans, 100ull * t_info().tcpi_total_retrans);
    t_skip();
}

Test(info, what_is_out_of_order_and_what_was_a_duplicate) {
    t_established("mss 1000,sackOK", 65535);
    in("P. 101:201(100) ack 1 win 65535");
    cr_assert_eq(t_info().tcpi_rcv_ooopack, 1);
    in("P. 1:101(100) ack 1 win 65535");
    cr_assert_eq(t_info().tcpi_bytes_received, 200);
    cr_assert_eq(t_info().tcpi_data_segs_in, 2);
    t_skip();
}

Test(info, times_since_the_last) {
    t_established("mss 1000", 65535);
    t_send(10);
    after(20);
    in("P. 1:11(10) ack 11 win 65535");
    after(30);
    cr_assert_eq(t_info().tcpi_last_data_sent, 50);
    cr_assert_eq(t_info().tcpi_last_data_recv, 30);
    cr_assert_eq(t_info().tcpi_last_ack_recv, 30);
    t_skip();
}

Test(info, a_fin_counts_among_what_is_acknowledged_and_received) {
    t_established("mss 1000", 65535);
    t_shutdown(SHUT_WR);
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535");
    cr_assert_eq(t_info().tcpi_bytes_acked, 1);
    cr_assert_eq(t_info().tcpi_bytes_received, 1);
    cr_assert_eq(t_info().tcpi_state, TCPS_CLOSED, "TIME-WAIT is not the socket's any more");
    t_skip();
}

Test(info, data_that_never_came_is_as_old_as_the_connection) {
    t_established("mss 1000", 65535);
    after(1000);
    cr_assert_eq(t_info().tcpi_last_data_recv, 1000);
    cr_assert_eq(t_info().tcpi_last_data_sent, 1000);
}

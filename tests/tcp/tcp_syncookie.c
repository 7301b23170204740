/* SYN cookies: a listener under a flood of SYNs keeps nothing of them, and still serves who answers
 * (RFC 4987 §3.6; hostile input V17). */
#include "tests/tcp/script.h"

TestSuite(syncookie, .init = t_setup, .fini = t_finish);

static void always(void) {
    t_cfg.tcp.syncookies = 2;
    t_listen();
}

Test(syncookie, an_answer_to_it_makes_the_connection) {
    always();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1 <mss 1460>");
    cr_assert_eq(t_state(), TCPS_CLOSED, "there is no such connection");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    t_send(3000);
    out(". 1:1461(1460) ack 1");
    out(". 1461:2921(1460) ack 1");
    out("P. 2921:3001(80) ack 1");
    in("P. 1:11(10) ack 3001 win 65535");
    t_skip();
    t_recv(10);
    cr_assert_eq(t_counter("TcpExtSyncookiesSent"), 1);
    cr_assert_eq(t_counter("TcpExtSyncookiesRecv"), 1);
}

/* The ACK was lost, or comes with the first data. */
Test(syncookie, data_with_the_answer) {
    always();
    in("S 0:0(0) win 65535 <mss 536>");
    out("S. 0:0(0) ack 1");
    in("P. 1:101(100) ack 1 win 65535");
    t_accept();
    t_skip();
    t_recv(100);
}

/* Window scale and SACK live in the low bits of the timestamp. */
Test(syncookie, options_are_kept_in_the_timestamp) {
    always();
    in("S 0:0(0) win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 5>");
    out("S. 0:0(0) ack 1 <mss 1460,sackOK,TS val * ecr 100,nop,wscale *>");
    in(". 1:1(0) ack 1 win 10 <nop,nop,TS val 101 ecr last>");
    t_accept();
    t_send(1000);
    out(". 1:321(320) ack 1 <nop,nop,TS val * ecr 101>"); /* the window is 10 << 5 */
    in("P. 101:201(100) ack 321 win 1000 <nop,nop,TS val 102 ecr last>");
    out(". 321:321(0) ack 1 <nop,nop,TS val * ecr 101,nop,nop,sack 101:201>");
    t_skip();
    in(". 1:1(0) ack 1001 win 1000 <nop,nop,TS val 103 ecr last>");
    t_skip();
}

Test(syncookie, without_timestamps_there_is_no_room_for_options) {
    always();
    in("S 0:0(0) win 65535 <mss 1460,nop,nop,sackOK,nop,wscale 5>");
    out("S. 0:0(0) ack 1 <mss 1460>");
    in(". 1:1(0) ack 1 win 10");
    t_accept();
}

Test(syncookie, a_guess_draws_a_reset) {
    always();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 77777 win 65535");
    out("R 77777:77777(0)");
    t_accept_none();
    cr_assert_eq(t_counter("TcpExtSyncookiesFailed"), 1);
}

Test(syncookie, an_old_one_draws_a_reset) {
    always();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    after(130000);
    in(". 1:1(0) ack 1 win 65535");
    out("R 1:1(0)");
    t_accept_none();
}

/* The accept queue is full: dropped, not refused. What the client sends next tries again. */
Test(syncookie, a_full_accept_queue_drops_the_answer) {
    t_cfg.tcp.syncookies = 2;
    t_listen_backlog(0);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    uint32_t first = t_local_isn();
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535"); /* the one that there is room for */
    t_peer_port(T_PEER_PORT);
    long long one = (int32_t)(first - t_local_isn()) + 1ll;
    in(". 1:1(0) ack %lld win 65535", one);
    expect_none();
    cr_assert_eq(t_counter("TcpExtListenOverflows"), 1);
    t_accept();
    in("P. 1:11(10) ack %lld win 65535", one);
    t_accept();
    t_recv(10);
    t_skip();
}

/* V17: spoofed SYNs, a hundred thousand of them. Memory is what it was, and a client that answers
 * is served. */
Test(syncookie, v17_a_flood_leaves_nothing_behind) {
    t_listen();
    for (int i = 0; i < 100000; i++) {
        t_peer_port((uint16_t)(1024 + i % 60000));
        t_peer_isn((uint32_t)i * 7919u);
        in("S 0:0(0) win 65535 <mss 1460>");
        t_skip();
    }
    cr_assert_geq(t_counter("TcpExtSyncookiesSent"), 99000);
    cr_assert_eq(t_counter("mem_conns_out"), 0);
    cr_assert_leq(t_connections(), 200, "the listener, and a SYN queue of 128");
    t_peer_port(1000);
    t_peer_isn(4711);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
}

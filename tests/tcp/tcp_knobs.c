/* What the sysctls of connections, listeners and timers change. */
#include "script.h"

TestSuite(knobs, .init = t_setup, .fini = t_finish);

/* tcp_abort_on_overflow: who completes a handshake for which there is no room is told. */
Test(knobs, abort_on_overflow_resets) {
    t_cfg.tcp.abort_on_overflow = true;
    t_listen_backlog(0);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    t_peer_port(40001);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535"); /* takes the one place */
    t_peer_port(T_PEER_PORT);
    in(". 1:1(0) ack 1 win 65535");
    out("R 1:1(0)");
}

/* tcp_max_orphans. */
Test(knobs, an_orphan_too_many_is_reset) {
    t_cfg.tcp.max_orphans = 0;
    t_established("mss 1000", 65535);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    t_close();
    out("F. 1001:1001(0) ack 1");
    out("R. 1002:1002(0) ack 1");
    cr_assert_eq(t_counter("TcpExtTCPAbortOnMemory"), 1);
}

/* tcp_rto_max_ms, TCP_RTO_MAX_MS: the timeout doubles up to it. */
Test(knobs, rto_max_bounds_the_timeout) {
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */, 1000);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    out_after(200, "P. 1:1001(1000) ack 1");
    out_after(400, "P. 1:1001(1000) ack 1");
    out_after(800, "P. 1:1001(1000) ack 1");
    out_after(1000, "P. 1:1001(1000) ack 1");
    out_after(1000, "P. 1:1001(1000) ack 1");
}

/* An active open of the one port that there is, and its end in TIME-WAIT. */
static void into_time_wait(uint32_t tw_reuse) {
    t_cfg.tcp.port_range[0] = t_cfg.tcp.port_range[1] = 7777;
    t_cfg.tcp.tw_reuse = tw_reuse;
    t_connected("mss 1000,nop,nop,TS val 100 ecr 0", 65535);
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535 <nop,nop,TS val 200 ecr last>");
    out(". 2:2(0) ack 2");
    t_expect_state(TCPS_TIME_WAIT);
}

/* tcp_tw_reuse, tcp_tw_reuse_delay. */
Test(knobs, rfc6191_connect_takes_over_its_time_wait) {
    into_time_wait(1);
    uint32_t old = t_local_isn(), tsval = t_last_tsval();
    t_socket();
    after(990);
    cr_assert_eq(t_connect_again(), -EADDRNOTAVAIL);
    after(20);
    cr_assert_eq(t_connect_again(), -EINPROGRESS);
    cr_assert_gt((int32_t)(t_peek_seq() - old), 65535);
    out("S 0:0(0) <mss 1460,sackOK,TS val * ecr 0,nop,wscale *>");
    cr_assert_gt((int32_t)(t_last_tsval() - tsval), 0);
    t_expect_state(TCPS_SYN_SENT);
    cr_assert_eq(t_counter("TcpExtTWRecycled"), 1);
}

Test(knobs, tw_reuse_by_default_is_for_loopback_only) {
    into_time_wait(2);
    t_socket();
    after(2000);
    cr_assert_eq(t_connect_again(), -EADDRNOTAVAIL);
}

/* As Linux: who has bound the port waits for nothing. */
Test(knobs, rfc6191_a_bound_connect_takes_over_its_time_wait_at_once) {
    t_connect_from_port();
    out("S 0:0(0)");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000,nop,nop,TS val 100 ecr 0>");
    out(". 1:1(0) ack 1");
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535 <nop,nop,TS val 200 ecr last>");
    out(". 2:2(0) ack 2");
    t_connect_from_port();
    out("S 0:0(0)");
    cr_assert_eq(t_counter("TcpExtTWRecycled"), 1);
}

/* tcp_thin_linear_timeouts and the option: six timeouts of the same length. */
static void expect_linear_timeouts(void) {
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    for (int i = 0; i < 7; i++)
        out_after(200, "P. 1:1001(1000) ack 1");
    out_after(400, "P. 1:1001(1000) ack 1");
    out_after(800, "P. 1:1001(1000) ack 1");
}

Test(knobs, thin_linear_timeouts_do_not_double_at_first) {
    t_cfg.tcp.thin_linear = true;
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1000", 65535);
    expect_linear_timeouts();
}

Test(knobs, thin_linear_timeouts_of_one_socket) {
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1);
    expect_linear_timeouts();
}

Test(knobs, thin_linear_timeouts_are_not_for_thick_streams) {
    t_cfg.tcp.thin_linear = true;
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1000", 65535);
    t_send(4000);
    t_skip();
    out_after(200, ". 1:1001(1000) ack 1");
    out_after(400, ". 1:1001(1000) ack 1");
}

static in_port_t local_port(void) {
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    cr_assert_eq(sock_getname(t_stack(), t_sock(), false, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

/* ip_local_port_range, ip_local_reserved_ports. */
Test(knobs, ports_are_of_the_range) {
    t_cfg.tcp.port_range[0] = t_cfg.tcp.port_range[1] = 7777;
    t_connect();
    cr_assert_eq(local_port(), 7777);
    t_skip();
}

Test(knobs, but_not_of_the_reserved_ones) {
    t_cfg.tcp.port_range[0] = 40000, t_cfg.tcp.port_range[1] = 40009;
    cr_assert_eq(ports_parse("40000-40006,40008-40020", &t_cfg.tcp.reserved_ports), 0);
    t_connect();
    cr_assert_eq(local_port(), 40007);
    t_skip();
}

/* ---- tcp_reflect_tos ---- */

Test(knobs, what_is_accepted_has_the_tos_of_its_syn) {
    t_cfg.tcp.reflect_tos = true;
    t_listen();
    in("S 0:0(0) win 65535 dscp 10 <mss 1000>");
    out("S. 0:0(0) ack 1 dscp 10");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    t_send(10);
    out("P. 1:11(10) ack 1 dscp 10");
    cr_assert_eq(t_get(IPPROTO_IP, IP_TOS), 10 << 2);
}

Test(knobs, a_cookie_s_child_has_the_tos_of_its_ack) {
    t_cfg.tcp.reflect_tos = true;
    t_cfg.tcp.syncookies = SYNCOOKIES_ALWAYS;
    t_listen();
    in("S 0:0(0) win 65535 dscp 10 <mss 1000>");
    out("S. 0:0(0) ack 1 dscp 10");
    in(". 1:1(0) ack 1 win 65535 dscp 12");
    t_accept();
    t_send(10);
    out("P. 1:11(10) ack 1 dscp 12");
}

Test(knobs, the_tos_of_a_syn_is_by_default_no_affair_of_ours) {
    t_listen();
    in("S 0:0(0) win 65535 dscp 10 <mss 1000>");
    out("S. 0:0(0) ack 1 dscp 0");
}

/* ---- ip_no_pmtu_disc, tcp_pingpong_thresh ---- */

Test(knobs, without_path_mtu_discovery_nothing_bears_df) {
    t_cfg.tcp.no_pmtu_disc = 1;
    t_df = false;
    t_established("mss 1000", 65535);
    t_send(10);
    out("P. 1:11(10) ack 1");
    cr_assert_eq(t_get(IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
}

/* How many answers until ACKs wait for them. */
static void expect_interactive_after(int answers) {
    t_established("mss 1000", 65535);
    for (int i = 0; i <= answers; i++) {
        int at = 1 + 10 * i;
        in("P. %d:%d(10) ack %d win 65535", at, at + 10, at);
        if (i < answers)
            out(". %d:%d(0) ack %d", at, at, at + 10); /* a quick ACK still */
        t_recv(10);
        t_send(10);
        out("P. %d:%d(10) ack %d", at, at + 10, at + 10);
    }
}

Test(knobs, the_first_answer_makes_a_connection_interactive) {
    expect_interactive_after(1);
}

Test(knobs, pingpong_thresh_asks_for_more_answers) {
    t_cfg.tcp.pingpong_thresh = 3;
    expect_interactive_after(3);
}

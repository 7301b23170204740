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

/* ip_local_port_range. */
Test(knobs, ports_are_of_the_range) {
    t_cfg.tcp.port_range[0] = t_cfg.tcp.port_range[1] = 7777;
    t_connect();
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    cr_assert_eq(sock_getname(t_stack(), t_sock(), false, (struct sockaddr *)&a, &len), 0);
    cr_assert_eq(ntohs(a.sin_port), 7777);
    t_skip();
}

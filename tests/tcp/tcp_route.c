/* What a route says of the way to the peer: Linux's metrics, in the words of ip(8). */
#include "tests/tcp/script.h"

#include <stdio.h>
#include <string.h>

TestSuite(route, .init = t_setup, .fini = t_finish);

static void route(const char *metrics) {
    char text[200];
    snprintf(text, sizeof(text), "10.0.0.0/24 %s", metrics);
    const char *why = route_parse(text, &t_cfg.net.route[t_cfg.net.nroutes++]);
    cr_assert_null(why, "%s: %s", text, why);
}

static void expect_cc(const char *name) {
    char got[16];
    socklen_t len = sizeof(got);
    cr_assert_eq(sock_getopt(t_stack(), t_sock(), IPPROTO_TCP, TCP_CONGESTION, got, &len), 0);
    cr_assert_str_eq(got, name);
}
static int choose_cc(const char *name) {
    return sock_setopt(t_stack(), t_sock(), IPPROTO_TCP, TCP_CONGESTION, name,
                       (socklen_t)strlen(name));
}
/* ---- MSS ---- */

Test(route, advmss_is_what_we_announce) {
    route("advmss 1200");
    t_connect();
    out("S 0:0(0) <mss 1200,sackOK,TS val * ecr 0,nop,wscale *>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1460>");
    out(". 1:1(0) ack 1");
    t_send(1460); /* which does not bind us */
    out("P. 1:1461(1460) ack 1");
    in(". 1:1(0) ack 1461 win 65535");
}

Test(route, advmss_of_a_passive_open_may_exceed_the_mtu) { /* as in Linux */
    route("advmss 8960");
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1 <mss 8960>");
}

Test(route, tcp_maxseg_lowers_it_further) {
    route("advmss 1200");
    t_connect_options(TCP_MAXSEG, 1000);
    out("S 0:0(0) <mss 1000,sackOK,TS val * ecr 0,nop,wscale *>");
}

Test(route, mtu_bounds_what_we_announce_and_send) {
    route("mtu 1400");
    t_connect();
    out("S 0:0(0) <mss 1360,sackOK,TS val * ecr 0,nop,wscale *>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1460>");
    out(". 1:1(0) ack 1");
    t_send(1400);
    out(". 1:1361(1360) ack 1");
    out("P. 1361:1401(40) ack 1");
    in(". 1:1(0) ack 1401 win 65535");
}

Test(route, a_locked_mtu_does_without_df_and_hears_no_router) {
    route("mtu lock 1400");
    t_df = false;
    t_established("mss 1460", 65535);
    t_send(1360);
    out("P. 1:1361(1360) ack 1");
    in_icmp(3, 4, 1000, ". 1:1361(1360) ack 1");
    expect_none();
    in(". 1:1(0) ack 1361 win 65535");
}

/* ---- congestion control ---- */

Test(route, congctl_goes_before_the_stacks) {
    route("congctl bbr");
    t_established("mss 1460", 65535);
    expect_cc("bbr");
}

Test(route, tcp_congestion_goes_before_congctl) {
    route("congctl bbr");
    t_connected("mss 1460", 65535);
    expect_cc("bbr");
    cr_assert_eq(choose_cc("reno"), 0);
    expect_cc("reno");
}

Test(route, a_listeners_tcp_congestion_goes_before_congctl) {
    route("congctl bbr");
    t_listen();
    cr_assert_eq(choose_cc("reno"), 0);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    expect_cc("reno");
}

Test(route, a_locked_congctl_is_nobodys_to_change) {
    route("congctl lock bbr");
    t_listen();
    cr_assert_eq(choose_cc("reno"), 0); /* a listener has no route yet */
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    expect_cc("bbr");
    cr_assert_eq(choose_cc("reno"), -EPERM);
    expect_cc("bbr");
}

Test(route, a_congctl_that_is_not_here_is_none) { /* the namespace's kernel may have more */
    route("congctl lock vegas");
    t_established("mss 1460", 65535);
    expect_cc("cubic");
    cr_assert_eq(choose_cc("reno"), 0);
}

Test(route, congctl_dctcp_asks_for_ecn) {
    route("congctl dctcp");
    t_connect();
    out("SEW 0:0(0)");
}

Test(route, initcwnd_is_the_first_window_and_the_one_after_a_pause) {
    route("initcwnd 3");
    t_established("mss 1000", 65535);
    cr_assert_eq(t_info().tcpi_snd_cwnd, 3);
    t_send(5000);
    out(". 1:1001(1000) ack 1");
    out(". 1001:2001(1000) ack 1");
    out(". 2001:3001(1000) ack 1");
    expect_none();
    after(20);
    in(". 1:1(0) ack 3001 win 65535");
    out(". 3001:4001(1000) ack 1");
    out("P. 4001:5001(1000) ack 1");
    in(". 1:1(0) ack 5001 win 65535");
    after(60000);
    cr_assert_gt(t_info().tcpi_snd_cwnd, 3);
    t_send(5000);
    cr_assert_eq(t_skip(), 3);
    in(". 1:1(0) ack 10001 win 65535");
    t_skip();
}

Test(route, initcwnd_may_be_larger_than_ten_segments) {
    route("initcwnd 20");
    t_established("mss 1000", 65535);
    cr_assert_eq(t_info().tcpi_snd_cwnd, 20);
}

/* ---- our window ---- */

Test(route, window_is_the_most_that_we_offer) {
    route("window 10000");
    t_connect();
    out("S 0:0(0) win 8760 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 0>"); /* whole segments */
    in("S. 0:0(0) ack 1 win 65535 <mss 1460,nop,wscale 7>");
    out(". 1:1(0) ack 1 win 10000");
}

Test(route, tcp_window_clamp_goes_before_window) {
    route("window 10000");
    t_connect_options(TCP_WINDOW_CLAMP, 5000);
    out("S 0:0(0) win 4380");
}

Test(route, initrwnd_is_the_first_window_which_opens_as_data_comes) {
    route("initrwnd 4");
    t_listen();
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1 win 5840");
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    in(". 1:1461(1460) ack 1 win 65535");
    out(". 1:1(0) ack 1461 win 8760");
    in(". 1461:2921(1460) ack 1 win 65535");
    out(". 1:1(0) ack 2921 win 11680");
    t_recv(2920);
    for (uint32_t at = 2921; at < 2921 + 40 * 1460; at += 1460) {
        in(". %u:%u(1460) ack 1 win 65535", at, at + 1460);
        t_recv(1460);
    }
    t_skip();
    cr_assert_geq(t_info().tcpi_rcv_ssthresh, 65535, "%u", t_info().tcpi_rcv_ssthresh);
}

Test(route, initrwnd_does_not_widen_the_window) { /* as in Linux */
    route("initrwnd 200");
    t_established("mss 1460", 65535);
    cr_assert_eq(t_info().tcpi_rcv_ssthresh, t_cfg.tcp.rmem[MEM_FIRST] / 2);
}

/* ---- times and the rest ---- */

Test(route, rto_min_goes_before_the_sysctl_and_the_option) {
    route("rto_min 50ms");
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1000", 65535);
    t_send(1000);
    out("P. 1:1001(1000) ack 1");
    in(". 1:1(0) ack 1001 win 65535");
    cr_assert_lt(t_info().tcpi_rto, 80000, "%u", t_info().tcpi_rto);
    t_set(IPPROTO_TCP, 45 /* TCP_RTO_MIN_US */, 100000);
    t_send(1000);
    out("P. 1001:2001(1000) ack 1");
    in(". 1:1(0) ack 2001 win 65535");
    cr_assert_lt(t_info().tcpi_rto, 80000, "%u", t_info().tcpi_rto);
}

Test(route, rto_min_makes_a_delayed_ack_wait_less_than_that) { /* as Linux's tcp_delack_max */
    route("rto_min 20ms");
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_QUICKACK, 0);
    in("P. 1:101(100) ack 1 win 65535");
    out_after(19, ". 1:1(0) ack 101");
    t_recv(100);
}

Test(route, quickack_leaves_no_ack_for_later) {
    route("quickack 1");
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_QUICKACK, 0);
    for (uint32_t at = 1; at < 40 * 100; at += 100) {
        in("P. %u:%u(100) ack 1 win 65535", at, at + 100);
        out(". 1:1(0) ack %u", at + 100);
        t_recv(100);
    }
}

Test(route, features_ecn_asks) {
    route("features ecn");
    t_connect();
    out("SEW 0:0(0)");
}

Test(route, features_ecn_answers_where_tcp_ecn_is_0) {
    route("features ecn");
    t_cfg.tcp.ecn = 0;
    t_listen();
    in("SEW 0:0(0) win 65535 <mss 1000>");
    out("S.E 0:0(0) ack 1");
}

/* The path MTU found by packets that arrive or do not (RFC 4821), and what IP_MTU_DISCOVER makes of
 * what ICMP says. */
#include "script.h"

#include "stack/tcp/mtu.h"

TestSuite(mtu, .init = t_setup, .fini = t_finish);

#define ICMP_UNREACH      3
#define ICMP_UNREACH_FRAG 4

/* A router drops full segments and says nothing. From tcp_retries1's time on they become smaller,
 * tcp_base_mss at first, then half of it. */
Test(mtu, rfc4821_a_black_hole_makes_segments_smaller) {
    t_cfg.tcp.mtu_probing = MTU_PROBING_ON_BLACKHOLE;
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1460", 65535);
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    out_after(200, "P. 1:1461(1460) ack 1");
    out_after(400, "P. 1:1461(1460) ack 1");
    out_after(800, "P. 1:1461(1460) ack 1");
    out_after(1600, ". 1:1025(1024) ack 1");
    in(". 1:1(0) ack 1025 win 65535");
    out("P. 1025:1461(436) ack 1");
    in(". 1:1(0) ack 1461 win 65535");
}

Test(mtu, rfc4821_a_deeper_black_hole_halves_again) {
    t_cfg.tcp.mtu_probing = MTU_PROBING_ON_BLACKHOLE;
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1460", 65535);
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    for (int i = 0, ms = 200; i < 3; i++, ms *= 2)
        out_after(ms, "P. 1:1461(1460) ack 1");
    out_after(1600, ". 1:1025(1024) ack 1");
    out_after(3200, ". 1:513(512) ack 1");
    in(". 1:1(0) ack 513 win 65535");
    t_skip();
}

Test(mtu, without_probing_segments_stay_as_they_are) {
    t_cfg.tcp.early_retrans = 0;
    t_established("mss 1460", 65535);
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    for (int i = 0, ms = 200; i < 6; i++, ms *= 2)
        out_after(ms, "P. 1:1461(1460) ack 1");
}

/* With tcp_mtu_probing 2 a connection begins with tcp_base_mss, and sends one larger segment, the
 * middle of what is known to arrive and what may, when there is enough behind it. */
static void until_probe(void) {
    t_cfg.tcp.mtu_probing = MTU_PROBING_ALWAYS;
    t_cfg.tcp.pacing_ss_ratio = 1000;
    t_established("mss 1460, sackOK", 65535);
    t_send(10240);
    t_skip();
    in(". 1:1(0) ack 10241 win 65535"); /* cwnd 20 */
    t_send(20480);
    out(". 10241:11483(1242) ack 1");
}

Test(mtu, rfc4821_a_probe_that_arrives_raises_the_mss) {
    until_probe();
    t_skip();
    in(". 1:1(0) ack 28891 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPMTUPSuccess"), 1);
    out(". 28891:30133(1242) ack 1");
    t_skip();
    in(". 1:1(0) ack 30721 win 65535");
}

/* Its loss alone is no sign of congestion (§7.5): the bytes go again in smaller segments, cwnd
 * stays. */
Test(mtu, rfc4821_a_probe_that_is_lost_is_no_congestion) {
    until_probe();
    t_skip();
    in(". 1:1(0) ack 10241 win 65535 <nop,nop,sack 11483:28891>");
    out(". 10241:11265(1024) ack 1");
    out(". 11265:11483(218) ack 1");
    cr_assert_eq(t_counter("TcpExtTCPMTUPFail"), 1);
    cr_assert_eq(t_counter("TcpExtTCPSackRecovery"), 0);
    in(". 1:1(0) ack 28891 win 65535");
    t_skip();
}

/* IP_PMTUDISC_INTERFACE and OMIT: whoever claims that a segment was too large is not heard. */
Test(mtu, pmtudisc_omit_does_not_hear_icmp) {
    t_established("mss 1460", 65535);
    t_set(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    t_df = false;
    t_send(1460);
    out("P. 1:1461(1460) ack 1");
    in_icmp(ICMP_UNREACH, ICMP_UNREACH_FRAG, 1000, "P. 1:1461(1460) ack 1");
    expect_none();
    in(". 1:1(0) ack 1461 win 65535");
}

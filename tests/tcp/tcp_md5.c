/* TCP MD5 signatures: RFC 2385, TCP_MD5SIG. Every segment that the stack sends while t_md5_key is
 * set must be signed with that key, and rightly; without it none may be signed (script.c sees to
 * that). */
#include "stack/tcp/tcb.h"
#include "tests/tcp/script.h"

TestSuite(md5, .init = t_setup, .fini = t_finish);

#define PEER 0x0a000002u
#define SIG  "nop,nop,md5 secret"

static void listen_with_key(const char *key) {
    t_listen();
    cr_assert_eq(t_set_md5(PEER, 32, key), 0);
    t_md5_key(key);
}

/* Passive open with the key "secret", accepted. */
static void established(void) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    t_accept();
    expect_none();
}

static void count(const char *what, uint64_t n) {
    cr_assert_eq(t_counter(what), n, "%s is %lu", what, (unsigned long)t_counter(what));
}

/* ---- a connection's life ---- */

Test(md5, rfc2385_every_segment_is_signed_passive) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    out("S. 0:0(0) ack 1 <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
    out_after(1000, "S. 0:0(0) ack 1 <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
    in(". 1:1(0) ack 1 win 512 <" SIG ">");
    t_accept();
    in("P. 1:11(10) ack 1 win 512 <" SIG ">");
    t_recv(10);
    out(". 1:1(0) ack 11 <nop,nop,md5>");
    t_send(20);
    out("P. 1:21(20) ack 11 <nop,nop,md5>");
    out_within(2000, "P. 1:21(20) ack 11 <nop,nop,md5>");
    in(". 11:11(0) ack 21 win 512 <" SIG ">");
    t_close();
    out("F. 21:21(0) ack 11 <nop,nop,md5>");
    in("F. 11:11(0) ack 22 win 512 <" SIG ">");
    out(". 22:22(0) ack 12 <nop,nop,md5>");
    t_expect_state(TCPS_TIME_WAIT);
    after(1000);
    in("F. 11:11(0) ack 22 win 512"); /* unsigned: nothing */
    expect_none();
    in("F. 11:11(0) ack 22 win 512 <" SIG ">");
    out(". 22:22(0) ack 12 <nop,nop,md5>");
    count("TcpExtTCPMD5NotFound", 1);
    count("TcpExtTCPMD5Failure", 0);
}

/* As Linux: our SYN has no timestamp, since with one there would be no room for SACK blocks. */
Test(md5, rfc2385_every_segment_is_signed_active) {
    t_socket();
    cr_assert_eq(t_set_md5(PEER, 32, "secret"), 0);
    t_md5_key("secret");
    cr_assert_eq(t_connect_again(), -EINPROGRESS);
    out("S 0:0(0) <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
    in("S. 0:0(0) ack 1 win 65535 <" SIG ",mss 1460,nop,nop,sackOK>");
    out(". 1:1(0) ack 1 <nop,nop,md5>");
    t_send(10);
    out("P. 1:11(10) ack 1 <nop,nop,md5>");
    in("P. 1:11(10) ack 11 win 65535 <" SIG ">");
    t_recv(10);
    out(". 11:11(0) ack 11 <nop,nop,md5>");
    t_set_linger(0);
    t_close();
    out("R. 11:11(0) ack 11 <nop,nop,md5>");
}

Test(md5, simultaneous_open) {
    t_socket();
    cr_assert_eq(t_set_md5(PEER, 32, "secret"), 0);
    t_md5_key("secret");
    cr_assert_eq(t_connect_again(), -EINPROGRESS);
    out("S 0:0(0)");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in("S. 0:0(0) ack 1 win 65535 <" SIG ",mss 1460>");
    t_skip();
    t_expect_state(TCPS_ESTABLISHED);
}

/* ---- what does not get in ---- */

Test(md5, rfc2385_an_unsigned_segment_is_dropped_without_an_answer) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <mss 1460>");
    expect_none();
    count("TcpExtTCPMD5NotFound", 1);
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535");
    t_accept_none();
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    t_accept();
    in("P. 1:11(10) ack 1 win 65535");
    in("R 1:1(0) win 0");
    in("F. 1:1(0) ack 1 win 65535");
    in("S 1:1(0) win 65535");
    expect_none();
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    count("TcpExtTCPMD5NotFound", 6);
}

Test(md5, rfc2385_a_false_signature_is_dropped_without_an_answer) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <nop,nop,md5 Secret,mss 1460>");
    in("S 0:0(0) win 65535 <nop,nop,md5,mss 1460>");
    in("S 0:0(0) win 65535 <nop,nop,md5 secret\1,mss 1460>");
    expect_none();
    count("TcpExtTCPMD5Failure", 3);
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    t_accept();
    in("R 1:1(0) win 0 <nop,nop,md5 secre>");
    in("P. 1:1001(1000) ack 1 win 65535 <nop,nop,md5 secretsecret>");
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    expect_none();
    count("TcpExtTCPMD5Failure", 5);
}

Test(md5, of_two_signatures_none_counts) {
    established();
    in("P. 1:11(10) ack 1 win 65535 <md5,nop,nop,md5 secret>");
    cr_assert_eq(t_recv_some(10), -EAGAIN);
    count("TcpExtTCPMD5Failure", 1);
}

Test(md5, v19_a_signed_rst_resets) {
    established();
    in("R 1:1(0) win 0 <" SIG ">");
    t_expect_state(TCPS_CLOSED);
}

Test(md5, a_signed_segment_where_the_key_is_another_peers) {
    t_listen();
    cr_assert_eq(t_set_md5(PEER + 1, 32, "secret"), 0);
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    expect_none();
    count("TcpExtTCPMD5Unexpected", 1);
    in("S 0:0(0) win 65535 <mss 1460>");
    out("S. 0:0(0) ack 1 <mss 1460>");
}

/* ---- resets without a connection ---- */

Test(md5, a_listener_signs_its_resets) {
    listen_with_key("secret");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    out("R 1:1(0) <nop,nop,md5>");
}

/* RFC 2385 §4.1: who has lost his state and listens again on the port where the other end's
 * segments come from (as BGP speakers do, 179 to 179 and from 179) can still reset them. */
Test(md5, rfc2385_a_stray_segment_is_answered_with_the_key_of_the_listener_on_its_port) {
    listen_with_key("secret");
    t_md5_key(NULL);
    t_peer_port(T_PORT);
    t_connect();
    out("S 0:0(0)");
    in("R. 0:0(0) ack 1 win 0");
    t_close(); /* what follows goes to this socket's port */
    t_md5_key("secret");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    out("R 1:1(0) <nop,nop,md5>");
    in("P. 1:11(10) ack 1 win 65535 <nop,nop,md5 other>"); /* no oracle for signatures */
    in("R. 1:1(0) ack 1 win 0 <" SIG ">");
    expect_none();
    t_md5_key(NULL);
    in(". 1:1(0) ack 1 win 65535");
    out("R 1:1(0) <>");
    cr_assert_eq(t_set_md5(PEER, 32, ""), 0);
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    expect_none();
}

Test(md5, data_for_a_reader_who_is_gone) {
    established();
    t_close();
    out("F. 1:1(0) ack 1");
    in("P. 1:11(10) ack 2 win 65535 <" SIG ">");
    out("R 2:2(0) <nop,nop,md5>");
}

/* ---- room in the header ---- */

Test(md5, without_sack_there_is_room_for_timestamps) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460,nop,nop,TS val 100 ecr 0>");
    out("S. 0:0(0) ack 1 <nop,nop,md5,mss 1460,nop,nop,TS val * ecr 100>");
    in(". 1:1(0) ack 1 win 65535 <" SIG ",nop,nop,TS val 101 ecr last>");
    t_accept();
    t_send(3000);
    out(". 1:1429(1428) ack 1 <nop,nop,md5,nop,nop,TS val * ecr 101>");
    t_skip();
}

Test(md5, the_mss_makes_room_and_no_super_segments_are_sent) {
    t_cfg.net.gso_max = 65536;
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    t_accept();
    t_send(6000);
    for (int i = 0; i < 4; i++)
        out(". %d:%d(1440) ack 1 <nop,nop,md5>", 1 + i * 1440, 1 + (i + 1) * 1440);
    out("P. 5761:6001(240) ack 1 <nop,nop,md5>");
    in(". 1:1(0) ack 6001 win 65535 <" SIG ">");
}

Test(md5, two_sack_blocks_fit) {
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460,nop,nop,sackOK>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    t_accept();
    in(". 101:201(100) ack 1 win 65535 <" SIG ">");
    out(". 1:1(0) ack 1 <nop,nop,md5,nop,nop,sack 101:201>");
    in(". 301:401(100) ack 1 win 65535 <" SIG ">");
    out(". 1:1(0) ack 1 <nop,nop,md5,nop,nop,sack 301:401 101:201>");
    in(". 501:601(100) ack 1 win 65535 <" SIG ">");
    out(". 1:1(0) ack 1 <nop,nop,md5,nop,nop,sack 501:601 301:401>");
    t_send(3000);
    out(". 1:1421(1420) ack 1 <nop,nop,md5,nop,nop,sack 501:601 301:401>");
    t_skip();
}

/* A key that comes when timestamps and SACK are both in use leaves room for no block; what is sent
 * again is cut anew. */
Test(md5, a_key_on_top_of_timestamps_and_sack) {
    t_cfg.net.gso_max = 65536;
    t_established("mss 1460,sackOK,TS val 100 ecr 0", 65535);
    t_send(5792);
    t_skip();
    cr_assert_eq(t_set_md5(PEER, 32, "secret"), 0);
    t_md5_key("secret");
    in(". 101:201(100) ack 1 win 65535 <" SIG ",nop,nop,TS val 101 ecr last>");
    out(". 5793:5793(0) ack 1 <nop,nop,md5,nop,nop,TS val * ecr 101>");
    out_within(2000, "P. 5713:5793(80) ack 1 <nop,nop,md5,nop,nop,TS val * ecr 101>");
    out_within(2000, ". 1:1429(1428) ack 1 <nop,nop,md5,nop,nop,TS val * ecr 101>");
    t_skip();
}

Test(md5, a_cookie_keeps_timestamps_and_the_key) {
    t_cfg.tcp.syncookies = 2;
    listen_with_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 5>");
    out("S. 0:0(0) ack 1 <nop,nop,md5,mss 1460,sackOK,TS val * ecr 100,nop,wscale *>");
    in(". 1:1(0) ack 1 win 512 <nop,nop,TS val 101 ecr last>");
    t_accept_none();
    in(". 1:1(0) ack 1 win 512 <" SIG ",nop,nop,TS val 101 ecr last>");
    t_accept();
    t_send(10);
    out("P. 1:11(10) ack 1 <nop,nop,md5,nop,nop,TS val * ecr 101>");
    in(". 1:1(0) ack 11 win 512 <" SIG ",nop,nop,TS val 102 ecr last>");
    count("TcpExtSyncookiesRecv", 1);
}

/* A Fast Open cookie does not fit: there is none, and data waits for the handshake. */
Test(md5, no_fast_open_cookies) {
    t_cfg.tcp.fastopen = FASTOPEN_CLIENT | FASTOPEN_SERVER;
    listen_with_key("secret");
    t_set(IPPROTO_TCP, TCP_FASTOPEN, 8);
    in("S 0:0(0) win 65535 <" SIG ",mss 1460,FO>");
    out("S. 0:0(0) ack 1 <nop,nop,md5,mss 1460>");
    t_socket();
    cr_assert_eq(t_set_md5(PEER, 32, "secret"), 0);
    t_set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    cr_assert_eq(t_connect_again(), -EINPROGRESS);
    out("S 0:0(0) <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
}

/* ---- keys ---- */

Test(md5, the_longest_prefix_counts) {
    t_listen();
    cr_assert_eq(t_set_md5(0, 0, "any"), 0);
    cr_assert_eq(t_set_md5(0x0a0000ff, 24, "net"), 0); /* bits behind the prefix do not matter */
    cr_assert_eq(t_set_md5(0x0a000100, 24, "other"), 0);
    t_md5_key("net");
    in("S 0:0(0) win 65535 <nop,nop,md5 any,mss 1460>");
    expect_none();
    in("S 0:0(0) win 65535 <nop,nop,md5 net,mss 1460>");
    out("S. 0:0(0) ack 1");
    cr_assert_eq(t_set_md5(0x0a000000, 24, ""), -ENOENT, "written in another way");
    cr_assert_eq(t_set_md5(0x0a0000ff, 24, ""), 0);
    t_peer_port(T_PEER_PORT + 1);
    t_md5_key("any");
    in("S 0:0(0) win 65535 <nop,nop,md5 any,mss 1460>");
    out("S. 0:0(0) ack 1");
}

Test(md5, a_child_has_a_key_of_its_own) {
    t_listen();
    cr_assert_eq(t_set_md5(0x0a000000, 8, "secret"), 0);
    t_md5_key("secret");
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
    in(". 1:1(0) ack 1 win 65535 <" SIG ">");
    cr_assert_eq(t_set_md5(0x0a000000, 8, ""), 0);
    t_accept();
    t_send(10);
    out("P. 1:11(10) ack 1");
    in(". 1:1(0) ack 11 win 65535 <" SIG ">");
    cr_assert_eq(t_set_md5(0x0a000000, 8, ""), -ENOENT, "it is for the peer alone");
    cr_assert_eq(t_set_md5(PEER, 32, "another"), 0);
    t_md5_key("another");
    t_send(10);
    out("P. 11:21(10) ack 1");
    in(". 1:1(0) ack 21 win 65535 <" SIG ">");
    count("TcpExtTCPMD5Failure", 1);
    in(". 1:1(0) ack 21 win 65535 <nop,nop,md5 another>");
    cr_assert_eq(t_set_md5(PEER, 32, ""), 0);
    t_md5_key(NULL);
    t_send(1460);
    out("P. 21:1481(1460) ack 1 <>");
    in(". 1:1(0) ack 1481 win 65535");
}

/* TIME-WAIT is left by a SYN that the listener's key admits, which may be a newer one. */
Test(md5, time_wait_is_reopened_by_the_listeners_key) {
    established();
    t_close();
    out("F. 1:1(0) ack 1");
    in("F. 1:1(0) ack 2 win 65535 <" SIG ">");
    out(". 2:2(0) ack 2");
    cr_assert_eq(t_set_md5(PEER, 32, "newer"), 0);
    in("S 10000:10000(0) win 65535 <" SIG ",mss 1460>");
    in("S 10000:10000(0) win 65535 <mss 1460>");
    expect_none();
    t_expect_state(TCPS_TIME_WAIT);
    t_md5_key("newer");
    in("S 10000:10000(0) win 65535 <nop,nop,md5 newer,mss 1460>");
    out("S. 0:0(0) ack 10001");
    t_expect_state(TCPS_SYN_RCVD);
}

Test(md5, keys_stay_when_a_socket_connects_again) {
    t_socket();
    cr_assert_eq(t_set_md5(PEER, 32, "secret"), 0);
    t_md5_key("secret");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(t_connect_again(), -EINPROGRESS);
        out("S 0:0(0) <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
        in("R. 0:0(0) ack 1 win 0 <" SIG ">");
        cr_assert_eq(t_connect_again(), -ECONNREFUSED);
    }
}

/* connect(AF_UNSPEC) makes the socket anew, but for its keys. */
Test(md5, a_disconnect_is_signed_and_keeps_the_keys) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    established();
    cr_assert_eq(sock_connect(t_stack(), t_sock(), &none, sizeof(none)), 0);
    after(1);
    out("R. 1:1(0) ack 1 <nop,nop,md5>");
    cr_assert_eq(t_connect_again(), -EINPROGRESS);
    out("S 0:0(0) <nop,nop,md5,mss 1460,nop,nop,sackOK,nop,wscale *>");
}

static int set_raw(const struct tcp_md5sig *sig, int name, socklen_t len) {
    return sock_setopt(t_stack(), t_sock(), IPPROTO_TCP, name, sig, len);
}

/* As Linux says it (tcp_v4_parse_md5_keys). */
Test(md5, what_setsockopt_refuses) {
    struct tcp_md5sig sig = {.tcpm_keylen = 3, .tcpm_key = "abc"};
    struct sockaddr_in *sin = (struct sockaddr_in *)&sig.tcpm_addr;
    t_socket();
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), -EINVAL, "no family");
    sin->sin_family = AF_INET6;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), -EINVAL);
    sin->sin_family = AF_INET;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig) - 1), -EINVAL);
    sig.tcpm_keylen = TCP_MD5SIG_MAXKEYLEN + 1;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), -EINVAL);
    sig.tcpm_keylen = 0;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), -ENOENT);
    sig.tcpm_keylen = TCP_MD5SIG_MAXKEYLEN;
    sig.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    sig.tcpm_prefixlen = 33;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG_EXT, sizeof(sig)), -EINVAL);
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), 0, "which has no prefixes");
    sig.tcpm_flags = TCP_MD5SIG_FLAG_IFINDEX;
    sig.tcpm_ifindex = 1;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG_EXT, sizeof(sig)), -EINVAL);
    sig.tcpm_ifindex = 0;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG_EXT, sizeof(sig)), 0, "a key beside the other");
    sig.tcpm_keylen = 0;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG_EXT, sizeof(sig)), 0);
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG_EXT, sizeof(sig)), -ENOENT);
    sig.tcpm_flags = 0;
    cr_assert_eq(set_raw(&sig, TCP_MD5SIG, sizeof(sig)), 0);
}

Test(md5, v31_a_socket_has_so_many_keys_at_most) {
    t_cfg.tcp.max_conns = 2 * TCP_MD5_KEYS_MAX; /* there are as many keys */
    t_socket();
    for (uint32_t i = 0; i < TCP_MD5_KEYS_MAX; i++)
        cr_assert_eq(t_set_md5(0x0b000000 + i, 32, "k"), 0);
    cr_assert_eq(t_set_md5(PEER, 32, "k"), -ENOMEM);
    cr_assert_eq(t_set_md5(0x0b000000, 32, "another"), 0, "one that is there may change");
    count("mem_keys_out", 1);
    t_listen();
    t_close();
    t_socket();
    cr_assert_eq(t_set_md5(PEER, 32, "k"), 0, "they are free again");
}

/* Without a key for it a connection would go unguarded: rather none. */
Test(md5, no_key_free_for_a_child) {
    listen_with_key("secret");
    t_socket();
    for (uint32_t i = 0; i < TCP_MD5_KEYS_MAX - 1; i++)
        cr_assert_eq(t_set_md5(0x0b000000 + i, 32, "k"), 0);
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    expect_none();
    count("TcpExtListenDrops", 1);
    t_close();
    in("S 0:0(0) win 65535 <" SIG ",mss 1460>");
    out("S. 0:0(0) ack 1");
}

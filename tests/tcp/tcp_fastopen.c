/* TCP Fast Open (RFC 7413): data in the SYN. A client asks once for a cookie; with it, its next SYN
 * carries data, and the server's application has it a round trip earlier. */
#include <stdio.h>
#include <string.h>

#include "stack/tcp/tcb.h"
#include "tests/tcp/report.h"
#include "tests/tcp/script.h"

/* The key of the server's cookies: words of 32 bits as Linux's sysctl has them. */
#define KEY "\xa1\xa1\xa1\xa1\xb2\xb2\xb2\xb2\xc3\xc3\xc3\xc3\xd4\xd4\xd4\xd4"

static char cookie[2 * FASTOPEN_COOKIE_LEN + 1]; /* of the script's address, in hexadecimal */

static void setup(void) {
    struct endpoint client = {.addr = addr_v4(0x0a000002)}, server = {.addr = addr_v4(0x0a000001)};
    uint8_t raw[FASTOPEN_COOKIE_LEN];
    t_setup();
    t_cfg.tcp.fastopen = FASTOPEN_CLIENT | FASTOPEN_SERVER | FASTOPEN_SERVER_ANY;
    memcpy(t_cfg.tcp.fastopen_key, KEY, FASTOPEN_KEY_LEN);
    t_cfg.tcp.fastopen_keys = 1;
    fastopen_cookie((const uint8_t *)KEY, &client, &server, raw);
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(cookie + 2 * i, 3, "%02x", raw[i]);
}

TestSuite(fastopen, .init = setup, .fini = t_finish);

/* ---- server ---- */

Test(fastopen, rfc7413_4_1_2_a_cookie_is_given_to_who_asks) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1000,FO,nop,nop>");
    out("S. 0:0(0) ack 1 <mss 1460,FO %s,nop,nop>", cookie);
    in(". 1:1(0) ack 1 win 65535");
    t_accept();
    cr_assert_eq(t_counter("TcpExtTCPFastOpenCookieReqd"), 1);
}

Test(fastopen, rfc7413_4_2_2_a_good_cookie_hands_the_data_up_before_the_handshake_is_over) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11 <mss 1460>");
    t_accept();
    t_expect_state(TCPS_SYN_RCVD);
    t_recv(10);
    in(". 11:11(0) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
    cr_assert_eq(t_counter("TcpExtTCPFastOpenPassive"), 1);
}

Test(fastopen, the_server_may_answer_before_the_handshake_is_over) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    t_accept();
    t_recv(10);
    t_send(1500);
    out(". 1:1001(1000) ack 11");
    out("P. 1001:1501(500) ack 11");
    in(". 11:11(0) ack 1501 win 65535"); /* one ACK for SYN-ACK and data */
    t_expect_state(TCPS_ESTABLISHED);
}

Test(fastopen, a_cookie_without_data_opens_too) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 1");
    t_accept();
    t_send(10);
    out("P. 1:11(10) ack 1");
    in(". 1:1(0) ack 11 win 65535");
}

Test(fastopen, rfc7413_4_2_2_a_bad_cookie_is_an_ordinary_syn_and_gets_the_good_one) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO 0123456789abcdef,nop,nop>");
    out("S. 0:0(0) ack 1 <mss 1460,FO %s,nop,nop>", cookie); /* the data is not taken */
    t_accept_none();
    in(". 1:1(0) ack 1 win 65535");
    in("P. 1:11(10) ack 1 win 65535");
    t_accept();
    t_recv(10);
    t_skip();
    cr_assert_eq(t_counter("TcpExtTCPFastOpenPassiveFail"), 1);
}

Test(fastopen, a_cookie_of_another_address_is_a_bad_one) {
    struct endpoint other = {.addr = addr_v4(0x0a000003)}, server = {.addr = addr_v4(0x0a000001)};
    uint8_t raw[FASTOPEN_COOKIE_LEN];
    char text[2 * sizeof(raw) + 1];
    fastopen_cookie((const uint8_t *)KEY, &other, &server, raw);
    for (size_t i = 0; i < sizeof(raw); i++)
        snprintf(text + 2 * i, 3, "%02x", raw[i]);
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", text);
    out("S. 0:0(0) ack 1 <mss 1460,FO %s,nop,nop>", cookie);
    t_accept_none();
}

Test(fastopen, data_without_a_cookie_is_left_for_later) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 1 <mss 1460>");
    t_accept_none();
}

Test(fastopen, bit_0x200_takes_data_without_a_cookie) {
    t_cfg.tcp.fastopen |= FASTOPEN_SERVER_NO_COOKIE;
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000>");
    out("S. 0:0(0) ack 11 <mss 1460>");
    t_accept();
    t_recv(10);
}

Test(fastopen, a_listener_that_has_not_asked_for_it_does_not_do_it) {
    t_cfg.tcp.fastopen = FASTOPEN_SERVER;
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 1 <mss 1460>");
    t_accept_none();
}

Test(fastopen, the_experimental_option_is_answered_in_kind) {
    t_listen();
    in("S 0:0(0) win 65535 <mss 1000,FOEXP>");
    out("S. 0:0(0) ack 1 <mss 1460,FOEXP %s>", cookie);
}

Test(fastopen, rfc7413_5_1_a_listener_bounds_what_is_pending) {
    t_listen_backlog(2);
    for (unsigned i = 0; i < 3; i++) {
        t_peer_port((uint16_t)(40000 + i));
        in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
        out("S. 0:0(0) ack %u", i < 2 ? 11 : 1); /* the third is an ordinary one */
    }
    cr_assert_eq(t_counter("TcpExtTCPFastOpenListenOverflow"), 1);
}

Test(fastopen, rfc7413_5_1_one_that_is_reset_still_counts_for_a_minute) {
    t_listen_backlog(1);
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    in("R. 11:11(0) ack 1 win 0");
    t_accept(); /* it is there, with its data, and an error behind */
    t_recv(10);
    cr_assert_eq(t_recv_some(1), -ECONNRESET);
    t_close();
    t_peer_port(40001);
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 1");
    in("R 1:1(0)");
    after(61000);
    t_peer_port(40002);
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
}

Test(fastopen, a_lost_syn_ack_goes_again_and_still_acknowledges_the_data) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    out_after(1000, "S. 0:0(0) ack 11");
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    t_accept();
    t_recv(10);
    in(". 11:11(0) ack 1 win 65535");
    t_expect_state(TCPS_ESTABLISHED);
}

Test(fastopen, close_before_the_handshake_is_over_sends_the_fin) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    t_accept();
    t_recv(10);
    t_close();
    out("F. 1:1(0) ack 11");
    in(". 11:11(0) ack 2 win 65535");
    t_expect_state(TCPS_FIN_WAIT_2);
}

Test(fastopen, closing_the_listener_resets_what_nobody_accepted) {
    t_listen();
    in("S 0:10(10) win 65535 <mss 1000,FO %s,nop,nop>", cookie);
    out("S. 0:0(0) ack 11");
    t_close_listener();
    out("R. 1:1(0) ack 11");
}

/* ---- client ---- */

/* A first connection that brings the cookie and the server's MSS. */
static void warm_up(void) {
    cr_assert_eq(t_fastopen(0), -EINPROGRESS);
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *,FO,nop,nop>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000,FO 0102030405060708,nop,nop>");
    out(". 1:1(0) ack 1");
    t_close();
    out("F. 1:1(0) ack 1");
    in("R. 1:1(0) ack 2 win 0");
    t_peer_port(T_PEER_PORT + 1);
}

static void client(void) {
    setup();
    t_cfg.tcp.timestamps = false;
}
TestSuite(fastopen_client, .init = client, .fini = t_finish);

Test(fastopen_client, rfc7413_4_1_3_without_a_cookie_the_syn_asks_for_one) {
    cr_assert_eq(t_fastopen(100), -EINPROGRESS, "no data goes, as in connect(2)");
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *,FO,nop,nop>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000,FO 01020304,nop,nop>");
    out(". 1:1(0) ack 1");
    t_send(100);
    out("P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
}

Test(fastopen_client, rfc7413_4_2_1_with_one_the_syn_carries_data) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100) <mss 1460,*,*,sackOK,nop,wscale *,FO 0102030405060708,nop,nop>");
    in("S. 0:0(0) ack 101 win 65535 <mss 1000>");
    out(". 101:101(0) ack 1");
    cr_assert_eq(t_counter("TcpExtTCPFastOpenActive"), 1);
}

Test(fastopen_client, the_server_s_mss_less_40_bounds_what_a_syn_carries) {
    warm_up();
    cr_assert_eq(t_fastopen(5000), 960);
    out("S 0:960(960)");
    in("S. 0:0(0) ack 961 win 65535 <mss 1000>");
    out(". 961:961(0) ack 1");
}

Test(fastopen_client, what_the_syn_ack_leaves_out_goes_again_at_once) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out("P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPFastOpenActiveFail"), 1);
}

Test(fastopen_client, without_memory_for_its_record_it_counts_as_never_sent) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    struct pool *records = &t_stack()->tcp->sents;
    uint32_t max = records->max;
    records->max = records->n_used;
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
    records->max = max;
    out_within(100, "P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
    cr_assert_eq(t_counter("TcpExtTCPFastOpenActiveFail"), 1);
}

/* How many MSG_ZEROCOPY sends have been completed since the last call. */
static uint32_t completed(void) {
    struct report r;
    if (!next_report(&r))
        return 0;
    cr_assert_eq(r.ee.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
    return r.ee.ee_data - r.ee.ee_info + 1;
}

Test(fastopen_client, msg_zerocopy_is_completed_with_the_syn_s_data) {
    warm_up();
    t_socket();
    t_set(SOL_SOCKET, SO_ZEROCOPY, 1);
    cr_assert_eq(t_fastopen_flags(100, MSG_ZEROCOPY), 100);
    out("S 0:100(100)");
    in("S. 0:0(0) ack 61 win 65535 <mss 1000>");
    out("P. 61:101(40) ack 1");
    cr_assert_eq(completed(), 0);
    in(". 1:1(0) ack 101 win 65535");
    cr_assert_eq(completed(), 1);
    t_send_some(10, MSG_ZEROCOPY);
    out("P. 101:111(10) ack 1");
    in(". 1:1(0) ack 111 win 65535");
    cr_assert_eq(completed(), 1);
}

Test(fastopen_client, msg_zerocopy_that_no_syn_took_has_no_completion) {
    t_socket();
    t_set(SOL_SOCKET, SO_ZEROCOPY, 1);
    cr_assert_eq(t_fastopen_flags(100, MSG_ZEROCOPY), -EINPROGRESS);
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *,FO,nop,nop>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
    cr_assert_eq(completed(), 0);
}

Test(fastopen_client, a_part_of_it_too) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    in("S. 0:0(0) ack 61 win 65535 <mss 1000>");
    out("P. 61:101(40) ack 1");
    in(". 1:1(0) ack 101 win 65535");
}

Test(fastopen_client, rfc7413_4_1_3_1_a_lost_syn_goes_again_without_option_and_data) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    out_after(1000, "S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out("P. 1:101(100) ack 1");
    in(". 1:1(0) ack 101 win 65535");
}

Test(fastopen_client, a_cookie_that_nobody_asked_for_is_not_kept) {
    t_cfg.tcp.fastopen |= FASTOPEN_CLIENT_NO_COOKIE;
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100) <mss 1460,*,*,sackOK,nop,wscale *>");
    in("S. 0:0(0) ack 101 win 65535 <mss 1000,FO 01020304,nop,nop>");
    out(". 101:101(0) ack 1");
    t_peer_port(T_PEER_PORT + 1);
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100) <mss 1460,*,*,sackOK,nop,wscale *>");
}

Test(fastopen_client, a_server_that_gives_none_is_asked_in_the_old_form_next) {
    cr_assert_eq(t_fastopen(0), -EINPROGRESS);
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *,FO,nop,nop>");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    out(". 1:1(0) ack 1");
    t_peer_port(T_PEER_PORT + 1);
    cr_assert_eq(t_fastopen(0), -EINPROGRESS);
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *,FOEXP>");
}

Test(fastopen_client, tcp_fastopen_connect_waits_for_the_first_data) {
    warm_up();
    t_connect_deferred();
    expect_none();
    cr_assert(t_ready() & POLLOUT);
    t_send(100);
    out("S 0:100(100) <mss 1460,*,*,sackOK,nop,wscale *,FO 0102030405060708,nop,nop>");
    in("S. 0:0(0) ack 101 win 65535 <mss 1000>");
    out(". 101:101(0) ack 1");
}

Test(fastopen_client, a_filter_that_eats_such_syns_ends_it_for_a_while) {
    t_cfg.tcp.fastopen_blackhole_s = 60;
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    out_after(1000, "S 0:0(0)");
    out_after(1000, "S 0:0(0)");
    in("S. 0:0(0) ack 1 win 65535 <mss 1000>");
    t_skip();
    cr_assert_eq(t_counter("TcpExtTCPFastOpenBlackhole"), 1);
    t_peer_port(T_PEER_PORT + 2);
    cr_assert_eq(t_fastopen(100), -EINPROGRESS);
    out("S 0:0(0) <mss 1460,*,*,sackOK,nop,wscale *>");
}

Test(fastopen_client, data_in_both_syns_of_a_simultaneous_open) {
    warm_up();
    cr_assert_eq(t_fastopen(100), 100);
    out("S 0:100(100)");
    in("S 0:50(50) win 65535 <mss 1000,FO 01020304,nop,nop>");
    out("S. 0:0(0) ack 1"); /* the other's data is not taken: it comes again */
    in("S. 0:0(0) ack 101 win 65535 <mss 1000>");
    t_expect_state(TCPS_ESTABLISHED);
    t_skip();
}

Test(fastopen_client, bit_0x1_is_needed) {
    t_cfg.tcp.fastopen = FASTOPEN_SERVER;
    cr_assert_eq(t_fastopen(100), -EOPNOTSUPP);
}

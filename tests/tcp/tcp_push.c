/* When data is pushed: the PSH bit, MSG_MORE, and what TCP_NODELAY and TCP_CORK set free. RFC 9293
 * §3.9.1, tcp(7). */
#include "tests/tcp/script.h"

TestSuite(push, .init = t_setup, .fini = t_finish);

Test(push, must61_psh_stands_on_the_last_of_what_was_given) {
    t_established("mss 1000", 65535);
    t_send(2500);
    out(". 1:1001(1000) ack 1");
    out(". 1001:2001(1000) ack 1");
    out("P. 2001:2501(500) ack 1");
}

Test(push, what_ends_in_msg_more_is_not_pushed) {
    t_established("mss 1000", 65535);
    t_send_some(2500, MSG_MORE);
    out(". 1:1001(1000) ack 1");
    out(". 1001:2001(1000) ack 1");
    cr_assert_not(t_last_pushed());
    expect_none();
}

Test(push, an_ack_sets_free_what_msg_more_held) {
    t_established("mss 1000", 65535);
    t_send_some(1500, MSG_MORE);
    out(". 1:1001(1000) ack 1");
    after(10);
    in(". 1:1(0) ack 1001 win 65535");
    out(". 1001:1501(500) ack 1");
    cr_assert_not(t_last_pushed());
}

Test(push, after_200_ms_it_goes_and_is_pushed) {
    t_established("mss 1000", 65535);
    t_send_some(500, MSG_MORE);
    out_after(200, "P. 1:501(500) ack 1");
}

Test(push, tcp_nodelay_pushes_even_under_tcp_cork) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_CORK, 1);
    t_send(40);
    t_send(40);
    expect_none();
    t_set(IPPROTO_TCP, TCP_NODELAY, 1);
    out("P. 1:81(80) ack 1");
}

Test(push, another_option_pushes_nothing) {
    t_established("mss 1000", 65535);
    t_set(IPPROTO_TCP, TCP_CORK, 1);
    t_send(40);
    t_set(SOL_SOCKET, SO_KEEPALIVE, 1);
    expect_none();
    t_set(IPPROTO_TCP, TCP_CORK, 0);
    out("P. 1:41(40) ack 1");
}

#include "tests/unit/tcp_unit.h"

Test(tcp_isn, follows_a_4_us_clock) { /* MUST-8 */
    struct stack *st = tu_stack();
    struct tcb t = {.local = {US, 5000}, .remote = {PEER, 40000}};
    seq_t a = isn_choose(st, &t);
    st->now_ns += 4000000;
    cr_assert_eq(seq_diff(isn_choose(st, &t), a), 1000);
    fx_free(st);
}

Test(tcp_isn, must9_shld1_differs_by_connection_and_by_host) { /* RFC 6528, V22 */
    struct stack *st = tu_stack(), *other = tu_stack();
    struct tcb t = {.local = {US, 5000}, .remote = {PEER, 40000}}, u = t;
    u.remote.port++;
    int32_t near = seq_diff(isn_choose(st, &u), isn_choose(st, &t));
    cr_assert(near > 1000 || near < -1000);
    other->tcp->isn_key.k[0] ^= 1;
    near = seq_diff(isn_choose(other, &t), isn_choose(st, &t));
    cr_assert(near > 1000 || near < -1000);
    fx_free(st);
    fx_free(other);
}

Test(tcp_isn, timestamps_share_an_offset_between_two_hosts) { /* RFC 6191 needs them to grow */
    struct stack *st = tu_stack();
    struct tcb t = {.local = {US, 5000}, .remote = {PEER, 40000}}, u = t, v = t;
    u.local.port = 5001;
    v.remote.addr = FX_V4(0x0a000003);
    cr_assert_eq(isn_ts_offset(st, &t), isn_ts_offset(st, &u));
    cr_assert_neq(isn_ts_offset(st, &t), isn_ts_offset(st, &v));
    fx_free(st);
}

#include "tests/unit/tcp_unit.h"

/* n bytes more that were not sent, as tcp_send puts them there. */
static void write_bytes(struct stack *st, struct tcb *t, uint32_t n) {
    static uint8_t zeros[65536];
    struct iovec iov = {zeros, n};
    cr_assert_leq(n, sndbuf_room(st, t));
    cr_assert_eq(stream_append(&st->chunks, &t->snd.buf, &iov, 1, 0, n), n);
    sndbuf_on_append(t, n);
}

static struct tcb *writer(struct stack *st, uint32_t max_wnd) {
    struct tcb *t = tu_tcb(st);
    t->snd.max_wnd = t->snd.wnd = max_wnd;
    return t;
}

Test(tcp_sndbuf, a_super_segment_is_filled_before_bounds_are_asked) {
    struct stack *st = tu_stack();
    struct tcb *t = writer(st, 20500);
    t->opts.sndbuf = 4608;
    cr_assert_eq(sndbuf_room(st, t), 10000, "half of the window, whole segments");
    write_bytes(st, t, 7000);
    cr_assert_gt(sndbuf_used(t), 4608);
    cr_assert_eq(sndbuf_room(st, t), 3000);
    write_bytes(st, t, 3000);
    cr_assert_eq(sndbuf_room(st, t), 0);
    cr_assert_eq(sndbuf_used(t), 10000 + 832);
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

Test(tcp_sndbuf, what_is_sent_is_not_filled_up) {
    struct stack *st = tu_stack();
    struct tcb *t = writer(st, 20000);
    t->opts.sndbuf = 4608;
    write_bytes(st, t, 3000);
    t->snd.nxt = seq_add(t->snd.nxt, 2000); /* of the tail 1,000 are left */
    cr_assert_eq(sndbuf_room(st, t), 9000);
    t->snd.nxt = seq_add(t->snd.nxt, 1000);
    cr_assert_eq(sndbuf_room(st, t), 10000, "3,832 of 4,608: a new one begins");
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

Test(tcp_sndbuf, grows_with_cwnd_unless_a_program_fixed_it) {
    struct stack *st = tu_stack();
    struct tcb *t = writer(st, 1u << 20);
    sndbuf_grow(st, t); /* 1,000 + 576 are charged as 2,048 + 256 */
    cr_assert_eq(sndbuf_limit(t), 2 * 10 * 2304);
    t->cc.cwnd_bytes = 100 * TU_MSS;
    sndbuf_grow(st, t);
    cr_assert_eq(sndbuf_limit(t), 2 * 100 * 2304);
    t->cc.cwnd_bytes = 10 * TU_MSS;
    sndbuf_grow(st, t);
    cr_assert_eq(sndbuf_limit(t), 2 * 100 * 2304, "and does not shrink");
    t->cc.cwnd_bytes = 1u << 30;
    sndbuf_grow(st, t);
    cr_assert_eq(sndbuf_limit(t), st->tcp->cfg.wmem[MEM_MOST]);
    t->opts.sndbuf = 5000;
    cr_assert_eq(sndbuf_limit(t), 5000);
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

Test(tcp_sndbuf, writable_while_a_third_is_free_and_half_of_lowat_unsent) {
    struct stack *st = tu_stack();
    struct tcb *t = writer(st, 20000);
    t->opts.sndbuf = 3 * (4000 + 832) / 2;
    write_bytes(st, t, 4000);
    cr_assert(sndbuf_is_writable(st, t));
    write_bytes(st, t, 1);
    cr_assert_not(sndbuf_is_writable(st, t));
    t->opts.sndbuf = 1u << 20;
    t->opts.notsent_lowat = 8002;
    cr_assert_not(sndbuf_is_writable(st, t));
    t->opts.notsent_lowat = 8003;
    cr_assert(sndbuf_is_writable(st, t));
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

Test(tcp_sndbuf, pushed_each_half_window) {
    struct stack *st = tu_stack();
    struct tcb *t = writer(st, 20000);
    t->sndbuf.pushed = t->snd.nxt;
    write_bytes(st, t, 10000);
    cr_assert_not(sndbuf_push(t, false));
    write_bytes(st, t, 1);
    cr_assert(sndbuf_push(t, false));
    cr_assert_not(sndbuf_push(t, false));
    cr_assert(sndbuf_push(t, true));
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

#include "tests/unit/tcp_unit.h"

static struct tcb *searching(struct stack *st) {
    st->tcp->cfg.mtu_probing = MTU_PROBING_ALWAYS;
    struct tcb *t = tu_tcb(st);
    t->snd.peer_mss = 1460;
    mtu_start(st, t);
    mtu_established(st, t);
    t->cc.cwnd_bytes = 20 * t->snd.mss;
    static uint8_t zeros[16384];
    struct iovec iov = {zeros, sizeof(zeros)};
    stream_append(&st->chunks, &t->snd.buf, &iov, 1, 0, sizeof(zeros));
    return t;
}

static void done(struct stack *st, struct tcb *t) {
    stream_clear(&st->chunks, &t->snd.buf);
    fx_free(st);
}

Test(tcp_mtu, the_search_halves_what_is_unknown) {
    struct stack *st = tu_stack();
    struct tcb *t = searching(st);
    cr_assert_eq(t->snd.mss, 1024);
    uint32_t len, low = 1024;
    for (int i = 0; (len = mtu_probe_due(st, t)) != 0; i++) {
        cr_assert_lt(i, 12, "it ends");
        cr_assert_eq(len, (low + 1460) / 2);
        mtu_on_probe_sent(t, t->snd.nxt, len);
        t->snd.una = t->snd.nxt = seq_add(t->snd.nxt, len);
        stream_consume(&st->chunks, &t->snd.buf, len);
        t->snd.buf_seq = t->snd.una;
        t->cc.cwnd_bytes = 20 * t->snd.mss;
        struct iovec iov = {(uint8_t[2048]){0}, 2048};
        stream_append(&st->chunks, &t->snd.buf, &iov, 1, 0, len);
        mtu_on_ack(st, t);
        low = len;
        cr_assert_eq(t->snd.mss, low);
    }
    cr_assert_gt(low, 1460 - 8);
    done(st, t);
}

Test(tcp_mtu, a_lost_probe_bounds_the_search_and_gives_cwnd_back) {
    struct stack *st = tu_stack();
    struct tcb *t = searching(st);
    uint32_t len = mtu_probe_due(st, t), cwnd = t->cc.cwnd_bytes;
    mtu_on_probe_sent(t, t->snd.una, len);
    cr_assert_eq(t->cc.cwnd_bytes, cwnd - 1024);
    cr_assert_eq(mtu_probe_due(st, t), 0, "one at a time");
    cr_assert(mtu_probe_was_lost(st, t));
    cr_assert_eq(t->cc.cwnd_bytes, cwnd);
    cr_assert_eq(mtu_probe_due(st, t), (1024 + len - 1) / 2);
    cr_assert_not(mtu_probe_was_lost(st, t), "there is none under way");
    done(st, t);
}

Test(tcp_mtu, no_probe_without_room_or_data) {
    struct stack *st = tu_stack();
    struct tcb *t = searching(st);
    cr_assert_gt(mtu_probe_due(st, t), 0);
    t->cc.cwnd_bytes = 10 * t->snd.mss;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    t->cc.cwnd_bytes = 20 * t->snd.mss;
    t->snd.wnd = 4096;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    t->snd.wnd = 65535;
    t->loss.state = LOSS_DISORDER;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    t->loss.state = LOSS_OPEN;
    stream_consume(&st->chunks, &t->snd.buf, 16384 - 4096);
    t->snd.buf_seq = t->snd.nxt;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    done(st, t);
}

Test(tcp_mtu, a_finished_search_begins_anew_after_its_interval) {
    struct stack *st = tu_stack();
    struct tcb *t = searching(st);
    t->mtu.high = t->mtu.low;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    cr_assert_eq(mtu_probe_due(st, t), 0);
    st->now_ns += 601 * S_NS;
    cr_assert_eq(mtu_probe_due(st, t), 0);
    cr_assert_gt(mtu_probe_due(st, t), 1024);
    done(st, t);
}

Test(tcp_mtu, black_holes_halve_down_to_the_floor) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->snd.peer_mss = 1460;
    mtu_established(st, t);
    cr_assert_eq(t->snd.mss, 1460);
    mtu_on_blackhole(st, t);
    cr_assert_eq(t->snd.mss, 1460, "tcp_mtu_probing 0");
    st->tcp->cfg.mtu_probing = MTU_PROBING_ON_BLACKHOLE;
    static const uint32_t steps[] = {1024, 512, 256, 128, 64, 48, 48};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        mtu_on_blackhole(st, t);
        cr_assert_eq(t->snd.mss, steps[i]);
    }
    done(st, t);
}

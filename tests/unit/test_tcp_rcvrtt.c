#include "tests/unit/tcp_unit.h"

static void data(struct stack *st, struct tcb *t, uint32_t len, uint32_t tsecr) {
    struct seg s = {.len = len, .wire_len = len};
    s.h.opt.has_ts = t->use_ts;
    s.h.opt.tsecr = tsecr;
    t->rcv.nxt = seq_add(t->rcv.nxt, len);
    rcvrtt_on_data(st, t, &s);
}

Test(tcp_rcvrtt, each_new_echo_is_a_sample) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_ts = true;
    t->rcv.mss = 1000;
    uint32_t sent = ts_now(st, t);
    st->now_ns += 80 * MS_NS;
    data(st, t, 1000, sent);
    cr_assert_eq(rcvrtt_ns(t), 80 * MS_NS);
    st->now_ns += 80 * MS_NS;
    data(st, t, 1000, sent);
    cr_assert_eq(rcvrtt_ns(t), 80 * MS_NS, "the same echo tells nothing new");
    data(st, t, 500, sent + 1);
    cr_assert_eq(rcvrtt_ns(t), 80 * MS_NS, "a short segment may have waited");
    data(st, t, 1000, ts_now(st, t));
    cr_assert_eq(rcvrtt_ns(t), 80 * MS_NS, "less than a tick says nothing");
    st->now_ns += 50 * MS_NS;
    data(st, t, 1000, ts_now(st, t) - 40);
    cr_assert_eq(rcvrtt_ns(t), 40 * MS_NS, "the smallest is believed at once");
    data(st, t, 1000, ts_now(st, t) - 48);
    cr_assert_eq(rcvrtt_ns(t), 41 * MS_NS, "a larger one by an eighth");
    t->rcv.queue.len = 1000;
    data(st, t, 1000, ts_now(st, t) - 90);
    cr_assert_eq(rcvrtt_ns(t), 41 * MS_NS, "it may have waited for the reader");
    t->rcv.queue.len = 0;
    fx_free(st);
}

Test(tcp_rcvrtt, a_window_is_finer_than_the_clock_of_the_timestamps) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_ts = true;
    t->rcv.mss = 1000;
    data(st, t, 1000, 0);
    st->now_ns += 90 * US_NS;
    data(st, t, (uint32_t)seq_diff(t->rcv.adv, t->rcv.nxt), 0);
    cr_assert_eq(rcvrtt_ns(t), 90 * US_NS);
    fx_free(st);
}

Test(tcp_rcvrtt, without_timestamps_the_quickest_window_counts) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->rtt.srtt_ns = 5 * MS_NS;
    cr_assert_eq(rcvrtt_ns(t), 5 * MS_NS, "the sender's, while nothing else is known");
    static const uint64_t took_ms[] = {50, 20, 90}, known_ms[] = {50, 20, 20};
    data(st, t, 1, 0);
    for (int i = 0; i < 3; i++) {
        st->now_ns += took_ms[i] * MS_NS;
        uint32_t left = (uint32_t)seq_diff(t->rcv.adv, t->rcv.nxt);
        data(st, t, left - 1, 0);
        t->rcv.adv = seq_add(t->rcv.nxt, 65536);
        data(st, t, 1, 0);
        cr_assert_eq(rcvrtt_ns(t), known_ms[i] * MS_NS);
    }
    fx_free(st);
}

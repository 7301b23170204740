#include "tests/unit/tcp_unit.h"

static void pass(struct stack *st, uint64_t ms) {
    st->now_ns += ms * MS_NS;
}

Test(tcp_account, one_chronograph_runs_at_a_time) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    account_on_output(st, t, false);
    pass(st, 100);
    cr_assert_eq(account_chrono(st, t, CHRONO_BUSY), 0, "idle");
    tu_sent(st, t, 1000);
    account_on_output(st, t, false);
    pass(st, 20);
    t->snd.nospace = true; /* the application wants to write more */
    account_on_output(st, t, false);
    pass(st, 30);
    cr_assert_eq(account_chrono(st, t, CHRONO_BUSY), 20 * MS_NS);
    cr_assert_eq(account_chrono(st, t, CHRONO_SNDBUF_LIMITED), 30 * MS_NS);
    account_on_output(st, t, true); /* it is cwnd */
    pass(st, 5);
    cr_assert_eq(account_chrono(st, t, CHRONO_BUSY), 25 * MS_NS);
    t->snd.una = t->snd.nxt;
    t->snd.buf_seq = t->snd.una;
    stream_clear(&st->chunks, &t->snd.buf);
    account_on_ack(st, t);
    pass(st, 1000);
    cr_assert_eq(account_chrono(st, t, CHRONO_BUSY), 25 * MS_NS, "all acknowledged: idle");
    sent_clear(st, t);
    tu_end(st, t);
}

Test(tcp_account, a_run_of_timeouts_is_one_recovery) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->loss.state = LOSS_RTO;
    account_on_timeout(st, t);
    pass(st, 200);
    account_on_timeout(st, t);
    pass(st, 300);
    account_on_ack(st, t);
    cr_assert_eq(t->account.rto_ns, 0, "an ACK that does not end it");
    t->loss.state = LOSS_OPEN;
    account_on_ack(st, t);
    cr_assert_eq(t->account.total_rto, 2);
    cr_assert_eq(t->account.rto_recoveries, 1);
    cr_assert_eq(t->account.rto_ns, 500 * MS_NS);
    tu_end(st, t);
}

Test(tcp_account, segments_delivered_by_their_records) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct sent small = {.lo = seq(TU_SND), .hi = seq(TU_SND + 10)};
    struct sent super = {.lo = seq(TU_SND + 10), .hi = seq(TU_SND + 10 + 2 * TU_MSS + 1)};
    tu_sent(st, t, 10 + 2 * TU_MSS); /* the last number is a FIN's */
    account_on_delivered(t, &small, 10);
    cr_assert_eq(t->account.delivered, 1);
    account_on_delivered(t, &super, 2 * TU_MSS + 1);
    cr_assert_eq(t->account.delivered, 3);
    t->snd.una = t->snd.nxt;
    t->snd.buf_seq = t->snd.una;
    stream_clear(&st->chunks, &t->snd.buf);
    sent_clear(st, t);
    tu_end(st, t);
}

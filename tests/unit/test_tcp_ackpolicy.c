#include "tests/unit/tcp_unit.h"

static struct tu_seg u;

/* A connection whose first segments are over: no quick ACKs left. */
static struct tcb *settled(struct stack *st) {
    struct tcb *t = tu_tcb(st);
    t->rcv.mss = TU_MSS;
    t->rcv.adv_mss = TU_MSS;
    t->ack.quick = 0;
    return t;
}
static void data(struct stack *st, struct tcb *t, uint32_t len) {
    recv_segment(st, t, tu_seg(&u, t->rcv.nxt, len));
}

Test(tcp_ackpolicy, one_full_segment_waits) {
    struct stack *st = tu_stack();
    struct tcb *t = settled(st);
    data(st, t, TU_MSS);
    cr_assert_not(t->ack.now);
    cr_assert_eq(t->t_delack.deadline_ns, st->now_ns + 40 * MS);
    tu_end(st, t);
}

Test(tcp_ackpolicy, shld19_the_second_full_segment_is_acked) {
    struct stack *st = tu_stack();
    struct tcb *t = settled(st);
    data(st, t, TU_MSS);
    data(st, t, TU_MSS);
    cr_assert(t->ack.now);
    tcp_flush(st);
    cr_assert_not(t->ack.now);
    cr_assert_not(timer_is_set(&t->t_delack));
    cr_assert_eq(st->tx_len, 1);
    tu_end(st, t);
}

Test(tcp_ackpolicy, must59_must58_one_ack_answers_a_batch) {
    struct stack *st = tu_stack();
    struct tcb *t = settled(st);
    for (int i = 0; i < 20; i++)
        data(st, t, TU_MSS);
    tcp_flush(st);
    cr_assert_eq(st->tx_len, 1);
    tu_end(st, t);
}

Test(tcp_ackpolicy, a_super_frame_is_acked_at_once) {
    struct stack *st = tu_stack();
    struct tcb *t = settled(st);
    struct seg *s = tu_seg(&u, t->rcv.nxt, 4 * TU_MSS);
    u.in.f.gso_size = TU_MSS;
    recv_segment(st, t, s);
    cr_assert(t->ack.now);
    cr_assert_eq(t->rcv.mss, TU_MSS);
    tu_end(st, t);
}

Test(tcp_ackpolicy, out_of_order_draws_duplicates_one_by_one) { /* RFC 5681 §4.2 */
    struct stack *st = tu_stack();
    struct tcb *t = settled(st);
    for (uint32_t i = 1; i <= 3; i++)
        recv_segment(st, t, tu_seg(&u, seq_add(t->rcv.nxt, i * 2 * TU_MSS), TU_MSS));
    cr_assert_eq(st->tx_len, 3);
    data(st, t, 2 * TU_MSS); /* fills the first gap */
    cr_assert(t->ack.now);
    tu_end(st, t);
}

Test(tcp_ackpolicy, the_first_segments_are_acked_at_once) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    ackpolicy_init(t);
    int n = 0;
    for (int i = 0; i < 40; i++) {
        data(st, t, 10);
        n += t->ack.now;
        tcp_flush(st);
        fx_drain(st);
    }
    cr_assert_eq(n, TCP_QUICKACKS);
    tu_end(st, t);
}

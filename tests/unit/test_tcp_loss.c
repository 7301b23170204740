#include "tests/unit/tcp_unit.h"

static void duplicate(struct stack *st, struct tcb *t) {
    struct ack_news n = {.dup = true,
                         .flight = tcb_outstanding(t),
                         .prior_una = t->snd.una,
                         .high_sacked = t->sent.high_sacked,
                         .reordered = t->snd.nxt};
    loss_on_ack(st, t, &n);
}

/* A connection without SACK that has sent 3 GiB since its last recovery, or its beginning, with 8
 * segments in flight. */
Test(tcp_loss, duplicate_acks_count_after_2_gib_without_a_loss) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_sack = false;
    t->loss.recover = t->snd.iss;
    for (int i = 0; i < 3 * 1024; i++) {
        t->snd.una = t->snd.nxt = t->snd.buf_seq = seq_add(t->snd.una, 1u << 20);
        sent_init(t);
        struct ack_news n = {.acked = 1u << 20,
                             .flight = 1u << 20,
                             .high_sacked = t->snd.una,
                             .reordered = t->snd.una,
                             .prior_una = t->snd.una};
        loss_on_ack(st, t, &n);
    }
    tu_sent(st, t, 8 * TU_MSS);
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    for (int i = 0; i < 3; i++)
        duplicate(st, t);
    cr_assert_eq(t->loss.state, LOSS_RECOVERY);
    cr_assert(seq_eq(t->loss.recover, t->snd.nxt));
    tu_end(st, t);
}

/* RFC 2018 §8: the receiver has SACKed what stands at SND.UNA and not kept it. */
Test(tcp_loss, rfc2018_reneging_is_noticed_by_the_timeout) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    tu_sent_segs(st, t, 4);
    sent_mark_sacked(t, sent_first(t));
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    loss_on_timeout(st, t);
    cr_assert_eq(st->ctr.TcpExtTCPSACKReneging, 1);
    cr_assert_eq(t->sent.sacked_bytes, 0);
    cr_assert_eq(t->sent.lost_bytes, 4 * TU_MSS);
    tu_end(st, t);
}

#include "tests/unit/tcp_unit.h"

/* A tail loss probe is under way when a recovery begins; nothing has been sent again in it yet. */
Test(tcp_undo, a_probe_from_before_is_no_retransmission_to_be_early_for) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    tu_sent_segs(st, t, 4);
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    sent_mark_resent(st, t, sent_last(t));
    undo_begin(t);
    cr_assert_eq(t->undo.resent_bytes, TU_MSS, "its DSACK counts");
    /* Whatever a timestamp is, it is not older than a retransmission that was never made. */
    struct ack_news n = {.tsecr_ok = true, .tsecr = 0x90000000u};
    cr_assert_not(undo_is_delayed(t, &n));
    cr_assert_not(undo_may(t, &n));
    undo_on_resent(st, t, TU_MSS);
    n.tsecr = ts_now(st, t) - 1;
    cr_assert(undo_is_delayed(t, &n));
    n.tsecr = ts_now(st, t);
    cr_assert_not(undo_is_delayed(t, &n));
    tu_end(st, t);
}

Test(tcp_undo, dsacks_of_all_that_was_sent_again) { /* RFC 3708 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    tu_sent_segs(st, t, 4);
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    undo_begin(t);
    cr_assert_not(undo_all_duplicate(t), "nothing was sent again");
    undo_on_resent(st, t, 2 * TU_MSS);
    sent_mark_sacked(t, sent_last(t));
    struct ack_news n = {.dsack = true, .dsack_range = {t->snd.una, seq_add(t->snd.una, TU_MSS)}};
    undo_on_dsack(t, &n, t->snd.una);
    cr_assert_not(undo_all_duplicate(t));
    undo_on_dsack(t, &n, t->snd.una);
    cr_assert(undo_all_duplicate(t));
    tu_end(st, t);
}

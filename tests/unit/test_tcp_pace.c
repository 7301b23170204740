#include "tests/unit/tcp_unit.h"

#define MB 1000000ull

/* A connection with a round trip of 10 ms that has sent its first segments. */
static struct tcb *warm_tcb(struct stack *st) {
    struct tcb *t = tu_tcb(st);
    rtt_sample(t, 10 * MS_NS, st->tcp->cfg.rto_min_ns);
    t->snd.data_segs_out = 10;
    pace_init(t);
    return t;
}

Test(tcp_pace, the_rate_is_twice_cwnd_a_round_trip_while_that_doubles_and_1_2_later) {
    struct stack *st = tu_stack();
    struct tcb *t = warm_tcb(st);
    t->cc.cwnd_bytes = 100 * TU_MSS;
    pace_update(st, t);
    cr_assert_eq(t->pace.rate, 20 * MB);
    t->cc.ssthresh_bytes = 100 * TU_MSS;
    pace_update(st, t);
    cr_assert_eq(t->pace.rate, 12 * MB);
    t->opts.paced = true;
    t->opts.max_pacing_rate = MB;
    pace_update(st, t);
    cr_assert_eq(t->pace.rate, MB);
    tu_end(st, t);
}

Test(tcp_pace, nothing_waits_unless_somebody_asked_for_pacing) {
    struct stack *st = tu_stack();
    struct tcb *t = warm_tcb(st);
    pace_update(st, t);
    pace_on_sent(st, t, MB);
    cr_assert_not(pace_holds(st, t));
    cr_assert_not(timer_is_set(&t->pace.timer));
    tu_end(st, t);
}

Test(tcp_pace, what_comes_next_leaves_when_the_last_has_passed_at_that_rate) {
    struct stack *st = tu_stack();
    struct tcb *t = warm_tcb(st);
    t->opts.paced = true;
    t->opts.max_pacing_rate = MB;
    pace_update(st, t);
    cr_assert_not(pace_holds(st, t));
    pace_on_sent(st, t, 1000);
    cr_assert(pace_holds(st, t));
    cr_assert_eq(t->pace.timer.deadline_ns, st->now_ns + MS_NS);
    st->now_ns += MS_NS;
    cr_assert_not(pace_holds(st, t));
    timer_stop(&st->timers, &t->pace.timer);
    tu_end(st, t);
}

Test(tcp_pace, who_is_late_catches_up_but_half_of_the_gap_stays) {
    struct stack *st = tu_stack();
    struct tcb *t = warm_tcb(st);
    t->opts.paced = true;
    t->opts.max_pacing_rate = MB;
    pace_update(st, t);
    pace_on_sent(st, t, 1000);
    st->now_ns += MS_NS + MS_NS / 5;
    pace_on_sent(st, t, 1000);
    cr_assert_eq(t->pace.next_ns, st->now_ns + MS_NS * 4 / 5);
    st->now_ns += S_NS;
    pace_on_sent(st, t, 1000);
    cr_assert_eq(t->pace.next_ns, st->now_ns + MS_NS / 2);
    tu_end(st, t);
}

Test(tcp_pace, a_super_segment_is_what_leaves_in_a_millisecond_and_two_segments_at_least) {
    struct stack *st = tu_stack();
    struct tcb *t = warm_tcb(st);
    pace_set_rate(t, MB);
    cr_assert_eq(pace_super_max(st, t, TU_MSS), 2 * TU_MSS);
    pace_set_rate(t, 10 * MB);
    cr_assert_eq(pace_super_max(st, t, TU_MSS), 9 * TU_MSS);
    pace_set_rate(t, PACE_NO_LIMIT);
    cr_assert_eq(pace_super_max(st, t, TU_MSS), TCP_SUPER_MAX);
    t->rtt.min_ns = 100000;
    pace_set_rate(t, MB);
    cr_assert_gt(pace_super_max(st, t, TU_MSS), 64 * TU_MSS, "a short round trip wants few ACKs");
    tu_end(st, t);
}

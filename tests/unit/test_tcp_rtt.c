#include "tests/unit/tcp_unit.h"

Test(tcp_rtt, first_sample_sets_srtt_and_half_of_it_as_variance) { /* RFC 6298 (2.2) */
    struct tcb t = {0};
    rtt_init(&t);
    cr_assert_eq(t.rtt.rto_ns, 1 * SEC);
    rtt_sample(&t, 400 * MS, 200 * MS);
    cr_assert_eq(t.rtt.srtt_ns, 400 * MS);
    cr_assert_eq(t.rtt.rttvar_ns, 200 * MS);
    cr_assert_eq(t.rtt.rto_ns, 400 * MS + 800 * MS);
}

Test(tcp_rtt, later_samples_are_smoothed) { /* (2.3) */
    struct tcb t = {0};
    rtt_init(&t);
    rtt_sample(&t, 400 * MS, 200 * MS);
    rtt_sample(&t, 800 * MS, 200 * MS);
    cr_assert_eq(t.rtt.srtt_ns, 450 * MS);
    cr_assert_eq(t.rtt.rttvar_ns, 250 * MS);
}

Test(tcp_rtt, a_steady_path_keeps_the_minimum) {
    struct tcb t = {0};
    rtt_init(&t);
    for (int i = 0; i < 100; i++)
        rtt_sample(&t, 1 * MS, 200 * MS);
    cr_assert_eq(t.rtt.rto_ns, t.rtt.srtt_ns + 200 * MS);
}

Test(tcp_rtt, backoff_doubles_up_to_120_s) { /* (5.5), (2.5) */
    struct tcb t = {0};
    rtt_init(&t);
    for (int i = 1; i <= 6; i++) {
        rtt_backoff(&t);
        cr_assert_eq(t.rtt.rto_ns, (1ull << i) * SEC);
    }
    rtt_backoff(&t);
    cr_assert_eq(t.rtt.rto_ns, 120 * SEC);
}

/* The ACK of `bytes` after `ns`. */
static void acked(struct stack *st, struct tcb *t, uint32_t bytes, uint64_t ns, uint32_t tsecr) {
    struct ack_news n = {.acked = bytes,
                         .reordered = t->snd.nxt,
                         .high_sacked = t->snd.una,
                         .tsecr_ok = tsecr != 0,
                         .tsecr = tsecr};
    st->now_ns += ns;
    t->snd.una = seq_add(t->snd.una, bytes);
    scoreboard_on_ack(st, t, &n);
    rtt_on_ack(st, t, &n);
    t->snd.buf_seq = t->snd.una;
    stream_consume(&st->chunks, &t->snd.buf, bytes);
}

Test(tcp_rtt, karn_what_was_sent_again_is_not_timed) { /* MUST-18 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    tu_sent(st, t, 100);
    sent_mark_resent(st, t, sent_first(t));
    acked(st, t, 100, 50 * MS, 0);
    cr_assert_eq(t->rtt.srtt_ns, 0);
    tu_end(st, t);
}

Test(tcp_rtt, rfc7323_but_an_echoed_timestamp_times_it) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_ts = true;
    uint32_t ts = ts_now(st, t);
    tu_sent(st, t, 100);
    sent_mark_resent(st, t, sent_first(t));
    acked(st, t, 100, 50 * MS, ts);
    cr_assert_eq(t->rtt.srtt_ns, 50 * MS);
    tu_end(st, t);
}

Test(tcp_rtt, an_ack_of_many_is_timed_by_the_oldest) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    tu_sent(st, t, 300);
    st->now_ns += 5 * MS;
    tu_sent(st, t, 300); /* beyond 2^32 */
    acked(st, t, 600, 10 * MS, 0);
    cr_assert_eq(t->rtt.srtt_ns, 15 * MS);
    cr_assert_eq(t->rtt.min_ns, 10 * MS, "the path itself took no longer than that");
    tu_end(st, t);
}

/* tcp_min_rtt_wlen. */
Test(tcp_rtt, the_least_is_forgotten_but_not_for_an_ack_that_may_have_waited) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    st->tcp->cfg.min_rtt_wlen_ns = 10 * S_NS;
    tu_sent(st, t, TU_MSS);
    acked(st, t, TU_MSS, 10 * MS, 0);
    st->now_ns += 20 * S_NS;
    tu_sent(st, t, 1);
    acked(st, t, 1, 50 * MS, 0);
    cr_assert_eq(t->rtt.min_ns, 10 * MS, "a delayed ACK?");
    tu_sent(st, t, TU_MSS);
    acked(st, t, TU_MSS, 30 * MS, 0);
    cr_assert_eq(t->rtt.min_ns, 30 * MS);
    tu_sent(st, t, 1);
    acked(st, t, 1, 20 * MS, 0);
    cr_assert_eq(t->rtt.min_ns, 20 * MS, "what is less cannot have waited long");
    tu_end(st, t);
}

Test(tcp_rtt, the_variance_shrinks_once_a_round_trip) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    for (int i = 0; i < 4; i++)
        tu_sent(st, t, 100);
    acked(st, t, 100, 100 * MS, 0);
    for (int i = 0; i < 3; i++)
        acked(st, t, 100, 0, 0);
    cr_assert_eq(t->rtt.rttvar_ns, 50 * MS);
    tu_end(st, t);
}

Test(tcp_rtt, r2_of_15_retries_is_924_s) { /* as Linux's tcp_retries2; SHLD-11 */
    cr_assert_eq(tcp_timeout_model(200 * MS, TCP_RTO_MAX_NS, 15), 924600 * MS);
    cr_assert_eq(tcp_timeout_model(200 * MS, TCP_RTO_MAX_NS, 0), 200 * MS);
}

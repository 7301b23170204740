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
    cr_assert_eq(t.rtt.min_ns, 400 * MS);
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

Test(tcp_rtt, karn_what_was_sent_again_is_not_timed) { /* MUST-18 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_opts none = {0};
    rtt_on_send(t, seq_add(t->snd.una, 100), st->now_ns);
    rtt_on_retransmit(t);
    st->now_ns += 50 * MS;
    rtt_on_ack(st, t, seq_add(t->snd.una, 100), &none);
    cr_assert_eq(t->rtt.srtt_ns, 0);
    tu_end(st, t);
}

Test(tcp_rtt, only_the_ack_of_the_timed_segment_counts) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_opts none = {0};
    rtt_on_send(t, seq_add(t->snd.una, 300), st->now_ns);
    rtt_on_send(t, seq_add(t->snd.una, 600), st->now_ns + 5 * MS); /* one at a time */
    st->now_ns += 10 * MS;
    rtt_on_ack(st, t, seq_add(t->snd.una, 299), &none);
    cr_assert_eq(t->rtt.srtt_ns, 0);
    rtt_on_ack(st, t, seq_add(t->snd.una, 300), &none); /* beyond 2^32 */
    cr_assert_eq(t->rtt.srtt_ns, 10 * MS);
    tu_end(st, t);
}

Test(tcp_rtt, r2_of_15_retries_is_924_s) { /* as Linux's tcp_retries2; SHLD-11 */
    cr_assert_eq(tcp_timeout_model(200 * MS, 15), 924600 * MS);
    cr_assert_eq(tcp_timeout_model(200 * MS, 0), 200 * MS);
}

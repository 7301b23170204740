#include <math.h>

#include "tests/unit/tcp_unit.h"

static struct tcp tcp = {.cfg = {.cc = CC_CUBIC}};
static struct stack st = {.tcp = &tcp, .now_ns = SEC};
static struct rate_sample rs;

/* In congestion avoidance, always limited by cwnd. */
static struct tcb fresh(uint32_t segs) {
    struct tcb t = {.path = &tu_no_path};
    t.snd.mss = TU_MSS;
    t.rtt.rto_ns = SEC;
    t.rtt.min_ns = 100 * MS;
    cc_init(&st, &t);
    t.cc.cwnd_bytes = t.cc.ssthresh_bytes = segs * TU_MSS;
    t.cc.limited = true;
    return t;
}

/* A round trip of 100 ms in which a whole window is acknowledged, segment by segment. */
static void round_trip(struct tcb *t) {
    uint32_t n = t->cc.cwnd_bytes / TU_MSS;
    for (uint32_t i = 0; i < n; i++) {
        st.now_ns += 100 * MS / n;
        cc_on_ack(&st, t, TU_MSS, &rs);
    }
}

static double segs(const struct tcb *t) {
    return (double)t->cc.cwnd_bytes / TU_MSS;
}

Test(tcp_cc_cubic, rfc9438_a_loss_takes_three_tenths) { /* §4.6 */
    struct tcb t = fresh(100);
    cc_on_recovery(&t, 100 * TU_MSS);
    cr_assert_eq(t.cc.ssthresh_bytes, 70 * TU_MSS);
    t.cc.cwnd_bytes = 2 * TU_MSS;
    cc_on_recovery(&t, 2 * TU_MSS);
    cr_assert_eq(t.cc.ssthresh_bytes, 2 * TU_MSS);
}

/* §4.2: from 0.7 W_max back to W_max in K = cbrt(0.3 W_max / 0.4) seconds, flat there, then beyond.
 * A window so large that Reno, in the same time, would not have got that far. */
Test(tcp_cc_cubic, rfc9438_the_window_follows_the_curve) {
    struct tcb t = fresh(1000);
    cc_on_recovery(&t, 1000 * TU_MSS);
    cc_on_recovery_end(&t);
    double k = cbrt(0.3 * 1000 / 0.4);
    uint64_t began = st.now_ns;
    for (int i = 0; i < 140; i++) {
        round_trip(&t);
        double at = (double)(st.now_ns - began) / 1e9;
        double want = 0.4 * pow(at - k, 3) + 1000;
        cr_assert(fabs(segs(&t) - want) < 0.02 * want + 2, "%f s: %f, not %f", at, segs(&t), want);
    }
    cr_assert_gt(segs(&t), 1000);
}

/* §4.3: with a small window Reno is faster, and CUBIC keeps up with it. */
Test(tcp_cc_cubic, rfc9438_never_slower_than_reno) {
    struct tcb t = fresh(10);
    cc_on_recovery(&t, 10 * TU_MSS);
    cc_on_recovery_end(&t);
    for (int i = 0; i < 20; i++)
        round_trip(&t);
    /* alpha = 0.529 until 10 segments are reached again, then 1 a round trip. */
    cr_assert(segs(&t) > 19 && segs(&t) < 26, "%f", segs(&t));
}

Test(tcp_cc_cubic, rfc9438_fast_convergence) { /* §4.7 */
    struct tcb t = fresh(100);
    cc_on_recovery(&t, 0);
    cr_assert_eq(t.cc.u.cubic.w_max, 100 * TU_MSS);
    t.cc.cwnd_bytes = 80 * TU_MSS; /* lost again before it was back */
    cc_on_recovery(&t, 0);
    cr_assert_eq(t.cc.u.cubic.w_max, 68 * TU_MSS);
}

Test(tcp_cc_cubic, an_undone_loss_leaves_the_curve_as_it_was) {
    struct tcb t = fresh(100);
    round_trip(&t);
    struct cubic before = t.cc.u.cubic;
    cc_on_recovery(&t, 0);
    cc_undo(&st, &t, 100 * TU_MSS, 100 * TU_MSS);
    cr_assert_eq(t.cc.u.cubic.w_max, before.w_max);
    cr_assert_eq(t.cc.u.cubic.epoch_ns, before.epoch_ns);
}

Test(tcp_cc_cubic, the_largest_window_is_not_exceeded) {
    struct tcb t = fresh(10);
    t.cc.cwnd_bytes = t.cc.ssthresh_bytes = CC_CWND_MAX - TU_MSS;
    st.now_ns += 1000 * SEC;
    for (int i = 0; i < 1000; i++) {
        st.now_ns += SEC;
        cc_on_ack(&st, &t, 1u << 20, &rs);
    }
    cr_assert_leq(t.cc.cwnd_bytes, CC_CWND_MAX);
    cr_assert_gt(t.cc.cwnd_bytes, CC_CWND_MAX - TU_MSS);
}

/* ---- HyStart++ ---- */

/* A round of `n` ACKs with that RTT, `n` segments always in flight. True: slow start is over. */
static bool hystart_round(struct tcb *t, struct hystart *h, uint32_t n, uint64_t rtt_ns) {
    bool over = false;
    for (uint32_t i = 0; i < n; i++) {
        t->snd.una = seq_add(t->snd.una, TU_MSS);
        t->snd.nxt = seq_add(t->snd.una, n * TU_MSS);
        over |= hystart_on_ack(t, h, rtt_ns);
    }
    return over;
}

/* Whatever round was under way ends with the first ACK. */
static void hystart_begin(struct tcb *t, struct hystart *h, uint32_t n, uint64_t rtt_ns) {
    hystart_init(t, h);
    t->snd.una = seq_add(t->snd.una, TU_MSS);
    t->snd.nxt = seq_add(t->snd.una, n * TU_MSS);
    hystart_on_ack(t, h, rtt_ns);
}

Test(tcp_cc_cubic, rfc9406_a_rise_of_the_delay_ends_slow_start_after_five_rounds) {
    struct tcb t = fresh(10);
    struct hystart h;
    hystart_begin(&t, &h, 20, 100 * MS);
    hystart_round(&t, &h, 20, 100 * MS);
    hystart_round(&t, &h, 20, 105 * MS);
    cr_assert_not(h.in_css);
    cr_assert_eq(hystart_growth(&h, 4000), 4000);
    hystart_round(&t, &h, 19, 120 * MS); /* more than an eighth */
    cr_assert(h.in_css);
    cr_assert_eq(hystart_growth(&h, 4000), 1000);
    hystart_round(&t, &h, 1, 120 * MS);
    for (int i = 0; i < 3; i++)
        cr_assert_not(hystart_round(&t, &h, 20, 120 * MS));
    cr_assert(hystart_round(&t, &h, 20, 120 * MS));
}

Test(tcp_cc_cubic, rfc9406_a_false_alarm_is_taken_back) {
    struct tcb t = fresh(10);
    struct hystart h;
    hystart_begin(&t, &h, 20, 100 * MS);
    hystart_round(&t, &h, 20, 100 * MS);
    hystart_round(&t, &h, 20, 130 * MS);
    cr_assert(h.in_css);
    hystart_round(&t, &h, 20, 100 * MS);
    cr_assert_not(h.in_css);
}

Test(tcp_cc_cubic, rfc9406_few_samples_are_no_evidence) {
    struct tcb t = fresh(10);
    struct hystart h;
    hystart_begin(&t, &h, 7, 100 * MS);
    hystart_round(&t, &h, 7, 100 * MS);
    hystart_round(&t, &h, 7, 200 * MS);
    cr_assert_not(h.in_css);
}

/* §4.2: time with nothing in flight is none of the curve's. That the ACKs of a whole flight came in
 * one batch is no such time. */
Test(tcp_cc_cubic, a_pause_does_not_count_but_a_flight_acked_at_once_does) {
    struct tcb busy = fresh(100), batch;
    cc_on_recovery(&busy, 100 * TU_MSS);
    busy.cc.cwnd_bytes = busy.cc.ssthresh_bytes;
    round_trip(&busy);
    batch = busy;
    uint64_t began = st.now_ns;
    for (int i = 0; i < 10; i++)
        round_trip(&busy);
    st.now_ns = began;
    for (int i = 0; i < 10; i++) {
        round_trip(&batch);
        batch.snd.una_ns = st.now_ns;
        cc_on_idle(&st, &batch, 100 * MS);
    }
    cr_assert_eq(batch.cc.cwnd_bytes, busy.cc.cwnd_bytes);
    st.now_ns += 500 * MS;
    cc_on_idle(&st, &batch, 600 * MS);
    st.now_ns -= 500 * MS;
    batch.cc.u.cubic.epoch_ns -= 500 * MS;
    round_trip(&batch);
    st.now_ns -= 100 * MS;
    round_trip(&busy);
    cr_assert_eq(batch.cc.cwnd_bytes, busy.cc.cwnd_bytes);
}

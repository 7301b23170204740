#include "tests/unit/tcp_unit.h"

static struct tcp tcp = {.cfg = {.cc = CC_RENO, .slow_start_after_idle = true}};
static struct stack st = {.tcp = &tcp, .now_ns = SEC};
static const struct rate_sample no_sample;

static struct tcb fresh(void) {
    struct tcb t = {.path = &tu_no_path};
    t.snd.mss = TU_MSS;
    t.rtt.rto_ns = SEC;
    cc_init(&st, &t);
    t.cc.max_pipe_bytes = UINT32_MAX / 4; /* always limited by cwnd */
    t.cc.limited = true;
    return t;
}

Test(tcp_cc, initial_window_is_rfc6928s) {
    struct tcb t = {.path = &tu_no_path};
    t.snd.mss = 1460;
    cr_assert_eq(cc_initial_window(&t), 14600);
    t.snd.mss = 536;
    cr_assert_eq(cc_initial_window(&t), 5360);
    t.snd.mss = 8960;
    cr_assert_eq(cc_initial_window(&t), 2 * 8960);
    t.snd.mss = 2000;
    cr_assert_eq(cc_initial_window(&t), 14600);
}

Test(tcp_cc, must19_slow_start_doubles_in_a_round_trip) {
    struct tcb t = fresh();
    for (int i = 0; i < 10; i++)
        cc_on_ack(&st, &t, TU_MSS, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 20 * TU_MSS);
}

Test(tcp_cc, v25_ack_division_gains_nothing) { /* RFC 3465, V25 */
    struct tcb t = fresh();
    for (int i = 0; i < 10000; i++)
        cc_on_ack(&st, &t, 1, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 20 * TU_MSS);
}

Test(tcp_cc, the_first_small_segment_of_a_round_trip_counts_as_a_whole_one) {
    struct tcb t = fresh();
    uint32_t before = t.cc.cwnd_bytes;
    t.cc.small_end = t.snd.una;
    cc_on_small_sent(&t, seq_add(t.snd.una, 8), TU_MSS - 8);
    cc_on_small_sent(&t, seq_add(t.snd.una, 10), TU_MSS - 2);
    t.snd.una = seq_add(t.snd.una, 4);
    cc_on_ack(&st, &t, 4, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, before + 4, "not before all of it is acknowledged");
    t.snd.una = seq_add(t.snd.una, 6);
    cc_on_ack(&st, &t, 6, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, before + TU_MSS + 2);
    cc_on_ack(&st, &t, 6, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, before + TU_MSS + 8, "once");
}

Test(tcp_cc, congestion_avoidance_adds_one_segment_a_window) {
    struct tcb t = fresh();
    t.cc.ssthresh_bytes = t.cc.cwnd_bytes;
    for (int i = 0; i < 10; i++)
        cc_on_ack(&st, &t, TU_MSS, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 11 * TU_MSS);
}

Test(tcp_cc, one_ack_may_cross_ssthresh) {
    struct tcb t = fresh();
    t.cc.ssthresh_bytes = 12 * TU_MSS;
    cc_on_ack(&st, &t, 10 * TU_MSS, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 12 * TU_MSS);
    cr_assert_eq(t.cc.acked_bytes, 8 * TU_MSS);
}

Test(tcp_cc, fast_recovery_halves_the_flight_not_the_window) { /* RFC 5681 equation 4 */
    struct tcb t = fresh();
    t.cc.cwnd_bytes = 100 * TU_MSS;
    cc_on_recovery(&t, 20 * TU_MSS);
    cr_assert_eq(t.cc.ssthresh_bytes, 10 * TU_MSS);
    cc_on_recovery(&t, TU_MSS);
    cr_assert_eq(t.cc.ssthresh_bytes, 2 * TU_MSS);
}

Test(tcp_cc, slow_start_after_a_timeout_takes_one_segment_an_ack) { /* RFC 3465 §2.3 */
    struct tcb t = fresh();
    cc_on_rto(&t, 100 * TU_MSS);
    t.cc.cwnd_bytes = TU_MSS;
    t.loss.state = LOSS_RTO;
    cc_on_ack(&st, &t, 20 * TU_MSS, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 2 * TU_MSS);
}

Test(tcp_cc, rfc7661_an_unused_window_does_not_grow) { /* RFC 7661 */
    struct tcb t = fresh();
    t.cc.max_pipe_bytes = 2 * TU_MSS;
    t.cc.limited = false;
    cc_on_ack(&st, &t, TU_MSS, &no_sample);
    cr_assert_eq(t.cc.cwnd_bytes, 10 * TU_MSS);
}

Test(tcp_cc, idle_time_takes_the_window_back_to_the_restart_window) { /* RFC 5681 §4.1 */
    struct tcb t = fresh();
    t.cc.cwnd_bytes = 80 * TU_MSS;
    cc_on_idle(&st, &t, SEC / 2);
    cr_assert_eq(t.cc.cwnd_bytes, 80 * TU_MSS);
    cc_on_idle(&st, &t, SEC + SEC / 2);
    cr_assert_eq(t.cc.cwnd_bytes, 40 * TU_MSS);
    cc_on_idle(&st, &t, 100 * SEC);
    cr_assert_eq(t.cc.cwnd_bytes, 10 * TU_MSS);
    cr_assert_geq(t.cc.ssthresh_bytes, 60 * TU_MSS);
}

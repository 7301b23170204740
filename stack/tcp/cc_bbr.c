/* BBR, version 3 (draft-ietf-ccwg-bbr): the path is a pipe of a bandwidth, which the delivery rate
 * measures while the pipe is full, and a round-trip time, which is measured while it is empty; so
 * both cannot be measured at once. BBR paces at the bandwidth it believes in, keeps about two
 * pipes' worth in flight at most, and probes in turn: for more bandwidth (ProbeBW, a cycle of
 * down, cruise, refill, up), and every five seconds for the round-trip time (ProbeRTT). More than
 * LOSS_THRESH of loss in a probe says that it went too far.
 *
 * Section numbers are those of the draft's chapter 5. */
#include "stack/tcp/cc.h"

#define PERMILLE             1000u
#define GAIN_STARTUP         2770u /* 4 * ln 2: the rate doubles each round */
#define GAIN_DRAIN           500u
#define GAIN_DOWN            900u
#define GAIN_UP              1250u
#define CWND_GAIN            2000u
#define CWND_GAIN_UP         2250u
#define CWND_GAIN_PROBE_RTT  500u
#define PACING_MARGIN        990u /* a little less than the bandwidth, so that no queue stays */
#define LOSS_THRESH          20u
#define BETA                 700u
#define HEADROOM             150u
#define FULL_BW_GROWTH       1250u
#define FULL_BW_ROUNDS       3u
#define FULL_LOSS_EVENTS     6u
#define MIN_PIPE_SEGS        4u
#define EXTRA_ACKED_ROUNDS   5u /* two spans of it make the window of ten */
#define MIN_RTT_WINDOW_NS    (10 * S_NS)
#define PROBE_RTT_EVERY_NS   (5 * S_NS)
#define PROBE_RTT_NS         (200 * MS_NS)
#define PROBE_WAIT_NS        (2 * S_NS)
#define PROBE_WAIT_SPREAD_MS 1000u
#define PROBE_ROUNDS_MAX     63u /* by then Reno would have probed, too */
#define PROBE_UP_ROUNDS_MAX  30u

static struct bbr *bbr_of(struct tcb *t) {
    return &t->cc.u.bbr;
}
static uint64_t min64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
static uint64_t max64(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}
static uint64_t scaled(uint64_t v, uint32_t permille) {
    return v == BBR_NONE ? v : v * permille / PERMILLE;
}

/* What `rate` delivers in ns. */
static uint64_t bytes_in(uint64_t rate, uint64_t ns) {
    if (ns == 0 || rate <= UINT64_MAX / ns)
        return rate * ns / S_NS;
    return rate / S_NS * ns + rate % S_NS / MS_NS * (ns / (S_NS / MS_NS));
}

/* ---- the model ---- */

static uint64_t max_bw(const struct bbr *b) {
    return max64(b->max_bw[0], b->max_bw[1]);
}
static uint64_t bw(const struct bbr *b) {
    return min64(max_bw(b), b->bw_lo);
}
static uint64_t delivery_rate(const struct rate_sample *rs) {
    return rs->interval_ns != 0 ? rs->delivered * S_NS / rs->interval_ns : 0;
}
static uint64_t min_pipe(const struct tcb *t) {
    return (uint64_t)MIN_PIPE_SEGS * t->snd.mss;
}

static uint64_t bdp(struct tcb *t, uint64_t rate, uint32_t gain) {
    struct bbr *b = bbr_of(t);
    if (b->min_rtt == BBR_NONE)
        return cc_initial_window(t);
    return scaled(bytes_in(rate, b->min_rtt), gain);
}

/* §5.6.4.2: room for what the hosts' own lumps keep back. */
static uint64_t quantized(struct stack *st, struct tcb *t, uint64_t inflight) {
    uint64_t quantum = pace_super_max(st, t, t->snd.mss);
    inflight = max64(max64(inflight, 3 * quantum), min_pipe(t));
    return bbr_of(t)->state == BBR_PROBE_UP ? inflight + 2 * (uint64_t)t->snd.mss : inflight;
}

static uint64_t target_inflight(struct tcb *t) {
    return min64(bdp(t, bw(bbr_of(t)), PERMILLE), t->cc.cwnd_bytes);
}

static uint64_t inflight_with_headroom(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    if (b->inflight_hi == BBR_NONE)
        return BBR_NONE;
    uint64_t room = max64(scaled(b->inflight_hi, HEADROOM), t->snd.mss);
    return b->inflight_hi > room + min_pipe(t) ? b->inflight_hi - room : min_pipe(t);
}

static void start_round(struct tcb *t) {
    bbr_of(t)->round_end = t->rate.delivered;
}

static bool is_in_probe_bw(const struct bbr *b) {
    return b->state >= BBR_PROBE_DOWN && b->state <= BBR_PROBE_UP;
}

static void reset_full_bw(struct bbr *b, uint64_t rate) {
    b->full_bw = rate;
    b->full_bw_rounds = 0;
    b->full_bw_now = false;
}

static void reset_lower_bounds(struct bbr *b) {
    b->bw_lo = b->inflight_lo = BBR_NONE;
}

/* ---- states ---- */

static void enter(struct bbr *b, enum bbr_state state, uint32_t pacing_gain, uint32_t cwnd_gain) {
    b->state = (uint8_t)state;
    b->pacing_gain = (uint16_t)pacing_gain;
    b->cwnd_gain = (uint16_t)cwnd_gain;
}

static void enter_startup(struct bbr *b) {
    enter(b, BBR_STARTUP, GAIN_STARTUP, CWND_GAIN);
}

static void raise_inflight_hi_slope(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    uint64_t growth = (uint64_t)t->snd.mss << b->probe_up_rounds;
    if (b->probe_up_rounds < PROBE_UP_ROUNDS_MAX)
        b->probe_up_rounds++;
    b->probe_up_per = max64(t->cc.cwnd_bytes / growth, 1);
}

static void start_down(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    b->loss_in_round = false;
    b->bw_latest = b->inflight_latest = 0;
    b->probe_up_per = BBR_NONE;
    /* At random, lest flows that share a bottleneck probe at the same time. */
    b->rounds_since_probe = rand_below(&st->rand, 2);
    b->probe_wait_ns = PROBE_WAIT_NS + rand_below(&st->rand, PROBE_WAIT_SPREAD_MS) * MS_NS;
    b->cycle_ns = st->now_ns;
    b->ack_phase = BBR_ACKS_STOPPING;
    start_round(t);
    enter(b, BBR_PROBE_DOWN, GAIN_DOWN, CWND_GAIN);
}

static void start_cruise(struct bbr *b) {
    enter(b, BBR_PROBE_CRUISE, PERMILLE, CWND_GAIN);
}

static void start_refill(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    reset_lower_bounds(b);
    b->probe_up_rounds = 0;
    b->probe_up_acks = 0;
    b->ack_phase = BBR_ACKS_REFILLING;
    start_round(t);
    enter(b, BBR_PROBE_REFILL, PERMILLE, CWND_GAIN);
}

static void start_up(struct stack *st, struct tcb *t, uint64_t rate) {
    struct bbr *b = bbr_of(t);
    b->ack_phase = BBR_ACKS_STARTING;
    start_round(t);
    reset_full_bw(b, rate);
    b->cycle_ns = st->now_ns;
    enter(b, BBR_PROBE_UP, GAIN_UP, CWND_GAIN_UP);
    raise_inflight_hi_slope(t);
}

/* ---- signals of an ACK ---- */

static void count_rounds(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    b->round_start = rs->prior.delivered_ns != 0 && rs->prior.delivered >= b->round_end;
    if (!b->round_start)
        return;
    start_round(t);
    b->rounds_since_probe++;
}

/* §5.5.10.3: since the last probe something was lost, so less than then is safe. */
static void adapt_lower_bounds(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    bool probing =
        b->state == BBR_STARTUP || b->state == BBR_PROBE_REFILL || b->state == BBR_PROBE_UP;
    if (probing || !b->loss_in_round)
        return;
    if (b->bw_lo == BBR_NONE)
        b->bw_lo = max_bw(b);
    if (b->inflight_lo == BBR_NONE)
        b->inflight_lo = t->cc.cwnd_bytes;
    b->bw_lo = max64(b->bw_latest, scaled(b->bw_lo, BETA));
    b->inflight_lo = max64(b->inflight_latest, scaled(b->inflight_lo, BETA));
}

static void update_signals(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    uint64_t rate = delivery_rate(rs);
    b->loss_round_start = false;
    if (rs->prior.delivered_ns != 0 && rs->prior.delivered >= b->loss_round_end) {
        b->loss_round_end = t->rate.delivered;
        b->loss_round_start = true;
    }
    if (rate > 0) {
        b->bw_latest = max64(b->bw_latest, rate);
        b->inflight_latest = max64(b->inflight_latest, rs->delivered);
    }
    count_rounds(t, rs);
    /* A sample that the application limited tells of the path only if it is better. */
    if (rate > 0 && (rate >= max_bw(b) || !rs->is_app_limited))
        b->max_bw[0] = max64(b->max_bw[0], rate);
    if (b->loss_round_start)
        adapt_lower_bounds(t);
}

static void end_signals(struct bbr *b, const struct rate_sample *rs) {
    if (!b->loss_round_start)
        return;
    b->bw_latest = delivery_rate(rs);
    b->inflight_latest = rs->delivered;
    b->loss_in_round = false;
    b->loss_events = 0;
}

/* §5.5.9 */
static void update_extra_acked(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    uint64_t expected = bytes_in(bw(b), st->now_ns - b->extra_begin_ns);
    uint32_t span = b->full_bw_reached ? EXTRA_ACKED_ROUNDS : 1;
    if (b->round_start && ++b->extra_rounds >= span) {
        b->extra_rounds = 0;
        b->extra_acked[1] = b->extra_acked[0];
        b->extra_acked[0] = 0;
    }
    if (b->extra_delivered <= expected) {
        b->extra_delivered = expected = 0;
        b->extra_begin_ns = st->now_ns;
    }
    b->extra_delivered += rs->acked_sacked;
    uint64_t extra = min64(b->extra_delivered - expected, t->cc.cwnd_bytes);
    b->extra_acked[0] = max64(b->extra_acked[0], extra);
}

/* ---- Startup, Drain ---- */

static bool is_inflight_too_high(uint64_t lost, uint64_t in_flight) {
    return lost > in_flight * LOSS_THRESH / PERMILLE;
}

static uint64_t lost_since(const struct tcb *t, const struct rate_mark *m) {
    return t->rate.lost - m->lost;
}

/* §5.3.1.2: the rate has stopped growing. */
static void check_full_bw(struct bbr *b, const struct rate_sample *rs) {
    if (b->full_bw_now || !b->round_start || rs->is_app_limited)
        return;
    uint64_t rate = delivery_rate(rs);
    if (rate >= scaled(b->full_bw, FULL_BW_GROWTH)) {
        reset_full_bw(b, rate);
        return;
    }
    b->full_bw_now = ++b->full_bw_rounds >= FULL_BW_ROUNDS;
    b->full_bw_reached = b->full_bw_reached || b->full_bw_now;
}

/* §5.3.1.3: … or there is too much loss. */
static void check_startup_loss(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    if (b->full_bw_reached || !b->loss_round_start || t->loss.state != LOSS_RECOVERY ||
        b->loss_events < FULL_LOSS_EVENTS ||
        !is_inflight_too_high(lost_since(t, &rs->prior), rs->prior.in_flight))
        return;
    b->full_bw_reached = true;
    b->inflight_hi = max64(bdp(t, max_bw(b), PERMILLE), b->inflight_latest);
}

static void check_startup_and_drain(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    check_full_bw(b, rs);
    if (b->state == BBR_STARTUP) {
        check_startup_loss(t, rs);
        if (b->full_bw_reached)
            enter(b, BBR_DRAIN, GAIN_DRAIN, CWND_GAIN);
    }
    if (b->state == BBR_DRAIN &&
        scoreboard_pipe(t) <= quantized(st, t, bdp(t, max_bw(b), PERMILLE)))
        start_down(st, t);
}

/* ---- ProbeBW ---- */

static void handle_inflight_too_high(struct stack *st, struct tcb *t, uint64_t in_flight,
                                     bool app_limited) {
    struct bbr *b = bbr_of(t);
    b->probe_samples = false; /* once for each probe */
    if (!app_limited)
        b->inflight_hi = max64(in_flight, scaled(target_inflight(t), BETA));
    if (b->state == BBR_PROBE_UP)
        start_down(st, t);
}

static void probe_inflight_hi_upward(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    if (!t->cc.limited || t->cc.cwnd_bytes < b->inflight_hi)
        return;
    b->probe_up_acks += rs->acked_sacked;
    if (b->probe_up_acks >= b->probe_up_per) {
        b->inflight_hi += b->probe_up_acks / b->probe_up_per;
        b->probe_up_acks %= b->probe_up_per;
    }
    if (b->round_start)
        raise_inflight_hi_slope(t);
}

/* §5.3.3.5 */
static void adapt_upper_bounds(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    if (b->ack_phase == BBR_ACKS_STARTING && b->round_start)
        b->ack_phase = BBR_ACKS_FEEDBACK;
    if (b->ack_phase == BBR_ACKS_STOPPING && b->round_start) {
        b->probe_samples = false;
        b->ack_phase = BBR_ACKS_INIT;
        if (is_in_probe_bw(b) && !rs->is_app_limited) { /* the cycle is over */
            b->max_bw[1] = b->max_bw[0];
            b->max_bw[0] = 0;
        }
    }
    if (rs->prior.delivered_ns == 0)
        return;
    if (is_inflight_too_high(lost_since(t, &rs->prior), rs->prior.in_flight)) {
        if (b->probe_samples)
            handle_inflight_too_high(st, t, rs->prior.in_flight, rs->is_app_limited);
        return;
    }
    if (b->inflight_hi == BBR_NONE)
        return;
    b->inflight_hi = max64(b->inflight_hi, rs->prior.in_flight);
    if (b->state == BBR_PROBE_UP)
        probe_inflight_hi_upward(t, rs);
}

static bool is_time_to_probe(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    uint64_t reno_rounds = min64(target_inflight(t) / t->snd.mss, PROBE_ROUNDS_MAX);
    return st->now_ns - b->cycle_ns > b->probe_wait_ns || b->rounds_since_probe >= reno_rounds;
}

static bool is_time_to_cruise(struct stack *st, struct tcb *t) {
    uint64_t pipe = scoreboard_pipe(t);
    return pipe <= inflight_with_headroom(t) &&
           pipe <= quantized(st, t, bdp(t, max_bw(bbr_of(t)), PERMILLE));
}

static bool is_time_to_go_down(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    if (t->cc.limited && t->cc.cwnd_bytes >= b->inflight_hi) {
        reset_full_bw(b, delivery_rate(rs)); /* inflight_hi holds it back: no verdict */
        return false;
    }
    return b->full_bw_now;
}

static void cycle(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    if (!b->full_bw_reached)
        return;
    adapt_upper_bounds(st, t, rs);
    switch (b->state) {
    case BBR_PROBE_DOWN:
        if (is_time_to_probe(st, t))
            start_refill(t);
        else if (is_time_to_cruise(st, t))
            start_cruise(b);
        break;
    case BBR_PROBE_CRUISE:
        if (is_time_to_probe(st, t))
            start_refill(t);
        break;
    case BBR_PROBE_REFILL:
        if (b->round_start) {
            b->probe_samples = true;
            start_up(st, t, delivery_rate(rs));
        }
        break;
    case BBR_PROBE_UP:
        if (is_time_to_go_down(t, rs))
            start_down(st, t);
        break;
    default:
        break;
    }
}

/* ---- ProbeRTT ---- */

static uint64_t probe_rtt_cwnd(struct tcb *t) {
    return max64(bdp(t, bw(bbr_of(t)), CWND_GAIN_PROBE_RTT), min_pipe(t));
}

/* §5.5.7: a filter of 10 s, fed by one of 5 s that tells when to look again. */
static bool update_min_rtt(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    bool expired = st->now_ns > b->probe_rtt_min_ns + PROBE_RTT_EVERY_NS;
    if (rs->rtt_ns != 0 && (rs->rtt_ns < b->probe_rtt_min || expired)) {
        b->probe_rtt_min = rs->rtt_ns;
        b->probe_rtt_min_ns = st->now_ns;
    }
    if (b->probe_rtt_min < b->min_rtt || st->now_ns > b->min_rtt_ns + MIN_RTT_WINDOW_NS) {
        b->min_rtt = b->probe_rtt_min;
        b->min_rtt_ns = b->probe_rtt_min_ns;
    }
    return expired;
}

static void save_cwnd(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    bool reduced = b->state == BBR_PROBE_RTT || b->prev_loss >= LOSS_RECOVERY;
    b->prior_cwnd = reduced ? u32_max(b->prior_cwnd, t->cc.cwnd_bytes) : t->cc.cwnd_bytes;
}

static void exit_probe_rtt(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    b->probe_rtt_min_ns = st->now_ns;
    t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, b->prior_cwnd);
    reset_lower_bounds(b);
    if (!b->full_bw_reached) {
        enter_startup(b);
        return;
    }
    start_down(st, t);
    start_cruise(b);
}

static void stay_in_probe_rtt(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    uint32_t pipe = scoreboard_pipe(t);
    rate_mark_app_limited(t, pipe); /* so little in flight says nothing of the bandwidth */
    if (b->probe_rtt_done_ns == 0) {
        if (pipe > probe_rtt_cwnd(t))
            return;
        b->probe_rtt_done_ns = st->now_ns + PROBE_RTT_NS;
        b->probe_rtt_round_done = false;
        start_round(t);
        return;
    }
    b->probe_rtt_round_done = b->probe_rtt_round_done || b->round_start;
    if (b->probe_rtt_round_done && st->now_ns > b->probe_rtt_done_ns)
        exit_probe_rtt(st, t);
}

static void check_probe_rtt(struct stack *st, struct tcb *t, bool expired) {
    struct bbr *b = bbr_of(t);
    if (b->state != BBR_PROBE_RTT && expired && !b->idle_restart) {
        save_cwnd(t);
        enter(b, BBR_PROBE_RTT, PERMILLE, CWND_GAIN_PROBE_RTT);
        b->probe_rtt_done_ns = 0;
        b->ack_phase = BBR_ACKS_STOPPING;
        start_round(t);
    }
    if (b->state == BBR_PROBE_RTT)
        stay_in_probe_rtt(st, t);
    b->idle_restart = false;
}

/* ---- control: rate and window ---- */

static void set_rate(struct tcb *t, uint32_t gain) {
    struct bbr *b = bbr_of(t);
    uint64_t rate = scaled(scaled(bw(b), gain), PACING_MARGIN);
    if (rate > 0 && (b->full_bw_reached || rate > t->pace.rate))
        pace_set_rate(t, rate);
}

/* §5.6.4.4: recovery begins with as much as arrives; its first round is for what was lost. */
static void on_loss_state(struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    uint8_t now = t->loss.state, prev = b->prev_loss;
    b->prev_loss = now;
    if (rs->losses > 0)
        t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, rs->losses + t->snd.mss) - rs->losses;
    if (now == LOSS_RECOVERY && prev < LOSS_RECOVERY) {
        b->conserving = true;
        start_round(t);
        t->cc.cwnd_bytes = scoreboard_pipe(t) + u32_max(rs->acked_sacked, t->snd.mss);
    } else if (prev >= LOSS_RECOVERY && now < LOSS_RECOVERY) {
        b->conserving = false;
        t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, b->prior_cwnd);
    } else if (b->round_start) {
        b->conserving = false;
    }
}

static uint64_t model_cap(struct tcb *t) {
    struct bbr *b = bbr_of(t);
    uint64_t cap = BBR_NONE;
    if (is_in_probe_bw(b) && b->state != BBR_PROBE_CRUISE)
        cap = b->inflight_hi;
    else if (b->state == BBR_PROBE_RTT || b->state == BBR_PROBE_CRUISE)
        cap = inflight_with_headroom(t);
    if (b->state == BBR_PROBE_RTT)
        cap = min64(cap, probe_rtt_cwnd(t));
    return max64(min64(cap, b->inflight_lo), min_pipe(t));
}

static void set_cwnd(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    uint64_t extra = max64(b->extra_acked[0], b->extra_acked[1]);
    uint64_t most = quantized(st, t, bdp(t, bw(b), b->cwnd_gain) + extra);
    uint64_t cwnd = t->cc.cwnd_bytes, acked = rs->acked_sacked;
    if (b->conserving)
        cwnd = max64(cwnd, scoreboard_pipe(t) + acked);
    else if (b->full_bw_reached)
        cwnd = min64(cwnd + acked, most);
    else if (cwnd < most || t->rate.delivered < cc_initial_window(t))
        cwnd += acked;
    if (!b->conserving)
        cwnd = max64(cwnd, min_pipe(t));
    cwnd = min64(cwnd, model_cap(t));
    t->cc.cwnd_bytes = (uint32_t)min64(max64(cwnd, t->snd.mss), CC_CWND_MAX);
}

/* §5.6.2: until a bandwidth has been seen. A handshake without a sample counts as 1 ms, until
 * there is one. */
static void first_rate(struct tcb *t) {
    uint64_t rtt = t->rtt.srtt_ns != 0 ? t->rtt.srtt_ns : MS_NS;
    bbr_of(t)->seen_rtt = t->rtt.srtt_ns != 0;
    pace_set_rate(t, scaled(t->cc.cwnd_bytes * S_NS / rtt, GAIN_STARTUP));
}

static void bbr_control(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct bbr *b = bbr_of(t);
    update_signals(t, rs);
    update_extra_acked(st, t, rs);
    check_startup_and_drain(st, t, rs);
    cycle(st, t, rs);
    bool expired = update_min_rtt(st, t, rs);
    check_probe_rtt(st, t, expired);
    end_signals(b, rs);
    if (!b->seen_rtt && t->rtt.srtt_ns != 0)
        first_rate(t);
    set_rate(t, b->pacing_gain);
    on_loss_state(t, rs);
    set_cwnd(st, t, rs);
}

/* ---- events ---- */

static void bbr_init(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    *b = (struct bbr){.min_rtt = BBR_NONE,
                      .probe_rtt_min = BBR_NONE,
                      .inflight_hi = BBR_NONE,
                      .probe_up_per = BBR_NONE,
                      .min_rtt_ns = st->now_ns,
                      .probe_rtt_min_ns = st->now_ns,
                      .extra_begin_ns = st->now_ns,
                      .prev_loss = t->loss.state,
                      .prior_cwnd = t->cc.cwnd_bytes};
    if (t->rtt.srtt_ns != 0)
        b->min_rtt = b->probe_rtt_min = t->rtt.min_ns;
    reset_lower_bounds(b);
    b->before.bw_lo = b->before.inflight_lo = b->before.inflight_hi = BBR_NONE;
    b->round_end = b->loss_round_end = t->rate.delivered;
    enter_startup(b);
    first_rate(t);
}

/* The window is BBR's own affair; here only begins what on_loss_state goes on with. */
static uint32_t bbr_ssthresh(struct tcb *t, uint32_t flight) {
    (void)flight;
    save_cwnd(t);
    return t->cc.ssthresh_bytes;
}

/* §5.5.10.2: of the segments lost the first that was too many bounds what may be in flight. */
static void bbr_on_lost(struct stack *st, struct tcb *t, const struct sent *r) {
    struct bbr *b = bbr_of(t);
    b->loss_events++;
    if (!b->loss_in_round) {
        b->loss_in_round = true;
        b->loss_round_end = t->rate.delivered;
        b->before.bw_lo = b->bw_lo;
        b->before.inflight_lo = b->inflight_lo;
        b->before.inflight_hi = b->inflight_hi;
        b->before.state = b->state;
    }
    uint64_t size = sent_len(r), in_flight = r->rate.in_flight, lost = lost_since(t, &r->rate);
    if (!b->probe_samples || !is_inflight_too_high(lost, in_flight))
        return;
    uint64_t before = in_flight > size ? in_flight - size : 0;
    uint64_t lost_before = lost > size ? lost - size : 0, room = scaled(before, LOSS_THRESH);
    if (room > lost_before)
        before += (room - lost_before) * PERMILLE / (PERMILLE - LOSS_THRESH);
    handle_inflight_too_high(st, t, before, r->rate.app_limited);
}

static void bbr_undo(struct stack *st, struct tcb *t) {
    struct bbr *b = bbr_of(t);
    b->loss_in_round = false;
    reset_full_bw(b, 0);
    b->bw_lo = max64(b->bw_lo, b->before.bw_lo);
    b->inflight_lo = max64(b->inflight_lo, b->before.inflight_lo);
    b->inflight_hi = max64(b->inflight_hi, b->before.inflight_hi);
    if (b->state == BBR_PROBE_RTT || b->state == b->before.state)
        return;
    if (b->before.state == BBR_STARTUP)
        enter_startup(b);
    else if (b->before.state == BBR_PROBE_UP)
        start_up(st, t, 0);
}

/* §5.4.3: after a pause at the bandwidth, not at a gain. */
static void bbr_on_restart(struct stack *st, struct tcb *t, uint64_t idle_ns) {
    struct bbr *b = bbr_of(t);
    (void)idle_ns;
    if (t->rate.app_limited == 0)
        return;
    b->idle_restart = true;
    b->extra_begin_ns = st->now_ns;
    b->extra_delivered = 0;
    if (is_in_probe_bw(b))
        set_rate(t, PERMILLE);
    else if (b->state == BBR_PROBE_RTT && b->probe_rtt_done_ns != 0 &&
             st->now_ns > b->probe_rtt_done_ns)
        exit_probe_rtt(st, t);
}

static size_t bbr_info(const struct tcb *t, union tcp_cc_info *out) {
    const struct bbr *b = &t->cc.u.bbr;
    uint64_t rate = bw(b);
    uint64_t us = b->min_rtt / 1000;
    out->bbr = (struct tcp_bbr_info){
        .bbr_bw_lo = (uint32_t)rate,
        .bbr_bw_hi = (uint32_t)(rate >> 32),
        .bbr_min_rtt = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX,
        .bbr_pacing_gain = b->pacing_gain * 256u / PERMILLE,
        .bbr_cwnd_gain = b->cwnd_gain * 256u / PERMILLE,
    };
    return sizeof(out->bbr);
}

const struct cc_ops cc_bbr = {
    .name = "bbr",
    .paces = true,
    .init = bbr_init,
    .control = bbr_control,
    .ssthresh = bbr_ssthresh,
    .on_lost = bbr_on_lost,
    .undo = bbr_undo,
    .on_restart = bbr_on_restart,
    .info = bbr_info,
};

/* CUBIC (RFC 9438): the window follows a cubic curve of the time since the last reduction, steep
 * far from the window at which the last loss happened, flat near it; never slower than Reno would
 * be. Slow start by HyStart++ (RFC 9406). */
#include "stack/tcp/cc.h"

#define BETA_PERMILLE  700u  /* §4.6 */
#define ALPHA_PERMILLE 529u  /* §4.3: 3 * (1 - beta) / (1 + beta) */
#define CURVE_MS_MAX   80000 /* the curve's arithmetic holds up to this distance from the plateau */

static struct cubic *cubic_of(struct tcb *t) {
    return &t->cc.u.cubic;
}

static void cubic_init(struct stack *st, struct tcb *t) {
    (void)st;
    t->cc.u.cubic = (struct cubic){0};
    hystart_init(t, &cubic_of(t)->hystart);
}

/* The largest r with r * r * r <= x, bit by bit. */
static uint32_t cube_root(uint64_t x) {
    uint32_t r = 0;
    for (int bit = 20; bit >= 0; bit--) {
        uint64_t next = r | 1u << bit;
        if (next * next * next <= x)
            r = (uint32_t)next;
    }
    return r;
}

/* §4.2: K = cbrt((W_max - cwnd) / C), C = 0.4 segments per second cubed. */
static void begin_epoch(struct stack *st, struct tcb *t) {
    struct cubic *c = cubic_of(t);
    uint32_t cwnd = t->cc.cwnd_bytes;
    c->epoch_ns = st->now_ns;
    c->w_est = cwnd;
    c->prior = c->w_max;
    c->credit = 0;
    c->origin = u32_max(cwnd, c->w_max);
    c->k_ms = cube_root((uint64_t)(c->origin - cwnd) * 2500000000u / t->snd.mss);
}

/* §4.2, W_cubic(t) = C * (t - K)^3 + W_max. */
static uint32_t curve(const struct tcb *t, const struct cubic *c, uint64_t since_ns) {
    int64_t d = (int64_t)(since_ns / MS_NS) - c->k_ms;
    d = d > CURVE_MS_MAX ? CURVE_MS_MAX : d < -CURVE_MS_MAX ? -CURVE_MS_MAX : d;
    int64_t w = c->origin + d * d * d * (int64_t)t->snd.mss / 10 * 4 / 1000000000;
    return w < 0 ? 0 : w > (int64_t)CC_CWND_MAX ? CC_CWND_MAX : (uint32_t)w;
}

/* §4.3: a segment a round trip, or alpha of one while it is below what the last loss met. */
static void grow_reno_estimate(struct tcb *t, struct cubic *c, uint32_t acked) {
    uint32_t share = c->w_est >= c->prior ? 1000 : ALPHA_PERMILLE;
    c->w_est += (uint32_t)((uint64_t)acked * t->snd.mss / 1000 * share / t->cc.cwnd_bytes);
}

/* §4.4, §4.5: towards where the curve will be in a round trip, by half at most in that time. */
static void follow_curve(struct stack *st, struct tcb *t, struct cubic *c, uint32_t acked) {
    uint32_t cwnd = t->cc.cwnd_bytes;
    uint64_t rtt = t->rtt.min_ns != UINT64_MAX ? t->rtt.min_ns : 0;
    uint32_t target = curve(t, c, st->now_ns - c->epoch_ns + rtt);
    target = u32_min(u32_max(target, cwnd), cwnd + cwnd / 2);
    uint64_t grow = (uint64_t)(target - cwnd) * acked + c->credit;
    c->credit = (uint32_t)(grow % cwnd);
    t->cc.cwnd_bytes = u32_min(cwnd + (uint32_t)(grow / cwnd), CC_CWND_MAX);
}

static void cubic_on_ack(struct stack *st, struct tcb *t, uint32_t acked,
                         const struct rate_sample *rs) {
    struct cubic *c = cubic_of(t);
    if (cc_in_slow_start(t)) {
        bool over = hystart_on_ack(t, &c->hystart, rs->rtt_ns);
        acked = cc_slow_start(t, hystart_growth(&c->hystart, acked));
        if (over)
            t->cc.ssthresh_bytes = t->cc.cwnd_bytes;
        if (acked == 0)
            return;
    }
    if (c->epoch_ns == 0)
        begin_epoch(st, t);
    grow_reno_estimate(t, c, acked);
    follow_curve(st, t, c, acked);
    t->cc.cwnd_bytes = u32_min(u32_max(t->cc.cwnd_bytes, c->w_est), CC_CWND_MAX);
}

/* §4.6, §4.7 fast convergence: a window smaller than at the last loss makes room for newcomers. */
static uint32_t cubic_ssthresh(struct tcb *t, uint32_t flight) {
    struct cubic *c = cubic_of(t);
    uint32_t cwnd = t->cc.cwnd_bytes;
    (void)flight;
    c->before.w_max = c->w_max;
    c->before.epoch_ns = c->epoch_ns;
    c->w_max = cwnd < c->w_max ? (uint32_t)((uint64_t)cwnd * (1000 + BETA_PERMILLE) / 2000) : cwnd;
    c->epoch_ns = 0;
    hystart_init(t, &c->hystart);
    return u32_max((uint32_t)((uint64_t)cwnd * BETA_PERMILLE / 1000), 2 * t->snd.mss);
}

static void cubic_undo(struct stack *st, struct tcb *t) {
    (void)st;
    struct cubic *c = cubic_of(t);
    c->w_max = c->before.w_max;
    c->epoch_ns = c->before.epoch_ns;
}

/* §4.2 (end): the time without sending does not count. */
static void cubic_on_restart(struct stack *st, struct tcb *t, uint64_t idle_ns) {
    struct cubic *c = cubic_of(t);
    if (c->epoch_ns != 0)
        c->epoch_ns = c->epoch_ns + idle_ns < st->now_ns ? c->epoch_ns + idle_ns : st->now_ns;
}

const struct cc_ops cc_cubic = {
    .name = "cubic",
    .init = cubic_init,
    .on_ack = cubic_on_ack,
    .ssthresh = cubic_ssthresh,
    .undo = cubic_undo,
    .on_restart = cubic_on_restart,
};

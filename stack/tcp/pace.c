#include "stack/tcp/pace.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#define SUPER_SHIFT 10u /* a super-segment is what leaves in 2^-10 s (Linux's sk_pacing_shift) */
#define SUPER_GROWTH                                                                               \
    65536u               /* … and more by this, where the round trip is short (tcp_tso_rtt_log) */
#define UNPACED_SEGS 10u /* as Linux's: the first window leaves at once */

void pace_init(struct tcb *t) {
    t->pace.rate = PACE_NO_LIMIT;
    t->pace.next_ns = 0;
}

void pace_set_rate(struct tcb *t, uint64_t rate) {
    uint64_t max = t->opts.paced ? t->opts.max_pacing_rate : PACE_NO_LIMIT;
    t->pace.rate = rate > max ? max : rate;
}

/* Linux's tcp_update_pacing_rate: twice cwnd a round trip in the steep part of slow start, since
 * cwnd doubles meanwhile, then 1.2 of it, so that pacing itself never holds cwnd back. */
void pace_update(struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    if (cc_get(t->cc.id)->paces)
        return;
    if (t->rtt.srtt_ns == 0) {
        pace_set_rate(t, PACE_NO_LIMIT);
        return;
    }
    bool steep = t->cc.cwnd_bytes < t->cc.ssthresh_bytes / 2;
    uint32_t window = u32_max(t->cc.cwnd_bytes, tcb_outstanding(t));
    uint64_t percent = steep ? cfg->pacing_ss_ratio : cfg->pacing_ca_ratio;
    uint64_t bytes = window * percent, per_s = S_NS / 100;
    bool fits = bytes <= UINT64_MAX / per_s;
    pace_set_rate(t, fits ? bytes * per_s / t->rtt.srtt_ns : bytes / t->rtt.srtt_ns * per_s);
}

static bool is_paced(const struct tcb *t) {
    bool asked = cc_get(t->cc.id)->paces || t->opts.paced;
    return asked && t->pace.rate != 0 && t->pace.rate != PACE_NO_LIMIT &&
           t->snd.data_segs_out >= UNPACED_SEGS;
}

bool pace_holds(struct stack *st, struct tcb *t) {
    if (st->now_ns >= t->pace.next_ns || !is_paced(t))
        return false;
    timer_set(&st->timers, &t->pace.timer, t->pace.next_ns);
    return true;
}

/* Who is late, by a timer's grain or for want of data, may catch up, but half of the time between
 * two departures stays. */
void pace_on_sent(struct stack *st, struct tcb *t, uint32_t bytes) {
    if (!is_paced(t))
        return;
    uint64_t due = t->pace.next_ns, gap = bytes * S_NS / t->pace.rate;
    uint64_t late = due != 0 && st->now_ns > due ? st->now_ns - due : 0;
    gap -= late < gap / 2 ? late : gap / 2;
    t->pace.next_ns = (st->now_ns > due ? st->now_ns : due) + gap;
}

uint32_t pace_super_max(const struct stack *st, const struct tcb *t, uint32_t mss) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    uint64_t bytes = t->pace.rate >> SUPER_SHIFT;
    uint64_t rtt_log =
        t->rtt.min_ns == UINT64_MAX ? 64 : (t->rtt.min_ns / 1000) >> cfg->tso_rtt_log;
    if (cfg->tso_rtt_log != 0 && rtt_log < 16)
        bytes += SUPER_GROWTH >> rtt_log;
    uint64_t segs = bytes / mss;
    if (segs < cfg->min_tso_segs)
        segs = cfg->min_tso_segs;
    return segs * mss < TCP_SUPER_MAX ? (uint32_t)segs * mss : TCP_SUPER_MAX;
}

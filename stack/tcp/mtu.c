/* Packetization-layer path MTU discovery (RFC 4821), as Linux does it (tcp_mtu_probing): where a
 * router drops what is too large and its ICMP error never comes (a black hole), the connection
 * would stall for ever on its first full segment.
 *
 * A search between `low`, which arrives, and `high`. It is on from the start (2), or from a timeout
 * beyond R1 on (1), which brings `low` down to tcp_base_mss, and each further one to half. While
 * all is well, one segment of the middle size is sent now and then as a probe. Its ACK raises
 * `low`, and with it the MSS; its loss alone lowers `high`, without a word to congestion control
 * (§7.5). When the two have met, the search rests for tcp_probe_interval. */
#include "stack/tcp/tcb.h"

#define PROBE_CWND     11u /* segments: a loss among fewer could not be told from a timeout */
#define PROBE_INFLIGHT 2u

void mtu_start(struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    t->mtu = (struct mtu_search){.enabled = cfg->mtu_probing == MTU_PROBING_ALWAYS,
                                 .low = cfg->base_mss + opts_len(t),
                                 .since_ns = st->now_ns};
}

void mtu_established(struct stack *st, struct tcb *t) {
    t->mtu.low = st->tcp->cfg.base_mss + opts_len(t);
    t->mtu.high = opts_largest_mss(st, t);
    opts_update_mss(st, t);
}

uint32_t mtu_bounded(const struct tcb *t, uint32_t mss) {
    return t->mtu.enabled ? u32_min(mss, t->mtu.low) : mss;
}

void mtu_on_blackhole(struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    struct mtu_search *m = &t->mtu;
    if (cfg->mtu_probing == MTU_PROBING_NEVER)
        return;
    if (m->enabled) {
        uint32_t mss = u32_min((m->low - opts_len(t)) / 2, cfg->base_mss);
        mss = u32_max(u32_max(mss, cfg->mtu_probe_floor), cfg->min_snd_mss);
        m->low = u32_min(mss + opts_len(t), m->low);
    } else {
        m->enabled = true;
        m->since_ns = st->now_ns;
    }
    m->probe = 0;
    opts_update_mss(st, t);
}

/* A path may have become better (RFC 4821 §7.7). */
static void search_anew(struct stack *st, struct tcb *t) {
    struct mtu_search *m = &t->mtu;
    if (st->now_ns - m->since_ns < st->tcp->cfg.mtu_probe_interval_ns)
        return;
    m->high = opts_largest_mss(st, t);
    m->low = t->snd.mss + opts_len(t);
    m->since_ns = st->now_ns;
}

uint32_t mtu_probe_due(struct stack *st, struct tcb *t) {
    struct mtu_search *m = &t->mtu;
    uint32_t mss = t->snd.mss;
    if (!m->enabled || m->probe != 0 || t->loss.state != LOSS_OPEN || t->rcv.n_sack > 0 ||
        t->cc.cwnd_bytes < PROBE_CWND * mss)
        return 0;
    m->high = u32_min(m->high, opts_largest_mss(st, t));
    if (m->high < m->low + st->tcp->cfg.mtu_probe_threshold) {
        search_anew(st, t);
        return 0;
    }
    /* Behind it must be enough to tell its loss by duplicates. */
    uint32_t len = (m->high + m->low) / 2 - opts_len(t),
             need = len + (t->rack.reordering + 1) * mss;
    int32_t wnd = seq_diff(seq_add(t->snd.una, t->snd.wnd), t->snd.nxt);
    bool fits = wnd > 0 && (uint32_t)wnd >= need &&
                scoreboard_pipe(t) + PROBE_INFLIGHT * mss <= t->cc.cwnd_bytes;
    return fits && tcb_unsent(t) >= need && marks_record(t, t->snd.nxt, len) == len ? len : 0;
}

void mtu_on_probe_sent(struct tcb *t, seq_t lo, uint32_t len) {
    t->mtu.probe = len + opts_len(t);
    t->mtu.lo = lo;
    t->mtu.hi = seq_add(lo, len);
    t->cc.cwnd_bytes -= t->snd.mss; /* it takes a place, and more than its share (tcp_mtu_probe) */
}

void mtu_on_ack(struct stack *st, struct tcb *t) {
    struct mtu_search *m = &t->mtu;
    if (m->probe == 0 || seq_lt(t->snd.una, m->hi))
        return;
    m->low = m->probe;
    m->probe = 0;
    st->ctr.TcpExtTCPMTUPSuccess++;
    opts_update_mss(st, t);
}

bool mtu_probe_was_lost(struct stack *st, struct tcb *t) {
    struct mtu_search *m = &t->mtu;
    if (m->probe == 0 || !seq_eq(t->snd.una, m->lo))
        return false;
    m->high = m->probe - 1;
    m->probe = 0;
    t->cc.cwnd_bytes += t->snd.mss;
    st->ctr.TcpExtTCPMTUPFail++;
    return true;
}

void mtu_on_retransmit(struct tcb *t) {
    t->mtu.probe = 0;
}

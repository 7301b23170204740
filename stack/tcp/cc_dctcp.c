/* DCTCP (RFC 8257), for datacentres: routers mark early, and the window comes down by how much was
 * marked, not by half. It grows as Reno does, and a loss halves it as there. Where the peer does no
 * ECN it is Reno. */
#include "stack/tcp/cc.h"

#define ALPHA_ONE   1024u
#define ALPHA_SHIFT 4u /* g = 1/16, §4.2 */

static struct dctcp *dctcp_of(struct tcb *t) {
    return &t->cc.u.dctcp;
}

static void begin_window(struct tcb *t) {
    struct dctcp *d = dctcp_of(t);
    d->window_end = t->snd.nxt;
    d->acked_bytes = d->marked_bytes = 0;
}

static void dctcp_init(struct stack *st, struct tcb *t) {
    cc_reno.init(st, t);
    dctcp_of(t)->alpha = ALPHA_ONE; /* §3.3 (5): the first mark counts as much as Reno's */
    begin_window(t);
}

/* §3.3: M is the fraction of the window that was marked; alpha = alpha * (1 - g) + g * M. */
static void dctcp_watch(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    struct dctcp *d = dctcp_of(t);
    (void)st;
    d->acked_bytes += rs->acked_sacked;
    d->marked_bytes += rs->marked;
    if (seq_lt(t->snd.una, d->window_end))
        return;
    uint32_t gone = d->alpha >> ALPHA_SHIFT;
    d->alpha -= gone != 0 ? gone : d->alpha; /* so that it can come down to 0 */
    if (d->acked_bytes > 0)
        d->alpha +=
            (uint32_t)((uint64_t)d->marked_bytes * (ALPHA_ONE >> ALPHA_SHIFT) / d->acked_bytes);
    d->alpha = u32_min(d->alpha, ALPHA_ONE);
    begin_window(t);
}

static void dctcp_on_ack(struct stack *st, struct tcb *t, uint32_t acked,
                         const struct rate_sample *rs) {
    cc_reno.on_ack(st, t, acked, rs);
}

/* §3.4 for a mark; §3.5: a loss counts as ever. */
static uint32_t dctcp_ssthresh(struct tcb *t, uint32_t flight) {
    uint32_t cwnd = t->cc.cwnd_bytes;
    if (t->loss.state != LOSS_CWR)
        return cc_reno.ssthresh(t, flight);
    uint32_t less = (uint32_t)((uint64_t)cwnd * dctcp_of(t)->alpha / ALPHA_ONE / 2);
    return u32_max(cwnd - less, 2 * t->snd.mss);
}

static size_t dctcp_info(const struct tcb *t, union tcp_cc_info *out) {
    const struct dctcp *d = &t->cc.u.dctcp;
    out->dctcp = (struct tcp_dctcp_info){.dctcp_enabled = t->ecn.on,
                                         .dctcp_ce_state = t->ecn.echo,
                                         .dctcp_alpha = d->alpha,
                                         .dctcp_ab_ecn = d->marked_bytes,
                                         .dctcp_ab_tot = d->acked_bytes};
    return sizeof(out->dctcp);
}

const struct cc_ops cc_dctcp = {
    .name = "dctcp",
    .needs_ecn = true,
    .init = dctcp_init,
    .on_ack = dctcp_on_ack,
    .watch = dctcp_watch,
    .ssthresh = dctcp_ssthresh,
    .info = dctcp_info,
};

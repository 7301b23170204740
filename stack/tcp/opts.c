/* Options: what a SYN offers and settles, the effective MSS, timestamps and PAWS.
 *
 * use_ts, use_sack and use_wscale say at first what we offer, and from the peer's SYN on what both
 * do. */
#include "stack/tcp/tcb.h"

#define IP_TCP_HDRS 40u /* IPv4 and TCP headers without options (MUST-16, -67) */
#define TS_OPT_LEN  12u /* with its two NOPs */
#define PAWS_IDLE_NS                                                                               \
    (24ull * 86400 * S_NS) /* RFC 7323 §5.5: TS.Recent is then too old to judge by                \
                            */
#define TS_TICK_NS MS_NS

uint32_t ts_now(struct stack *st, const struct tcb *t) {
    return (uint32_t)(st->now_ns / TS_TICK_NS) + t->ts_offset;
}

/* RFC 9293 §3.7.1; SHLD-6: of the interface that the peer is reached by, or what the route says, as
 * it says it. */
uint16_t opts_advertised_mss(struct stack *st, const struct tcb *t) {
    uint32_t mss = net_path_mtu(st, &t->remote.addr) - IP_TCP_HDRS;
    if (t->path->advmss != 0)
        mss = t->path->advmss;
    if (t->opts.maxseg != 0)
        mss = u32_min(mss, t->opts.maxseg);
    return (uint16_t)mss;
}

/* The smallest shift with which the largest buffer can be offered (RFC 7323 §2.3). */
uint8_t opts_window_scale(const struct stack *st, const struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    uint32_t space = u32_max(cfg->rmem[MEM_MOST], cfg->core_rmem_max); /* SO_RCVBUF may come */
    space = recv_clamped(t, t->opts.rcvbuf != 0 ? t->opts.rcvbuf / 2 : space);
    uint8_t shift = 0;
    while (space > 65535 && shift < TCP_WSCALE_MAX) {
        space >>= 1;
        shift++;
    }
    return shift;
}

void opts_for_syn(struct stack *st, const struct tcb *t, struct tcp_opts *o) {
    (void)st;
    o->has_mss = true;
    o->mss = t->rcv.adv_mss;
    o->has_wscale = t->use_wscale;
    o->wscale = t->rcv.wscale;
    o->sack_permitted = t->use_sack;
}

uint32_t opts_len(const struct tcb *t) {
    return (t->use_ts ? TS_OPT_LEN : 0) + (md5_key(t) != NULL ? TCP_MD5_OPT_LEN : 0);
}

void opts_make_room(struct stack *st, struct tcb *t) {
    if (!t->use_ts || !t->use_sack || md5_key(t) == NULL)
        return;
    t->use_ts = false;
    opts_update_mss(st, t);
}

uint32_t opts_largest_mss(struct stack *st, const struct tcb *t) {
    uint32_t mss = u32_min(net_path_mtu(st, &t->remote.addr) - IP_TCP_HDRS, t->snd.peer_mss);
    return t->opts.maxseg != 0 ? u32_min(mss, t->opts.maxseg) : mss;
}

/* Eff.snd.MSS (MUST-16); timestamp and signature go with every segment, SACK blocks are taken off
 * where they appear (RFC 6691 §2). */
void opts_update_mss(struct stack *st, struct tcb *t) {
    uint32_t mss = u32_max(mtu_bounded(t, opts_largest_mss(st, t)), st->tcp->cfg.min_snd_mss);
    t->snd.mss = mss - opts_len(t);
}

bool opts_mss_fits(struct stack *st, const struct tcb *t) {
    return t->snd.mss + IP_TCP_HDRS + opts_len(t) <= net_path_mtu(st, &t->remote.addr);
}

uint32_t tcp_get_timestamp(struct stack *st, const struct tcb *t) {
    return ts_now(st, t);
}

/* The peer's SYN or SYN-ACK. */
void opts_on_syn(struct stack *st, struct tcb *t, const struct tcp_opts *o) {
    t->snd.peer_mss = o->has_mss ? o->mss : TCP_MSS_DEFAULT; /* MUST-15 */
    if (t->snd.peer_mss < st->tcp->cfg.min_snd_mss)
        t->snd.peer_mss = (uint16_t)st->tcp->cfg.min_snd_mss;
    t->use_wscale = t->use_wscale && o->has_wscale; /* RFC 7323 §2.2: only when both sent it */
    t->snd.wscale = 0;
    if (t->use_wscale) /* RFC 7323 §2.3: a larger one counts as 14 */
        t->snd.wscale = (uint8_t)u32_min(o->wscale, TCP_WSCALE_MAX);
    else
        t->rcv.wscale = 0;
    t->use_sack = t->use_sack && o->sack_permitted;
    t->use_ts = t->use_ts && o->has_ts;
    if (t->use_ts) {
        t->ts_recent = o->tsval;
        t->ts_recent_ns = st->now_ns;
    }
    opts_update_mss(st, t);
}

/* RFC 7323 §5.3 R1. A segment without a timestamp where one is due is let through, as in Linux:
 * §3.2 would drop it, but middleboxes that strip the option are more common than what that would
 * protect from. */
bool paws_rejects(struct stack *st, const struct tcb *t, const struct seg *s) {
    if (!t->use_ts || !s->h.opt.has_ts || seg_has(s, TH_RST))
        return false;
    if ((int32_t)(s->h.opt.tsval - t->ts_recent) >= 0)
        return false;
    return st->now_ns - t->ts_recent_ns < PAWS_IDLE_NS;
}

/* RFC 7323 §4.3 (2): of a segment that begins at or before Last.ACK.sent. */
void paws_update(struct stack *st, struct tcb *t, const struct seg *s) {
    if (!t->use_ts || !s->h.opt.has_ts || seq_gt(s->h.seq, t->rcv.acked))
        return;
    if ((int32_t)(s->h.opt.tsval - t->ts_recent) < 0 && st->now_ns - t->ts_recent_ns < PAWS_IDLE_NS)
        return;
    t->ts_recent = s->h.opt.tsval;
    t->ts_recent_ns = st->now_ns;
}

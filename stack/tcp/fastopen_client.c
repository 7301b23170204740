/* The client's side of Fast Open: what a SYN carries, and what its answer says of that. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#define OPTIONS_MAX     40u /* left free, as Linux does: middleboxes add options to SYNs */
#define BLACKHOLE_TIMES 6u  /* the pause doubles so often at most */
#define SYN_TIMEOUTS    2u  /* after so many the option is suspected */

/* ---- is it filtered? (RFC 7413 §4.1.3.1, as Linux) ---- */

static bool is_given_up(const struct stack *st) {
    const struct fastopen_blackhole *b = &st->tcp->blackhole;
    uint64_t pause = st->tcp->cfg.fastopen_blackhole_s * S_NS;
    if (b->times == 0 || pause == 0)
        return false;
    return st->now_ns - b->since_ns < pause << u32_min(b->times - 1, BLACKHOLE_TIMES);
}

void fastopen_suspect(struct stack *st, const struct tcb *t) {
    if (!t->fo.asked && !t->fo.with_data)
        return;
    if (st->tcp->cfg.fastopen_blackhole_s == 0 || t->loss.backoff != SYN_TIMEOUTS)
        return;
    st->ctr.TcpExtTCPFastOpenBlackhole++;
    st->tcp->blackhole.times++;
    st->tcp->blackhole.since_ns = st->now_ns;
}

/* ---- the SYN ---- */

/* True: data may go. The option for the SYN, if it gets one. */
static bool choose_option(struct stack *st, struct tcb *t, struct tcp_fo_opt *o) {
    const struct fastopen_server *s = fastopen_cache_find(st, &t->remote.addr);
    *o = (struct tcp_fo_opt){0};
    if (is_given_up(st))
        return false;
    if ((st->tcp->cfg.fastopen & FASTOPEN_CLIENT_NO_COOKIE) || t->opts.fastopen_no_cookie)
        return true;
    if (md5_key(t) != NULL) /* a signature leaves no room for a cookie */
        return false;
    if (s != NULL && s->cookie.present) {
        *o = s->cookie;
        return true;
    }
    o->present = true;
    o->exp = s != NULL && s->try == FASTOPEN_TRY_EXP;
    return false;
}

bool fastopen_is_ready(struct stack *st, struct tcb *t) {
    struct tcp_fo_opt o;
    return choose_option(st, t, &o);
}

static uint32_t space(struct stack *st, const struct tcb *t) {
    const struct fastopen_server *s = fastopen_cache_find(st, &t->remote.addr);
    uint32_t mss = t->rcv.adv_mss;
    if (s != NULL && s->mss != 0)
        mss = u32_min(mss, s->mss);
    return mss > OPTIONS_MAX ? mss - OPTIONS_MAX : 0;
}

size_t fastopen_fill_syn(struct stack *st, struct tcb *t, const struct iovec *iov, int niov) {
    size_t len = iov_len(iov, niov), room = space(st, t), taken = 0;
    bool data = choose_option(st, t, &t->fo.option);
    t->fo.asked = t->fo.option.present;
    t->fo.exp = t->fo.option.exp;
    if (!data)
        t->fo.fail = FASTOPEN_NO_COOKIE_YET;
    else if (len > 0)
        taken = stream_append(&st->chunks, &t->snd.buf, iov, niov, 0, len < room ? len : room);
    t->fo.with_data = taken > 0;
    t->fo.syn_data = (uint32_t)taken;
    t->snd.nxt = t->fo.data_end = seq_add(t->snd.nxt, (uint32_t)taken);
    return taken;
}

void fastopen_on_too_big(struct stack *st, struct tcb *t) {
    if (t->state != TCPS_SYN_SENT || !t->fo.with_data || t->loss.total_retrans > 0)
        return;
    t->rcv.adv_mss = opts_advertised_mss(st, t);
    t->loss.total_retrans++;
    st->ctr.TcpRetransSegs++;
    rtt_on_syn_again(t);
    segment_send_syn(st, t);
}

/* ---- the answer ---- */

bool fastopen_ends_at(const struct tcb *t, seq_t end) {
    return t->fo.with_data && seq_eq(end, t->fo.data_end);
}

static void remember(struct stack *st, struct tcb *t, const struct seg *s) {
    const struct tcp_opts *o = &s->h.opt;
    enum fastopen_try try = FASTOPEN_TRY_STANDARD;
    struct tcp_fo_opt cookie = o->fo;
    if (!t->fo.asked)
        cookie.present = false; /* nobody asked for it */
    else if (!cookie.present && !t->fo.with_data && t->loss.total_retrans == 0)
        try = t->fo.exp ? FASTOPEN_TRY_NO_MORE : FASTOPEN_TRY_EXP;
    fastopen_cache_store(st, &t->remote.addr, o->has_mss ? o->mss : TCP_MSS_DEFAULT, &cookie, try);
}

/* Without memory for a record what is not acknowledged counts as never sent. */
void fastopen_record_syn(struct stack *st, struct tcb *t, const struct seg *s) {
    if (!t->fo.with_data || t->passive)
        return;
    if (!sent_may_add(st, t)) {
        t->snd.nxt = seq_max(t->snd.una, s->h.ack);
        return;
    }
    sent_add(st, t, t->snd.una, t->snd.nxt);
    sent_last(t)->flags |= SENT_JOINED;
}

void fastopen_on_syn_ack(struct stack *st, struct tcb *t, const struct seg *s) {
    if (t->fo.asked || t->fo.with_data)
        remember(st, t, s);
    if (!t->fo.with_data)
        return;
    if (seq_eq(t->snd.una, t->fo.data_end)) {
        t->fo.data = true;
        t->account.delivered = 0; /* it counts with its SYN */
        st->ctr.TcpExtTCPFastOpenActive++;
        st->tcp->blackhole.times = 0;
        return;
    }
    st->ctr.TcpExtTCPFastOpenActiveFail++;
    t->fo.fail = t->loss.total_retrans > 0 ? FASTOPEN_SYN_RETRANSMITTED : FASTOPEN_DATA_NOT_ACKED;
    loss_mark_all(st, t); /* no sign of congestion, as in Linux */
    tcb_want_flush(st, t);
}

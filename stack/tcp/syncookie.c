#include "stack/tcp/syncookie.h"

#include "stack/tcp/tcb.h"

#define MINUTE_NS    (60 * S_NS)
#define MINUTES_MAX  2u /* a cookie is good for that long */
#define COUNT_SHIFT  24
#define LOW_BITS     0xffffffu
#define TS_BITS      6u /* of the timestamp: window scale, SACK, ECN */
#define TS_WSCALE    0xfu
#define TS_NO_WSCALE 0xfu
#define TS_SACK      0x10u
#define TS_ECN       0x20u

/* What most paths have; the largest that is not above the peer's is taken. */
static const uint16_t mss_table[] = {536, 1300, 1440, 1460};
#define N_MSS (sizeof(mss_table) / sizeof(mss_table[0]))

bool syncookie_is_due(struct stack *st, bool queue_full) {
    return st->tcp->cfg.syncookies == SYNCOOKIES_ALWAYS ||
           (queue_full && st->tcp->cfg.syncookies == SYNCOOKIES_WHEN_FULL);
}

/* ---- the number ---- */

static uint32_t keyed(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                      uint64_t what) {
    struct {
        struct addr local, remote;
        uint64_t ports, what;
    } key = {local->addr, remote->addr, (uint64_t)local->port << 16 | remote->port, what};
    return (uint32_t)siphash(&st->tcp->cookie_key, &key, sizeof(key));
}

/* It grows with the peer's own number and, once a minute, by 2^24, as an ISN should grow; the
 * minute can be read off again, and is what the low bits are keyed with. */
seq_t syncookie_make(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                     seq_t irs, uint32_t minute, uint32_t mss_index) {
    uint32_t low = (keyed(st, local, remote, minute + 1ull) + mss_index) & LOW_BITS;
    return seq(keyed(st, local, remote, 0) + irs.v + (minute << COUNT_SHIFT) + low);
}

int syncookie_check(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                    seq_t irs, seq_t cookie, uint32_t minute) {
    uint32_t rest = cookie.v - keyed(st, local, remote, 0) - irs.v;
    uint32_t age = (minute - (rest >> COUNT_SHIFT)) & (UINT32_MAX >> COUNT_SHIFT);
    if (age >= MINUTES_MAX)
        return -1;
    uint32_t index = (rest - keyed(st, local, remote, minute - age + 1ull)) & LOW_BITS;
    return index < N_MSS ? (int)index : -1;
}

static uint32_t minute_of(const struct stack *st) {
    return (uint32_t)(st->now_ns / MINUTE_NS);
}

static uint32_t mss_index(uint32_t mss) {
    uint32_t i = N_MSS - 1;
    while (i > 0 && mss_table[i] > mss)
        i--;
    return i;
}

/* ---- answering ---- */

/* The timestamp that tells the options again: below the clock, so that it never runs ahead. */
static void encode_options(struct stack *st, struct tcb *t, const struct seg *s) {
    uint32_t bits = s->h.opt.has_wscale ? u32_min(s->h.opt.wscale, TCP_WSCALE_MAX) : TS_NO_WSCALE;
    bits |= (t->use_sack ? TS_SACK : 0) | (t->ecn.on ? TS_ECN : 0);
    uint32_t now = ts_now(st, t), coded = (now & ~((1u << TS_BITS) - 1)) | bits;
    if (coded > now)
        coded -= 1u << TS_BITS;
    t->ts_offset -= now - coded;
}

void syncookie_answer(struct stack *st, struct tcb *l, const struct seg *s) {
    struct tcb *t = listen_make_child(st, l, s);
    if (t == NULL)
        return;
    t->ecn.on = t->ecn.on || t->accecn.on; /* there is no room for which of them */
    t->accecn.on = false;
    t->snd.iss = syncookie_make(st, &t->local, &t->remote, s->seq, minute_of(st),
                                mss_index(t->snd.peer_mss));
    if (t->use_ts)
        encode_options(st, t, s);
    else /* there is nowhere to keep them */
        t->use_sack = t->use_wscale = t->ecn.on = false;
    if (!t->use_wscale)
        t->rcv.wscale = 0;
    tcb_set_state(st, t, TCPS_SYN_RCVD);
    segment_send_syn(st, t);
    st->ctr.TcpExtSyncookiesSent++;
    l->cookie_ns = st->now_ns;
    t->holder = TCB_ORPHAN;
    t->bound = false;
    tcb_set_state(st, t, TCPS_CLOSED);
    tcb_leave(st, t);
}

/* ---- the ACK ---- */

/* The peer's SYN, as far as it is known again. */
static void recall_syn(const struct stack *st, const struct seg *ack, uint16_t mss,
                       struct seg *syn) {
    const struct tcp_opts *o = &ack->h.opt;
    *syn = *ack;
    syn->seq = syn->h.seq = seq_sub(ack->h.seq, 1);
    syn->h.flags = TH_SYN;
    syn->h.opt = (struct tcp_opts){
        .has_mss = true, .mss = mss, .has_ts = o->has_ts, .tsval = o->tsval, .tsecr = 0};
    if (!o->has_ts || !st->tcp->cfg.timestamps)
        return;
    uint32_t bits = o->tsecr;
    syn->h.opt.sack_permitted = bits & TS_SACK;
    syn->h.opt.has_wscale = (bits & TS_WSCALE) != TS_NO_WSCALE;
    syn->h.opt.wscale = bits & TS_WSCALE;
    if (bits & TS_ECN)
        syn->h.flags |= TH_ECE | TH_CWR;
}

struct tcb *syncookie_accept(struct stack *st, struct tcb *l, const struct seg *s) {
    if (l->cookie_ns == 0 || st->now_ns - l->cookie_ns > MINUTES_MAX * MINUTE_NS)
        return NULL;
    struct endpoint local = {s->in->dst, s->h.dport}, remote = {s->in->src, s->h.sport};
    seq_t cookie = seq_sub(s->h.ack, 1);
    int index = syncookie_check(st, &local, &remote, seq_sub(s->h.seq, 1), cookie, minute_of(st));
    if (index < 0) {
        st->ctr.TcpExtSyncookiesFailed++;
        return NULL;
    }
    struct seg syn;
    recall_syn(st, s, mss_table[index], &syn);
    struct tcb *t = listen_make_child(st, l, &syn);
    if (t == NULL)
        return NULL;
    tcb_begin_at(t, cookie);
    t->rcv.adv = seq_add(t->rcv.nxt, recv_syn_window(t)); /* what the SYN-ACK offered */
    return t;
}

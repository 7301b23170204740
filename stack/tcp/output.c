/* What may be sent, and sending it. Predicates (may_…, …_room) decide and change nothing; actions
 * send. The order: what was lost, what is new, an ACK if one is still due.
 *
 * A segment may be a super-segment: a multiple of the MSS, up to what IP takes, of which link or
 * device makes segments; PSH and FIN then stand on the last one only. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#define IP_HDR_MAX 40u /* what IP may put before it: IPv6 */

uint32_t output_mss(const struct tcb *t) {
    uint32_t blocks = t->use_sack ? t->rcv.n_sack : 0;
    if (blocks == 0)
        return t->snd.mss;
    blocks = u32_min(blocks, tcp_sack_room(t->use_ts, md5_key(t) != NULL));
    uint32_t opt = blocks > 0 ? 4 + 8 * blocks : 0;
    return t->snd.mss > opt + 8 ? t->snd.mss - opt : 8; /* RFC 6691 §2 */
}

/* ---- predicates ---- */

/* The largest payload of one packet: whole segments. */
static uint32_t super_max(struct stack *st, const struct tcb *t, uint32_t mss) {
    if (ecn_cwr_is_due(t))
        return mss;
    uint32_t max = net_gso_max(st, &t->remote.addr), hdrs = IP_HDR_MAX + TCP_HDR_MAX;
    if (t->urgent.sending) /* the pointer counts from each segment's own number */
        return mss;
    if (md5_key(t) != NULL) /* and each has a signature of its own */
        return mss;
    if (max <= net_path_mtu(st, &t->remote.addr) || max <= hdrs + mss)
        return mss;
    max = u32_min(max, TCP_SUPER_MAX);
    return u32_min((max - hdrs) / mss * mss, pace_super_max(st, t, mss));
}

/* Bytes from snd.nxt to the edge of the peer's window; none when he has shrunk it (SHLD-15). */
static uint32_t window_room(const struct tcb *t) {
    int32_t room = seq_diff(seq_add(t->snd.una, t->snd.wnd), t->snd.nxt);
    return room > 0 ? (uint32_t)room : 0;
}

/* One segment always may be in flight, however small cwnd is. */
static uint32_t cwnd_room(const struct tcb *t) {
    uint32_t pipe = scoreboard_pipe(t), cwnd = t->cc.cwnd_bytes;
    if (pipe == 0)
        return u32_max(cwnd, t->snd.mss);
    return cwnd > pipe ? cwnd - pipe : 0;
}

/* New data's super-segments are half of cwnd at most, so that one is under way while the ACK of the
 * other comes back (as Linux's tcp_cwnd_test). */
static uint32_t half_cwnd(const struct tcb *t, uint32_t mss) {
    uint32_t half = t->cc.cwnd_bytes / 2;
    return half > mss ? half - half % mss : mss;
}

/* The largest packet of new data. */
static uint32_t new_max(struct stack *st, const struct tcb *t, uint32_t mss) {
    return u32_min(super_max(st, t, mss), half_cwnd(t, mss));
}

static bool fin_is_due(const struct tcb *t) {
    return t->snd.fin_queued && !tcb_fin_sent(t);
}

/* Nagle's algorithm (RFC 9293 §3.7.4, SHLD-7), in Minshall's form as in Linux: a small segment
 * waits only for another small one. Corked data waits for more, or TCP_CORK_NS. */
static bool may_send_small(const struct tcb *t) {
    if (t->snd.override || t->snd.fin_queued || t->urgent.sending) /* tcp_nagle_test */
        return true;
    if (t->opts.cork || t->snd.hold)
        return false;
    /* A small_end that is 2 GiB old looks as if it lay ahead, but then beyond snd.nxt. */
    return t->opts.nodelay || !seq_gt(t->snd.small_end, t->snd.una) ||
           seq_gt(t->snd.small_end, t->snd.nxt) || seq_ge(t->snd.una, t->snd.nxt);
}

/* How many of the unsent bytes may go now (Nagle, cwnd, and the sender's SWS avoidance of
 * §3.8.6.2.1, MUST-38). *cwnd_stops: it is cwnd that keeps the rest. */
static uint32_t may_send_new(const struct tcb *t, uint32_t mss, uint32_t max, bool *cwnd_stops) {
    /* A record that is not the last is as good as pushed (MSG_EOR; tcp_write_xmit). */
    uint32_t all = tcb_unsent(t), unsent = marks_record(t, t->snd.nxt, all), wnd = window_room(t),
             cwnd = cwnd_room(t);
    uint32_t len = u32_min(u32_min(unsent, max), u32_min(wnd, cwnd));
    uint32_t whole = len - len % mss;
    *cwnd_stops = cwnd < u32_min(unsent, wnd) && cwnd < max;
    if (len == whole)
        return len;
    if (len == unsent)
        return unsent < all || may_send_small(t) ? len : whole;
    if (len == cwnd) /* whole segments only: the rest will follow with the next ACK */
        return whole;
    /* What is left is a part of a segment that the window cuts off. */
    if (len >= t->snd.max_wnd / 2 || t->snd.override)
        return len;
    return whole;
}

/* ---- actions ---- */

/* Sends [lo, hi) again. False: memory was out. The FIN is the number behind the data. */
static bool retransmit(struct stack *st, struct tcb *t, struct range *r) {
    seq_t data_end = tcb_data_end(t);
    uint16_t flags = seq_gt(r->hi, data_end) ? TH_FIN : 0;
    seq_t end = seq_min(r->hi, data_end);
    uint32_t len = seq_gt(end, r->lo) ? (uint32_t)seq_diff(end, r->lo) : 0;
    if (len > 0 && ((seq_eq(end, data_end) && !t->snd.more) || fastopen_ends_at(t, end)))
        flags |= TH_PSH;
    int32_t n = segment_send(st, t, r->lo, len, flags);
    if (n < 0)
        return false;
    if ((uint32_t)n < len)
        r->hi = seq_add(r->lo, (uint32_t)n);
    uint32_t segs = u32_max(1, tcb_segments(t, (uint32_t)n));
    st->ctr.TcpRetransSegs += segs;
    t->loss.total_retrans += segs;
    t->snd.bytes_retrans += (uint32_t)n;
    tcp_on_sent(st, t);
    loss_on_retransmit(st, t, r);
    return true;
}

/* The part of r that lies within the peer's window (SHLD-16); at a window that he has shrunk to
 * nothing the head goes as a probe. */
static uint32_t inside_window(const struct tcb *t, const struct range *r, uint32_t mss) {
    uint32_t len = (uint32_t)seq_diff(r->hi, r->lo);
    int32_t wnd = seq_diff(seq_add(t->snd.una, t->snd.wnd), r->lo);
    if (wnd <= 0)
        return seq_eq(r->lo, t->snd.una) ? u32_min(len, mss) : 0;
    return u32_min(len, (uint32_t)wnd);
}

/* The part of a hole that may be sent again now: within the window, and within cwnd in whole
 * segments. 0: nothing. */
static uint32_t may_retransmit(const struct tcb *t, const struct range *r, uint32_t mss,
                               uint32_t max) {
    uint32_t hole = u32_min(inside_window(t, r, mss), max), room = cwnd_room(t);
    return hole <= room ? hole : room - room % mss;
}

static void send_lost(struct stack *st, struct tcb *t) {
    struct range r;
    uint32_t mss = output_mss(t), max = super_max(st, t, mss);
    while (loss_next_rtx(t, &r)) {
        uint32_t len = may_retransmit(t, &r, mss, max);
        if (len == 0 || pace_holds(st, t))
            return;
        r.hi = seq_add(r.lo, len);
        if (!retransmit(st, t, &r))
            return;
        mss = output_mss(t);
    }
}

static bool send_new_segment(struct stack *st, struct tcb *t, uint32_t len, uint32_t mss) {
    bool last = len == tcb_unsent(t);
    bool fin = last && fin_is_due(t) && window_room(t) > len;
    bool push = last && len > 0 && !t->snd.more; /* MUST-61 */
    uint16_t flags = (uint16_t)((fin ? TH_FIN : 0) | (push ? TH_PSH : 0));
    seq_t lo = t->snd.nxt;
    if ((len == 0 && !fin) || !sent_may_add(st, t)) {
        if (len > 0 || fin)
            tcp_on_no_memory(st, t);
        return false;
    }
    int32_t n = segment_send(st, t, lo, len, flags);
    if (n < 0)
        return false;
    t->snd.nxt = seq_add(lo, (uint32_t)n + (fin && (uint32_t)n == len));
    t->snd.bytes_sent += (uint32_t)n;
    if ((uint32_t)n % mss != 0) {
        t->snd.small_end = seq_add(lo, (uint32_t)n);
        cc_on_small_sent(t, t->snd.small_end, mss - (uint32_t)n % mss);
    }
    sent_add(st, t, lo, t->snd.nxt);
    prr_on_sent(t, (uint32_t)n);
    tcp_on_sent(st, t);
    return true;
}

/* RFC 4821 §7.3: a segment larger than the others, whole. */
static void send_mtu_probe(struct stack *st, struct tcb *t) {
    uint32_t len = mtu_probe_due(st, t);
    seq_t lo = t->snd.nxt;
    if (len == 0)
        return;
    t->mtu.sending = true;
    bool sent = send_new_segment(st, t, len, len);
    t->mtu.sending = false;
    if (sent && seq_eq(t->snd.nxt, seq_add(lo, len)))
        mtu_on_probe_sent(t, lo, len);
}

struct sent_new {
    bool any, cwnd_stopped;
};

static struct sent_new send_new(struct stack *st, struct tcb *t) {
    bool cwnd_stops = false, any = false;
    uint32_t mss = output_mss(t), max;
    if (tcb_outstanding(t) == 0 && t->snd.last_data_ns != 0 && tcb_unsent(t) > 0 &&
        window_room(t) > 0)
        cc_on_idle(st, t, st->now_ns - t->snd.last_data_ns);
    send_mtu_probe(st, t);
    max = new_max(st, t, mss);
    while (tcb_unsent(t) > 0 || fin_is_due(t)) {
        uint32_t len = may_send_new(t, mss, max, &cwnd_stops);
        if ((len == 0 && tcb_unsent(t) > 0) || (len > 0 && pace_holds(st, t)))
            break;
        if (!send_new_segment(st, t, len, mss))
            break;
        any = true;
        mss = output_mss(t);
        max = new_max(st, t, mss);
    }
    return (struct sent_new){any, cwnd_stops};
}

bool output_probe_new(struct stack *st, struct tcb *t) {
    uint32_t mss = output_mss(t), len = u32_min(u32_min(tcb_unsent(t), mss), window_room(t));
    return len > 0 && send_new_segment(st, t, len, mss);
}

bool output_probe_last(struct stack *st, struct tcb *t) {
    struct sent *last = sent_last(t);
    if (last == NULL || last->flags & SENT_SACKED)
        return false;
    uint32_t len = sent_len(last), mss = output_mss(t);
    if (len > mss) { /* the last segment of a super-segment, which may be a short one */
        uint32_t tail = len % mss != 0 ? len % mss : mss;
        struct sent *cut = sent_split(st, t, last, seq_sub(last->hi, tail));
        last = cut != NULL ? cut : last;
    }
    struct range r = {last->lo, last->hi};
    if (inside_window(t, &r, mss) < sent_len(last)) /* SHLD-15: the peer has shrunk it */
        return false;
    return retransmit(st, t, &r);
}

static bool may_send_data(const struct tcb *t) {
    switch (t->state) {
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
    case TCPS_FIN_WAIT_1:
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        return true;
    case TCPS_SYN_RCVD:
        return t->fo.pending;
    default:
        return false;
    }
}

void tcp_output(struct stack *st, struct tcb *t) {
    if (may_send_data(t)) {
        if (!opts_mss_fits(st, t)) { /* another connection has learnt it; IP would refuse ours */
            opts_update_mss(st, t);
            loss_mark_all(st, t);
        }
        struct sent_new fresh = {0};
        if (t->loss.new_first) /* F-RTO, RFC 5682 §2.1 step 2b */
            fresh = send_new(st, t);
        if (!t->loss.new_first || seq_le(t->snd.nxt, t->loss.recover)) {
            t->loss.frto = t->loss.frto && !t->loss.new_first;
            send_lost(st, t);
            fresh = send_new(st, t);
        }
        t->loss.new_first = false;
        if (tcb_unsent(t) == 0 && !fresh.cwnd_stopped && t->sent.lost_bytes <= t->sent.rtx_bytes)
            rate_mark_app_limited(t, scoreboard_pipe(t));
        cc_on_output(t, scoreboard_pipe(t), fresh.cwnd_stopped);
        account_on_output(st, t, fresh.cwnd_stopped || scoreboard_pipe(t) >= t->cc.cwnd_bytes);
        tcp_on_output_done(st, t, fresh.any);
        if (fresh.any) /* less is unsent: TCP_NOTSENT_LOWAT */
            tcb_check_space(st, t);
    }
    if (t->ack.now)
        segment_send_ack(st, t);
}

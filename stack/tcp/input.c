/* A segment arrives: RFC 9293 §3.10.7, its steps in their order, a function each. Segments for
 * LISTEN, SYN-SENT and TIME-WAIT go to files of their own; all other states share these steps. */
#include "stack/tcp/tcb.h"

#include <poll.h>

/* ---- before the state machine ---- */

const uint8_t *seg_bytes(struct stack *st, struct seg *s) {
    struct frame *f = &s->in->f;
    if (s->chunk != NULL)
        return s->chunk->data;
    if (f->linear == f->len)
        return f->data;
    struct chunk *c = chunk_get(&st->chunks, f->len);
    if (c == NULL || c->cap < f->len) {
        st->ctr.mem_chunks_out++;
        if (c != NULL)
            chunk_unref(&st->chunks, c);
        return NULL;
    }
    struct iovec iov = {c->data, f->len};
    if (frame_read(f, 0, f->len, &iov, 1) != (int)f->len) {
        chunk_unref(&st->chunks, c);
        return NULL;
    }
    c->len = f->len;
    s->chunk = c;
    return c->data;
}

/* MUST-3. A frame that nobody has verified and that is not whole in memory is fetched first. */
static bool verify_checksum(struct stack *st, struct ip_in *in, struct seg *s) {
    struct frame *f = &in->f;
    if (f->csum != FRAME_CSUM_UNKNOWN)
        return true;
    const uint8_t *data = seg_bytes(st, s);
    if (data == NULL)
        return false;
    uint64_t sum = csum_pseudo(&in->src, &in->dst, PROTO_TCP, f->len);
    if (csum_finish(csum_add(sum, data, f->len)).raw == 0)
        return true;
    st->ctr.TcpInCsumErrors++;
    st->ctr.TcpInErrs++;
    return false;
}

static bool parse(struct stack *st, struct ip_in *in, struct seg *s) {
    s->chunk = NULL;
    s->in = in;
    st->ctr.TcpInSegs++;
    if (tcp_parse(in->f.data, in->f.linear, &s->h) < 0) {
        st->ctr.TcpInErrs++;
        return false;
    }
    if (!verify_checksum(st, in, s))
        return false;
    s->seq = s->h.seq;
    s->skip = 0;
    s->len = s->wire_len = in->f.len - s->h.hdr_len;
    s->syn = seg_has(s, TH_SYN);
    s->fin = seg_has(s, TH_FIN);
    s->wnd = s->h.window;
    return true;
}

/* ---- first: sequence number ---- */

/* RFC 9293 §3.10.7.4, table 6. At a zero window a segment at RCV.NXT passes with its text cut off
 * later: its ACK, RST and URG must count (MUST-66). */
static bool is_acceptable(const struct tcb *t, const struct seg *s) {
    uint32_t wnd = tcb_rcv_wnd(t);
    seq_t edge = t->rcv.adv, end = seg_end(s);
    if (wnd == 0)
        return seq_eq(s->seq, t->rcv.nxt);
    if (seq_eq(s->seq,
               end)) /* table 6 has seq < edge; but a sender that filled the window ACKs at it */
        return seq_ge(s->seq, t->rcv.nxt) && seq_le(s->seq, edge);
    return seq_in(s->seq, t->rcv.nxt, edge) || seq_in(seq_sub(end, 1), t->rcv.nxt, edge);
}

static void answer_unacceptable(struct stack *st, struct tcb *t, const struct seg *s) {
    if (seg_has(s, TH_RST))
        return;
    seq_t hi = seq_add(s->seq, s->len);
    if (s->len > 0 && seq_lt(s->seq, t->rcv.nxt)) /* RFC 2883: an old duplicate */
        sack_report_dup(st, t, s->seq, seq_min(hi, t->rcv.nxt));
    challenge_oow_ack(st, t, s);
}

/* SYN-RCVD: the peer's SYN once more. Of a passive open: our SYN-ACK was lost, it goes again. In a
 * simultaneous open the SYN-ACK has the same number as the SYN had (RFC 9293 figure 8): what counts
 * of it is the ACK. True: the segment is used up. */
static bool syn_again(struct stack *st, struct tcb *t, struct seg *s) {
    if (t->state != TCPS_SYN_RCVD || !s->syn || !seq_eq(s->seq, t->rcv.irs) || seg_has(s, TH_RST))
        return false;
    if (seg_has(s, TH_ACK)) {
        if (!seq_eq(s->h.ack, t->snd.nxt))
            return false;
        s->syn = false;
        s->seq = seq_add(s->seq, 1);
        return false;
    }
    if (challenge_may(st, &t->ack.oow_ns))
        segment_send_syn(st, t);
    return true;
}

static bool check_sequence(struct stack *st, struct tcb *t, struct seg *s) {
    if (paws_rejects(st, t, s)) {
        st->ctr.TcpExtPAWSEstab++;
        answer_unacceptable(st, t, s);
        return false;
    }
    if (syn_again(st, t, s))
        return false;
    if (!is_acceptable(t, s)) {
        answer_unacceptable(st, t, s);
        return false;
    }
    return true;
}

/* ---- second: RST ---- */

static void on_reset(struct stack *st, struct tcb *t) {
    switch (t->state) {
    case TCPS_SYN_RCVD: /* of a passive open: back to LISTEN, which the listener never left */
        tcb_finish(st, t, t->fo.pending ? ECONNRESET : t->passive ? 0 : ECONNREFUSED);
        return;
    case TCPS_CLOSE_WAIT:
        st->ctr.TcpEstabResets++;
        tcb_finish(st, t, EPIPE); /* as in Linux */
        return;
    case TCPS_ESTABLISHED:
        st->ctr.TcpEstabResets++;
        tcb_finish(st, t, ECONNRESET);
        return;
    default:
        tcb_finish(st, t, ECONNRESET);
        return;
    }
}

static bool check_rst(struct stack *st, struct tcb *t, const struct seg *s) {
    if (!seg_has(s, TH_RST))
        return true;
    if (seq_eq(s->h.seq, t->rcv.nxt))
        on_reset(st, t);
    else
        challenge_ack(st, t); /* RFC 5961 §3.2: in the window, but not exactly */
    return false;
}

/* ---- fourth: SYN ---- */

static bool check_syn(struct stack *st, struct tcb *t, const struct seg *s) {
    if (!s->syn)
        return true;
    st->ctr.TcpExtTCPSYNChallenge++;
    challenge_ack(st, t); /* RFC 5961 §4.2: whatever its number */
    return false;
}

/* ---- seventh: text; eighth: FIN ---- */

/* Cuts the segment to the window. */
static void trim(struct stack *st, struct tcb *t, struct seg *s) {
    int32_t old = seq_diff(t->rcv.nxt, s->seq);
    if (old > 0) {
        uint32_t n = u32_min((uint32_t)old, s->len);
        sack_report_dup(st, t, s->seq, seq_add(s->seq, n));
        s->seq = seq_add(s->seq, n);
        s->skip += n;
        s->len -= n;
        if (n > 0)
            ackpolicy_now(st, t);
        if (n < (uint32_t)old)
            s->fin = false; /* it lay below RCV.NXT as well */
    }
    int32_t over = seq_diff(seq_add(s->seq, s->len), t->rcv.adv);
    if (over > 0) {
        s->len -= u32_min((uint32_t)over, s->len);
        s->fin = false;
        ackpolicy_now(st, t); /* the sender does not know the window */
    }
}

static void on_fin(struct stack *st, struct tcb *t) {
    t->rcv.fin_seen = true;
    t->rcv.nxt = seq_add(t->rcv.nxt, 1);
    t->rcv.adv = seq_max(t->rcv.adv, t->rcv.nxt);
    gaps_clear(st, t); /* nothing can follow */
    ackpolicy_now(st, t);
    tcb_raise(st, t, POLLIN | POLLRDHUP);
    switch (t->state) {
    case TCPS_SYN_RCVD:
    case TCPS_ESTABLISHED:
        tcb_set_state(st, t, TCPS_CLOSE_WAIT);
        break;
    case TCPS_FIN_WAIT_1: /* our FIN is not acknowledged, else the ACK step had left this state */
        tcb_set_state(st, t, TCPS_CLOSING);
        break;
    case TCPS_FIN_WAIT_2:
        tcb_set_state(st, t, TCPS_TIME_WAIT);
        tcb_raise(st, t, POLLHUP);
        break;
    default:
        break;
    }
}

/* Data for which there is no reader any more: RFC 2525 §2.17, RFC 9293 §3.6.1; as Linux, once our
 * own FIN is out. */
static bool is_unwanted(const struct tcb *t, const struct seg *s) {
    bool closing = t->state == TCPS_FIN_WAIT_1 || t->state == TCPS_FIN_WAIT_2;
    return closing && (t->shut & SHUT_BIT_RD) && s->len > 0;
}

void input_text(struct stack *st, struct tcb *t, struct seg *s) {
    urgent_on_segment(st, t, s); /* sixth: URG */
    trim(st, t, s);
    if (is_unwanted(t, s)) {
        st->ctr.TcpExtTCPAbortOnData++;
        reset_reply(st, t, s);
        tcb_finish(st, t, ECONNRESET);
        return;
    }
    if (t->rcv.fin_seen)
        return; /* CLOSE-WAIT and later: nothing may follow the FIN */
    ecn_on_segment(st, t, s);
    recv_segment(st, t, s);
    urgent_on_data(st, t);
    if (t->rcv.fin_known && seq_eq(t->rcv.fin_seq, t->rcv.nxt))
        on_fin(st, t);
}

/* ---- all of them ---- */

void input_synchronized(struct stack *st, struct tcb *t, struct seg *s) {
    if (!s->syn) /* RFC 7323 §2.2: never scaled on a SYN, the SYN-ACK of a simultaneous open too */
        s->wnd <<= t->snd.wscale;
    if (!check_sequence(st, t, s) || !check_rst(st, t, s) || !check_syn(st, t, s))
        return;
    paws_update(st, t, s);
    tcp_on_segment(st, t);
    if (!ack_process(st, t, s))
        return;
    if (t->state != TCPS_CLOSED && t->state != TCPS_TIME_WAIT)
        input_text(st, t, s);
}

static void dispatch(struct stack *st, struct tcb *t, struct seg *s) {
    t->rcv.segs_in++;
    switch (t->state) {
    case TCPS_LISTEN:
        input_listen(st, t, s, NULL);
        break;
    case TCPS_SYN_SENT:
        input_syn_sent(st, t, s);
        break;
    case TCPS_TIME_WAIT:
        input_timewait(st, t, s);
        break;
    case TCPS_CLOSED:
        assert(!"a CLOSED tcb is deaf in the flow table");
        break;
    default:
        input_synchronized(st, t, s);
        break;
    }
}

void tcp_input(struct stack *st, struct ip_in *in) {
    struct seg s;
    if (parse(st, in, &s)) {
        struct tcb *t = tcb_find(st, in, &s.h);
        if (t == NULL) {
            reset_reply(st, NULL, &s); /* §3.10.7.1: CLOSED */
        } else {
            stack_dirty(st, t);
            if (in->ttl < t->opts.minttl)
                st->ctr.TcpExtTCPMinTTLDrop++; /* RFC 5082 */
            else if (t->state == TCPS_TIME_WAIT ||
                     md5_admits(st, t, &s)) /* timewait.c asks itself */
                dispatch(st, t, &s);
            tcb_leave(st, t);
        }
    }
    if (s.chunk != NULL)
        chunk_unref(&st->chunks, s.chunk);
}

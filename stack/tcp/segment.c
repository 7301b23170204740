/* Building segments: a header beside references to the send stream; no payload byte is copied. */
#include "stack/tcp/tcb.h"

/* MUST-2: the checksum is always sent; the link, or its device, finishes it. */
void segment_push_header(struct pkt *p, struct tcp_hdr *h, const struct addr *src,
                         const struct addr *dst, const struct md5_key *key) {
    h->opt.has_md5 = key != NULL;
    uint8_t *b = pkt_push(p, tcp_build_len(h));
    tcp_build(b, h);
    if (key != NULL)
        md5_sign(p, key, src, dst);
    be16_t folded = csum_fold(csum_pseudo(src, dst, PROTO_TCP, (uint32_t)pkt_len(p)));
    memcpy(b + TCP_CSUM_OFFSET, &folded, sizeof(folded));
    pkt_set_csum(p, TCP_CSUM_OFFSET);
}

/* Hands a finished header and packet to IP. Takes p over. */
static int pass_down(struct stack *st, struct tcb *t, struct pkt *p, struct tcp_hdr *h,
                     uint8_t ecn) {
    const struct md5_key *key = md5_key(t);
    segment_push_header(p, h, &t->local.addr, &t->remote.addr, key);
    uint32_t segs = 1, mss = output_mss(t);
    bool whole = (h->flags & TH_SYN) || t->mtu.sending; /* one segment, whatever the MSS */
    if (p->payload_len > mss && !whole) {
        assert(key == NULL); /* a signature is one segment's */
        pkt_set_gso(p, addr_is_v4(&t->remote.addr) ? GSO_TCP4 : GSO_TCP6, (uint16_t)mss);
        segs = (p->payload_len + mss - 1) / mss;
    }
    st->ctr.TcpOutSegs += segs;
    t->snd.segs_out += segs;
    if (p->payload_len > 0)
        t->snd.data_segs_out += segs;
    t->snd.last_send_ns = st->now_ns;
    struct ip_out io = {.src = t->local.addr,
                        .dst = t->remote.addr,
                        .proto = PROTO_TCP,
                        .tos = (uint8_t)(t->opts.tos | ecn),
                        .ttl = t->opts.ttl,
                        .df = !t->opts.may_fragment,
                        .confirmed = t->snd.confirmed};
    t->snd.confirmed = false;
    int err = net_output(st, p, &io);
    if (err == -EHOSTUNREACH || err == -ENETUNREACH)
        t->soft_error = -err;
    return err;
}

static struct pkt *get_pkt(struct stack *st, struct tcb *t) {
    struct pkt *p = pkt_get(&st->pkts);
    if (p == NULL) {
        st->ctr.mem_pkts_out++;
        tcp_on_no_memory(st, t);
    }
    return p;
}

static struct tcp_hdr header(struct stack *st, struct tcb *t, seq_t seq, uint16_t flags) {
    struct tcp_hdr h = {
        .sport = t->local.port, .dport = t->remote.port, .seq = seq, .flags = flags};
    if (flags & TH_ACK)
        h.ack = t->rcv.nxt;
    if (t->use_ts) { /* RFC 7323 §3.2: on every segment of the connection */
        h.opt.has_ts = true;
        h.opt.tsval = ts_now(st, t);
        h.opt.tsecr = flags & TH_ACK ? t->ts_recent : 0;
    }
    return h;
}

int32_t segment_send(struct stack *st, struct tcb *t, seq_t seq, uint32_t len, uint16_t flags) {
    struct pkt *p = get_pkt(st, t);
    if (p == NULL)
        return -ENOBUFS;
    uint32_t n = 0, record = marks_record(t, seq, len);
    /* What went as a super-segment before there was a key, and for lack of memory is still one. */
    if (md5_key(t) != NULL && !t->mtu.sending)
        record = u32_min(record, output_mss(t));
    if (len > 0)
        n = (uint32_t)pkt_add_stream(p, &t->snd.buf, (size_t)seq_diff(seq, t->snd.buf_seq), record);
    if (n < len)
        flags &= (uint16_t) ~(TH_FIN | TH_PSH);
    /* A record ends here; or, as Linux, so that the receiver hands up a super-segment at once. */
    if ((n > 0 && marks_record(t, seq, n + 1) == n) || (n > output_mss(t) && !t->mtu.sending))
        flags |= TH_PSH;
    struct tcp_hdr h = header(st, t, seq, flags | TH_ACK);
    h.window = (uint16_t)(recv_advance_window(st, t) >> t->rcv.wscale); /* MUST-1: unsigned */
    sack_fill(t, &h.opt, len == 0);
    if (urgent_pointer(t, seq, &h.urg))
        h.flags |= TH_URG;
    uint8_t ecn;
    h.flags |= ecn_on_send(t, len > 0, seq_ge(seq, t->snd.nxt), &ecn);
    ackpolicy_on_sent(st, t, len > 0);
    if (n > 0) {
        t->snd.last_data_ns = st->now_ns;
        pace_on_sent(st, t, n);
    }
    pass_down(st, t, p, &h, ecn);
    marks_on_sent(st, t, seq_add(seq, n));
    return (int32_t)n;
}

seq_t segment_ack_seq(const struct tcb *t) {
    seq_t edge = seq_add(t->snd.una, t->snd.wnd);
    return seq_gt(t->snd.nxt, edge) ? edge : t->snd.nxt;
}

void segment_send_ack(struct stack *st, struct tcb *t) {
    segment_send(st, t, segment_ack_seq(t), 0, 0);
}

void segment_send_probe(struct stack *st, struct tcb *t, seq_t seq) {
    segment_send(st, t, seq, 0, 0);
}

int segment_send_syn(struct stack *st, struct tcb *t) {
    struct pkt *p = get_pkt(st, t);
    if (p == NULL)
        return -ENOBUFS;
    bool ack = t->state == TCPS_SYN_RCVD;
    struct tcp_hdr h = header(st, t, t->snd.iss, ack ? TH_SYN | TH_ACK : TH_SYN);
    uint32_t wnd = recv_syn_window(t);
    h.window = (uint16_t)wnd; /* RFC 7323 §2.2: never scaled on a SYN */
    opts_for_syn(st, t, &h.opt);
    h.opt.fo = t->fo.option;
    if (t->fo.syn_data > 0)
        (void)pkt_add_stream(p, &t->snd.buf, 0, t->fo.syn_data);
    /* The first only: what was lost may have been lost for it. */
    t->fo.option.present = false;
    t->fo.syn_data = 0;
    if (ack) {
        t->rcv.adv = seq_max(t->rcv.adv, seq_add(t->rcv.nxt, wnd));
        t->rcv.acked = t->rcv.nxt;
    }
    h.flags |= ecn_syn_flags(st, t);
    return pass_down(st, t, p, &h, ecn_syn_mark(st, t));
}

/* RSTs that we send. */
#include "stack/tcp/tcb.h"

static void send_rst(struct stack *st, struct tcp_hdr *h, const struct ip_out *io,
                     const struct md5_key *key) {
    struct pkt *p = pkt_get(&st->pkts);
    if (p == NULL) {
        st->ctr.mem_pkts_out++;
        return;
    }
    segment_push_header(p, h, &io->src, &io->dst, key);
    st->ctr.TcpOutRsts++;
    st->ctr.TcpOutSegs++;
    net_output(st, p, io);
}

/* RFC 9293 §3.10.7.1, and §3.5.2 for the sequence numbers. As Linux sends it: no options, window 0,
 * and silence for broadcasts (V30), and where a signed segment cannot be answered by a signature.
 */
void reset_reply(struct stack *st, const struct tcb *t, struct seg *s) {
    const struct md5_key *key = NULL;
    if (seg_has(s, TH_RST) || s->in->broadcast || !addr_is_unicast(&s->in->src))
        return;
    if (t != NULL)
        key = md5_find(t, &s->in->src);
    else if (s->h.opt.has_md5 && (key = md5_key_for_stray(st, s)) == NULL)
        return;
    struct tcp_hdr h = {.sport = s->h.dport, .dport = s->h.sport};
    if (seg_has(s, TH_ACK)) {
        h.flags = TH_RST;
        h.seq = s->h.ack;
    } else {
        uint32_t len = s->wire_len + !!seg_has(s, TH_SYN) + !!seg_has(s, TH_FIN);
        h.flags = TH_RST | TH_ACK;
        h.ack = seq_add(s->h.seq, len);
    }
    struct ip_out io = {.src = s->in->dst, .dst = s->in->src, .proto = PROTO_TCP, .df = true};
    send_rst(st, &h, &io, key);
}

void reset_send(struct stack *st, struct tcb *t) {
    struct tcp_hdr h = {.sport = t->local.port,
                        .dport = t->remote.port,
                        .seq = segment_ack_seq(t),
                        .ack = t->rcv.nxt,
                        .flags = TH_RST | TH_ACK};
    if (t->use_ts) { /* RFC 7323 §3.2: MAY */
        h.opt.has_ts = true;
        h.opt.tsval = ts_now(st, t);
        h.opt.tsecr = t->ts_recent;
    }
    struct ip_out io = {.src = t->local.addr,
                        .dst = t->remote.addr,
                        .proto = PROTO_TCP,
                        .tos = t->opts.tos,
                        .ttl = t->opts.ttl,
                        .df = true};
    send_rst(st, &h, &io, md5_key(t));
}

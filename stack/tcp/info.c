/* What is to be known of a connection: readiness, state, figures. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#include <linux/tcp.h>
#include <poll.h>

/* As Linux's tcp_poll. */
uint32_t tcp_ready(struct stack *st, struct tcb *t) {
    uint32_t bits = t->error != 0 || t->errq.n > 0 ? POLLERR : 0;
    if (t->state == TCPS_LISTEN)
        return bits | (t->n_accept > 0 ? POLLIN | POLLRDNORM : 0u);
    bool rd_shut = (t->shut & SHUT_BIT_RD) || t->rcv.fin_seen || t->done;
    bool wr_shut = (t->shut & SHUT_BIT_WR) || t->done;
    if ((rd_shut && wr_shut) || t->state == TCPS_CLOSED)
        bits |= POLLHUP;
    if (rd_shut)
        bits |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RCVD)
        return bits;
    /* The urgent byte does not count for a reader who stands before it and will not get it. */
    uint32_t target = u32_max(t->opts.rcvlowat, 1);
    if (urgent_at_mark(t) && !t->opts.oobinline)
        target++;
    /* A mark that lies beyond a closed window would never be reached. */
    bool full = t->rcv.queue.len > 0 && tcb_rcv_wnd(t) == 0;
    if (t->rcv.queue.len >= target || full)
        bits |= POLLIN | POLLRDNORM;
    if (t->urgent.state == URGENT_HERE)
        bits |= POLLPRI;
    if (wr_shut || tcb_writable(st, t)) {
        bits |= POLLOUT | POLLWRNORM;
    } else {
        t->snd.nospace = true;
        tcb_check_space(st, t);
    }
    return bits;
}

enum tcp_state tcp_get_state(const struct tcb *t) {
    return t->state;
}

void tcp_get_endpoints(const struct tcb *t, struct endpoint *local, struct endpoint *remote) {
    *local = t->local;
    *remote = t->remote;
}

int tcp_take_error(struct tcb *t) {
    int error = t->error;
    t->error = 0;
    return error;
}

bool tcp_has_error(const struct tcb *t) {
    return t->error != 0;
}

uint64_t tcp_last_data_ns(const struct tcb *t) {
    return t->rcv.last_data_ns;
}

int tcp_peek_soft_error(const struct tcb *t) {
    return t->soft_error;
}

/* Up to the urgent mark, if that is not in line (MUST-33). */
uint32_t tcp_inq(const struct tcb *t) {
    bool marked =
        t->urgent.state != URGENT_NONE && !t->opts.oobinline && seq_lt(t->urgent.mark, t->rcv.nxt);
    return marked ? (uint32_t)seq_diff(t->urgent.mark, t->rcv.copied) : (uint32_t)t->rcv.queue.len;
}

int tcp_inq_hint(const struct tcb *t) {
    uint32_t n = (uint32_t)t->rcv.queue.len;
    return n == 0 && t->rcv.fin_seen ? 1 : (int)n;
}

uint32_t tcp_outq(const struct tcb *t) {
    return (uint32_t)t->snd.buf.len;
}

uint32_t tcp_outq_nsd(const struct tcb *t) {
    return tcb_is_synchronized(t) ? tcb_unsent(t) : 0;
}

bool tcp_is_bound(const struct tcb *t) {
    return t->bound;
}

bool tcp_is_flushed(const struct tcb *t) {
    switch (t->state) {
    case TCPS_FIN_WAIT_1:
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        return false;
    default:
        return t->snd.buf.len == 0;
    }
}

uint32_t tcp_get_mss(const struct tcb *t) {
    return t->snd.mss;
}

void tcp_set_user(struct tcb *t, void *user) {
    t->user = user;
}

void *tcp_get_user(const struct tcb *t) {
    return t->user;
}

static uint32_t us(uint64_t ns) {
    return (uint32_t)(ns / 1000);
}
static uint32_t ms_since(const struct stack *st, uint64_t ns) {
    return ns != 0 ? (uint32_t)((st->now_ns - ns) / MS_NS) : 0;
}
static uint32_t segs(const struct tcb *t, uint32_t bytes) {
    return t->snd.mss != 0 ? (bytes + t->snd.mss - 1) / t->snd.mss : 0;
}

static void fill_loss(const struct tcb *t, struct tcp_info *i) {
    i->tcpi_ca_state = t->loss.state;
    i->tcpi_retransmits = (uint8_t)u32_min(t->loss.backoff, 255);
    i->tcpi_backoff = i->tcpi_retransmits;
    i->tcpi_probes = (uint8_t)u32_min(t->probes, 255);
    i->tcpi_unacked = segs(t, tcb_outstanding(t));
    i->tcpi_sacked = segs(t, scoreboard_sacked(t));
    i->tcpi_lost = segs(t, t->sent.lost_bytes);
    i->tcpi_retrans = segs(t, t->sent.rtx_bytes);
    i->tcpi_total_retrans = t->loss.total_retrans;
    i->tcpi_reordering = t->rack.reordering;
    i->tcpi_reord_seen = t->rack.reordering_events;
    i->tcpi_delivered = segs(t, (uint32_t)t->rate.delivered);
    if (t->rate.last_interval_ns != 0)
        i->tcpi_delivery_rate =
            t->rate.last_delivered * S_NS / t->rate.last_interval_ns; /* a window: 2^30 at most */
    i->tcpi_delivery_rate_app_limited = t->rate.last_app_limited;
}

static void fill_windows(const struct tcb *t, struct tcp_info *i) {
    uint32_t mss = t->snd.mss != 0 ? t->snd.mss : TCP_MSS_DEFAULT;
    i->tcpi_snd_mss = t->snd.mss;
    i->tcpi_rcv_mss = t->rcv.mss;
    i->tcpi_advmss = t->rcv.adv_mss;
    i->tcpi_snd_cwnd = t->cc.cwnd_bytes / mss;
    i->tcpi_snd_ssthresh =
        t->cc.ssthresh_bytes >= UINT32_MAX / 2 ? 0x7fffffff : t->cc.ssthresh_bytes / mss;
    i->tcpi_rcv_ssthresh = t->rcv.limit;
    i->tcpi_rcv_space = t->rcv.limit;
    i->tcpi_snd_wnd = t->snd.wnd;
    i->tcpi_pmtu = t->snd.mss + 40 + (t->use_ts ? 12 : 0);
}

void tcp_get_info(struct stack *st, const struct tcb *t, struct tcp_info *i) {
    memset(i, 0, sizeof(*i));
    i->tcpi_state = t->state;
    if (t->state == TCPS_LISTEN) { /* Linux: the accept queue and its bound */
        i->tcpi_unacked = t->n_accept;
        i->tcpi_sacked = t->backlog;
        return;
    }
    i->tcpi_options =
        (uint8_t)((t->use_ts ? TCPI_OPT_TIMESTAMPS : 0) | (t->use_sack ? TCPI_OPT_SACK : 0) |
                  (t->use_wscale ? TCPI_OPT_WSCALE : 0));
    i->tcpi_snd_wscale = t->snd.wscale & 15;
    i->tcpi_rcv_wscale = t->rcv.wscale & 15;
    fill_loss(t, i);
    fill_windows(t, i);
    i->tcpi_rto = us(t->rtt.rto_ns);
    i->tcpi_ato = us(TCP_DELACK_NS);
    i->tcpi_rtt = us(t->rtt.srtt_ns);
    i->tcpi_rttvar = us(t->rtt.rttvar_ns);
    i->tcpi_min_rtt = t->rtt.min_ns != UINT64_MAX ? us(t->rtt.min_ns) : ~0u;
    i->tcpi_last_data_sent = ms_since(st, t->snd.last_data_ns);
    i->tcpi_last_data_recv = ms_since(st, t->rcv.last_data_ns);
    i->tcpi_last_ack_recv = ms_since(st, t->snd.last_ack_ns);
    i->tcpi_bytes_sent = t->snd.bytes_sent + t->snd.bytes_retrans;
    i->tcpi_bytes_retrans = t->snd.bytes_retrans;
    i->tcpi_bytes_acked = t->snd.bytes_acked;
    i->tcpi_bytes_received = t->rcv.bytes;
    i->tcpi_segs_out = t->snd.segs_out;
    i->tcpi_segs_in = t->rcv.segs_in;
    i->tcpi_data_segs_out = t->snd.data_segs_out;
    i->tcpi_data_segs_in = t->rcv.data_segs_in;
    i->tcpi_notsent_bytes = tcp_outq_nsd(t);
}

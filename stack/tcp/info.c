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
    if (t->fo.deferred)
        return bits | POLLOUT | POLLWRNORM;
    if (t->state == TCPS_SYN_SENT || (t->state == TCPS_SYN_RCVD && !t->fo.pending))
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
    if (wr_shut || sndbuf_is_writable(st, t)) {
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
    return tcb_has_data_phase(t) ? tcb_unsent(t) : 0;
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

/* Data that never was counts from the handshake, as in Linux (tcp_finish_connect). */
static uint64_t latest(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

/* Segments by their records; a SYN has none. */
static void fill_outstanding(const struct tcb *t, struct tcp_info *i) {
    for (struct sent *r = sent_first(t); r != NULL; r = sent_next(r)) {
        uint32_t n = tcb_segments(t, sent_len(r));
        i->tcpi_unacked += n;
        i->tcpi_sacked += r->flags & SENT_SACKED ? n : 0;
        i->tcpi_lost += r->flags & SENT_LOST ? n : 0;
        i->tcpi_retrans += r->flags & SENT_RTX ? n : 0;
    }
    if (i->tcpi_unacked == 0 && tcb_outstanding(t) > 0)
        i->tcpi_unacked = 1;
}

static void fill_loss(const struct tcb *t, struct tcp_info *i) {
    i->tcpi_ca_state = t->loss.state;
    i->tcpi_retransmits = (uint8_t)u32_min(t->loss.backoff, 255);
    i->tcpi_backoff = i->tcpi_retransmits;
    i->tcpi_probes = (uint8_t)u32_min(t->probes, 255);
    fill_outstanding(t, i);
    i->tcpi_total_retrans = t->loss.total_retrans;
    i->tcpi_reordering = t->rack.reordering;
    i->tcpi_reord_seen = t->rack.reordering_events;
    if (t->rate.last_interval_ns != 0)
        i->tcpi_delivery_rate =
            t->rate.last_delivered * S_NS / t->rate.last_interval_ns; /* a window: 2^30 at most */
    i->tcpi_delivery_rate_app_limited = t->rate.last_app_limited;
}

static void fill_windows(const struct tcb *t, struct tcp_info *i) {
    uint32_t mss = t->snd.mss != 0 ? t->snd.mss : TCP_MSS_DEFAULT;
    i->tcpi_snd_mss = t->snd.mss;
    i->tcpi_rcv_mss = t->rcv.mss;
    i->tcpi_rcv_rtt = us(t->rcv.rtt.rtt_ns);
    i->tcpi_advmss = t->rcv.adv_mss;
    i->tcpi_snd_cwnd = t->cc.cwnd_bytes / mss;
    i->tcpi_snd_ssthresh =
        t->cc.ssthresh_bytes >= UINT32_MAX / 2 ? 0x7fffffff : t->cc.ssthresh_bytes / mss;
    i->tcpi_rcv_ssthresh = i->tcpi_rcv_space = recv_offered(t);
    i->tcpi_snd_wnd = t->snd.wnd;
}

/* A socket that has not been connected shows what it would begin with. */
static void fill_start(const struct stack *st, struct tcp_info *i, bool listener) {
    i->tcpi_reordering = st->tcp->cfg.reordering;
    i->tcpi_snd_cwnd = TCP_INIT_CWND;
    i->tcpi_pacing_rate = i->tcpi_max_pacing_rate = UINT64_MAX;
    if (listener)
        return;
    i->tcpi_delivery_rate_app_limited = 1;
    i->tcpi_snd_mss = TCP_MSS_DEFAULT;
    i->tcpi_rto = us(TCP_RTO_INIT_NS);
    i->tcpi_rttvar = us(TCP_RTO_INIT_NS / 4);
    i->tcpi_min_rtt = UINT32_MAX;
    i->tcpi_snd_ssthresh = 0x7fffffff;
    i->tcpi_last_data_sent = i->tcpi_last_data_recv = i->tcpi_last_ack_recv =
        (uint32_t)(st->now_ns / MS_NS);
}

/* SYN and FIN count among what is acknowledged and received. */
static void fill_volume(const struct tcb *t, struct tcp_info *i) {
    bool syn_acked = t->established_ns != 0;
    bool fin_acked = t->snd.fin_queued && seq_gt(t->snd.una, tcb_data_end(t));
    i->tcpi_bytes_sent = t->snd.bytes_sent + t->snd.bytes_retrans;
    i->tcpi_bytes_retrans = t->snd.bytes_retrans;
    i->tcpi_bytes_acked = t->snd.bytes_acked + (syn_acked && !t->passive) + fin_acked;
    i->tcpi_bytes_received = t->rcv.bytes + t->rcv.fin_seen;
    i->tcpi_segs_out = t->snd.segs_out;
    i->tcpi_segs_in = t->rcv.segs_in;
    i->tcpi_data_segs_out = t->snd.data_segs_out;
    i->tcpi_data_segs_in = t->rcv.data_segs_in;
    i->tcpi_notsent_bytes = tcp_outq_nsd(t);
    i->tcpi_delivered = t->account.delivered + syn_acked;
    i->tcpi_dsack_dups = t->account.dsack_dups;
    i->tcpi_delivered_ce = t->accecn.delivered_ce;
    i->tcpi_rcv_ooopack = t->account.ooopack;
}

static void fill_times(const struct stack *st, const struct tcb *t, struct tcp_info *i) {
    uint64_t rwnd = account_chrono(st, t, CHRONO_RWND_LIMITED);
    uint64_t sndbuf = account_chrono(st, t, CHRONO_SNDBUF_LIMITED);
    i->tcpi_rto = us(t->rtt.rto_ns);
    i->tcpi_ato = t->rcv.last_data_ns != 0 ? us(t->ack.ato_ns) : 0;
    i->tcpi_rtt = us(t->rtt.srtt_ns + 999); /* a host that talks to itself needs no time */
    i->tcpi_rttvar = us(t->rtt.rttvar_ns + 999);
    i->tcpi_min_rtt = t->rtt.min_ns != UINT64_MAX ? us(t->rtt.min_ns + 999) : UINT32_MAX;
    i->tcpi_last_data_sent = ms_since(st, latest(t->snd.last_data_ns, t->established_ns));
    i->tcpi_last_data_recv = ms_since(st, latest(t->rcv.last_data_ns, t->established_ns));
    i->tcpi_last_ack_recv = ms_since(st, t->snd.last_ack_ns);
    i->tcpi_busy_time = (account_chrono(st, t, CHRONO_BUSY) + rwnd + sndbuf) / 1000;
    i->tcpi_rwnd_limited = rwnd / 1000;
    i->tcpi_sndbuf_limited = sndbuf / 1000;
}

static void fill_rest(const struct stack *st, const struct tcb *t, struct tcp_info_full *f) {
    const struct tcp_account *a = &t->account;
    uint64_t running = a->rto_since_ns != 0 ? st->now_ns - a->rto_since_ns : 0;
    f->rcv_wnd = tcb_rcv_wnd(t);
    f->total_rto = a->total_rto;
    f->total_rto_recoveries = a->rto_recoveries;
    f->received_ce = t->accecn.received_ce;
    f->total_rto_time_ms = (uint32_t)((a->rto_ns + running) / MS_NS);
}

static void fill_connection(struct stack *st, const struct tcb *t, struct tcp_info *i) {
    i->tcpi_options =
        (uint8_t)((t->use_ts ? TCPI_OPT_TIMESTAMPS : 0) | (t->use_sack ? TCPI_OPT_SACK : 0) |
                  (t->use_wscale ? TCPI_OPT_WSCALE : 0) | (t->fo.data ? TCPI_OPT_SYN_DATA : 0) |
                  (t->ecn.on || t->accecn.on ? TCPI_OPT_ECN : 0) |
                  (t->ecn.seen ? TCPI_OPT_ECN_SEEN : 0));
    i->tcpi_fastopen_client_fail = t->fo.fail;
    i->tcpi_snd_wscale = t->snd.wscale & 15;
    i->tcpi_rcv_wscale = t->rcv.wscale & 15;
    i->tcpi_pacing_rate = t->pace.rate;
    i->tcpi_max_pacing_rate = t->opts.paced ? t->opts.max_pacing_rate : UINT64_MAX;
    fill_loss(t, i);
    fill_windows(t, i);
    fill_volume(t, i);
    fill_times(st, t, i);
    i->tcpi_pmtu = net_path_mtu(st, &t->remote.addr);
}

void tcp_get_info(struct stack *st, const struct tcb *t, struct tcp_info *i) {
    memset(i, 0, sizeof(*i));
    /* To its user a connection in TIME-WAIT is closed: Linux keeps another object for the wait. */
    i->tcpi_state = t->state == TCPS_TIME_WAIT ? TCPS_CLOSED : t->state;
    if (t->state == TCPS_LISTEN || (t->state == TCPS_CLOSED && !t->done)) {
        fill_start(st, i, t->state == TCPS_LISTEN);
        i->tcpi_unacked = t->n_accept; /* a listener's queue and its bound */
        i->tcpi_sacked = t->state == TCPS_LISTEN ? t->backlog : 0;
        return;
    }
    fill_connection(st, t, i);
}

void tcp_get_info_full(struct stack *st, const struct tcb *t, struct tcp_info_full *out) {
    struct tcp_info i;
    _Static_assert(sizeof(i) >= sizeof(out->head), "an older header than Debian 12's");
    memset(out, 0, sizeof(*out));
    tcp_get_info(st, t, &i);
    memcpy(out->head, &i, sizeof(out->head));
    if (tcb_is_synchronized(t))
        fill_rest(st, t, out);
}

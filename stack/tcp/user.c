/* The calls of a user: RFC 9293 §3.10.1 to §3.10.3, OPEN, SEND, RECEIVE. (CLOSE and ABORT:
 * close.c.) */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#include <poll.h>

/* ---- open ---- */

void tcb_begin_at(struct tcb *t, seq_t iss) {
    t->snd.iss = t->snd.una = t->snd.small_end = iss;
    t->snd.nxt = t->snd.buf_seq = seq_add(iss, 1);
    t->sndbuf.pushed = t->rtt.round_end = t->snd.nxt;
}

void tcb_start(struct stack *st, struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    t->path = net_path_metrics(st, &t->remote.addr);
    /* As Linux: a signed SYN of ours has no timestamp; for those of a listener see opts_make_room.
     */
    t->use_ts = cfg->timestamps && (t->passive || md5_key(t) == NULL);
    t->use_sack = cfg->sack;
    t->use_wscale = cfg->window_scaling;
    t->ts_offset = cfg->timestamps == 1 ? isn_ts_offset(st, t) : 0;
    t->snd.peer_mss = TCP_MSS_DEFAULT;
    mtu_start(st, t);
    opts_update_mss(st, t);
    recv_init(st, t);
    sndbuf_init(st, t);
    rtt_init(t);
    tcb_begin_at(t, isn_choose(st, t));
    rtt_on_opts(st, t);
    t->ack.ato_ns = TCP_DELACK_NS;
    cc_choose(st, t);
    pace_init(t);
    loss_init(t);
    sent_init(t);
}

void tcb_begin_data(struct stack *st, struct tcb *t) {
    mtu_established(st, t);
    loss_init(t);
    sent_init(t);
    rack_init(st, t);
    cc_init(st, t);
    sndbuf_grow(st, t);
    pace_update(st, t);
    ackpolicy_init(t);
    t->rcv.grow_start_ns = st->now_ns;
    t->rcv.grow_space = u32_min(tcb_rcv_wnd(t), TCP_INIT_CWND * t->rcv.adv_mss);
}

void tcb_establish(struct stack *st, struct tcb *t, const struct seg *s) {
    bool begun = t->fo.pending;
    t->snd.una = seq_add(t->snd.iss, 1); /* data that s acknowledges, too, is ack.c's affair */
    rtt_on_syn_acked(st, t, &s->h.opt);
    tcp_on_acked(st, t);
    fastopen_settle(st, t, false);
    t->snd.last_ack_ns = t->rcv.last_ns = st->now_ns;
    if (!begun)
        tcb_begin_data(st, t);
    fastopen_record_syn(st, t, s);
    if (t->loss.total_retrans >
        1) /* RFC 5681 §3.1: the SYN was lost; once may be chance (RFC 6928) */
        t->cc.cwnd_bytes = t->snd.mss;
    if (t->loss.total_retrans > 0 && t->rtt.srtt_ns == 0)
        t->rtt.rto_ns = TCP_SYN_RTO_LOST_NS; /* RFC 6298 (5.7) */
    tcb_set_state(st, t, TCPS_ESTABLISHED);
    if (t->snd.fin_queued) /* shut down during the handshake */
        tcb_set_state(st, t, TCPS_FIN_WAIT_1);
    tcb_raise(st, t, POLLOUT);
}

/* A tcb whose connection is over becomes as new, but for what is the user's. */
static void renew(struct stack *st, struct tcb *t) {
    tcb_free_buffers(st, t);
    t->done = false;
    t->error = t->soft_error = 0;
    t->shut = 0;
    memset(&t->snd, 0, sizeof(t->snd));
    memset(&t->rcv, 0, sizeof(t->rcv));
    memset(&t->ack, 0, sizeof(t->ack));
    memset(&t->loss, 0, sizeof(t->loss));
    memset(&t->tlp, 0, sizeof(t->tlp));
    memset(&t->undo, 0, sizeof(t->undo));
    memset(&t->ecn, 0, sizeof(t->ecn));
    memset(&t->accecn, 0, sizeof(t->accecn));
    memset(&t->rate, 0, sizeof(t->rate));
    memset(&t->cc, 0, sizeof(t->cc));
    memset(&t->urgent, 0, sizeof(t->urgent));
    fastopen_init(t);
    memset(&t->account, 0, sizeof(t->account));
    TAILQ_INIT(&t->rcv.gaps);
    t->probes = t->probe_backoff = t->keepalive_probes = 0;
    t->nomem = t->passive = false;
}

/* The endpoints of an active open. */
static int choose_endpoints(struct stack *st, struct tcb *t, const struct endpoint *remote,
                            struct endpoint *local) {
    *local = t->bound ? t->local : (struct endpoint){.addr = addr_v4(0)};
    if (addr_is_any(&local->addr)) { /* MUST-44; MUST-45: kept from then on */
        int err = net_pick_source(st, &remote->addr, &local->addr);
        if (err != 0)
            return err;
    }
    if (!t->bound) {
        local->port = flow_pick_port(st, PROTO_TCP, local, remote, timewait_gives_way);
        return local->port != 0 ? 0 : -EADDRNOTAVAIL;
    }
    struct flow_key key = {.local = *local, .remote = *remote, .proto = PROTO_TCP};
    struct flow_node *n = flow_find(st, &key);
    /* Whoever has named the port need not wait, as in Linux: he has no other. */
    return n == NULL || timewait_has_timestamps(st, tcb_from_flow(n)) ? 0 : -EADDRNOTAVAIL;
}

static int may_connect(struct stack *st, const struct tcb *t, const struct endpoint *remote) {
    switch (t->state) {
    case TCPS_CLOSED:
        break;
    case TCPS_LISTEN:
        return -EINVAL;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RCVD:
        return -EALREADY;
    default:
        return -EISCONN;
    }
    if (addr_is_multicast(&remote->addr) || net_is_broadcast(st, &remote->addr) ||
        addr_is_any(&remote->addr))
        return -ENETUNREACH; /* MUST-46; Linux's number */
    return 0;
}

/* The first SYN. 0, or why it could not go. */
static int send_first_syn(struct stack *st, struct tcb *t) {
    st->ctr.TcpActiveOpens++;
    int err = segment_send_syn(st, t);
    rtt_on_syn(t, st->now_ns);
    tcp_on_sent(st, t);
    if (err == -EHOSTUNREACH || err == -ENETUNREACH) {
        tcb_finish(st, t, 0);
        return err;
    }
    return 0; /* whatever else it was, the SYN will be sent again */
}

int tcp_connect(struct stack *st, struct tcb *t, const struct endpoint *remote) {
    return (int)tcp_connect_with(st, t, remote, NULL, 0, NULL);
}

static bool wants_zerocopy(const struct tcp_send_ask *ask) {
    return ask != NULL && ask->zerocopy;
}

static size_t fill_syn(struct stack *st, struct tcb *t, const struct iovec *iov, int niov,
                       const struct tcp_send_ask *ask) {
    struct tcp_send_ask of_syn = {.zerocopy = wants_zerocopy(ask)};
    size_t taken = fastopen_fill_syn(st, t, iov, niov);
    if (taken > 0)
        marks_add(st, t, tcb_data_end(t), false, &of_syn);
    marks_on_sent(st, t, t->snd.nxt);
    return taken;
}

/* The SYN that waited for data. */
static ssize_t send_deferred(struct stack *st, struct tcb *t, const struct iovec *iov, int niov,
                             const struct tcp_send_ask *ask) {
    if (wants_zerocopy(ask) && !marks_have_room(st, t))
        return -ENOBUFS;
    stack_dirty(st, t);
    t->fo.deferred = false;
    size_t taken = fill_syn(st, t, iov, niov, ask);
    int err = send_first_syn(st, t);
    tcb_leave(st, t);
    return err != 0 ? err : taken > 0 ? (ssize_t)taken : -EINPROGRESS;
}

ssize_t tcp_connect_with(struct stack *st, struct tcb *t, const struct endpoint *remote,
                         const struct iovec *iov, int niov, const struct tcp_send_ask *ask) {
    struct endpoint local;
    size_t taken = 0;
    int err = may_connect(st, t, remote);
    if (err == 0 && wants_zerocopy(ask) && !marks_have_room(st, t))
        err = -ENOBUFS;
    if (err == 0)
        err = choose_endpoints(st, t, remote, &local);
    if (err != 0)
        return err;
    struct timewait_past past;
    bool again = timewait_take(st, &local, remote, &past);
    stack_dirty(st, t);
    if (t->done)
        renew(st, t);
    flow_remove(st, &t->flow);
    t->local = local;
    t->remote = *remote;
    t->bound = true;
    tcb_start(st, t);
    if (again)
        timewait_follow(t, &past);
    tcb_set_state(st, t, TCPS_SYN_SENT);
    tcb_insert_flow(st, t);
    bool later = iov == NULL && t->opts.fastopen_connect;
    if (later && fastopen_is_ready(st, t)) {
        t->fo.deferred = true;
    } else {
        if (iov != NULL || later)
            taken = fill_syn(st, t, iov, niov, ask);
        err = send_first_syn(st, t);
    }
    tcb_leave(st, t);
    return err != 0 ? err : (ssize_t)taken;
}

bool tcp_is_deferred(const struct tcb *t) {
    return t->fo.deferred;
}

int tcp_listen(struct stack *st, struct tcb *t, uint32_t backlog) {
    if (t->state == TCPS_LISTEN) {
        t->backlog = backlog;
        return 0;
    }
    if (t->state != TCPS_CLOSED)
        return -EINVAL;
    if (!t->bound) {
        struct endpoint any = {.addr = addr_v4(0)};
        int err = tcp_bind(st, t, &any);
        if (err != 0)
            return err;
    }
    if (bind_check(st, t, &t->local) != 0) /* SO_REUSEADDR let two bind: one may listen */
        return -EADDRINUSE;
    stack_dirty(st, t);
    if (t->done)
        renew(st, t);
    t->backlog = backlog;
    tcb_set_state(st, t, TCPS_LISTEN);
    t->flow.spread = t->opts.reuse_port;
    tcb_leave(st, t);
    return 0;
}

/* ---- send ---- */

/* 0 when the state allows to send. */
static int may_send(struct tcb *t) {
    if (t->error != 0)
        return -tcp_take_error(t);
    if (t->shut & SHUT_BIT_WR)
        return -EPIPE;
    switch (t->state) {
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
        return 0;
    case TCPS_SYN_SENT:
    case TCPS_SYN_RCVD:
        return t->fo.pending ? 0 : -EAGAIN;
    default:
        return -EPIPE; /* as Linux, also for one that was never connected */
    }
}

/* Puts `want` bytes of the vector, from its byte `skip` on, behind the send stream; returns how
 * many, fewer when memory is out (counted). The copying comes first, into memory that nobody looks
 * at yet: behind the last byte, and into fresh chunks. A process that dies here damages nothing. */
static size_t append(struct stack *st, struct tcb *t, const struct iovec *iov, int niov,
                     size_t skip, size_t want) {
    struct stream *buf = &t->snd.buf, fresh = {0};
    struct chunk *tail = buf->tail;
    size_t in_tail = 0;
    if (want == 0)
        return 0;
    if (tail != NULL) {
        struct iovec room = {tail->data + tail->off + tail->len, tail->cap - tail->off - tail->len};
        in_tail = iov_copy(&room, 1, 0, iov, niov, skip, want);
    }
    stream_append(&st->chunks, &fresh, iov, niov, skip + in_tail, want - in_tail);
    size_t n = in_tail + fresh.len;
    stack_dirty(st, t);
    if (n < want)
        st->ctr.mem_chunks_out++;
    if (in_tail > 0) {
        tail->len += (uint32_t)in_tail;
        buf->len += in_tail;
    }
    stream_join(&st->chunks, buf, &fresh);
    sndbuf_on_append(t, (uint32_t)n);
    tcb_leave(st, t);
    return n;
}

ssize_t tcp_send(struct stack *st, struct tcb *t, const struct iovec *iov, int niov, int flags,
                 const struct tcp_send_ask *ask) {
    if (t->fo.deferred)
        return send_deferred(st, t, iov, niov, ask);
    int err = may_send(t);
    if (err != 0) {
        t->snd.nospace = t->snd.nospace || err == -EAGAIN;
        return err;
    }
    bool marked = (flags & MSG_EOR) || wants_zerocopy(ask) || (ask != NULL && ask->ts != 0);
    if (marked && !marks_have_room(st, t)) {
        t->snd.nospace = true;
        return t->marks.n > 0 ? -EAGAIN : -ENOBUFS; /* ACKs make room, if any are to come */
    }
    size_t len = iov_len(iov, niov), taken = 0;
    memory_update(st);
    sndbuf_moderate(st, t);
    for (;;) { /* a super-segment at a time, each sent before the next is copied */
        size_t room = sndbuf_room(st, t), want = len - taken < room ? len - taken : room;
        size_t n = append(st, t, iov, niov, taken, want);
        taken += n;
        if (n < room || taken == len || n == 0)
            break;
        stack_dirty(st, t);
        t->snd.more = !sndbuf_push(t, false);
        t->snd.hold = true;
        tcp_output(st, t);
        tcb_leave(st, t);
    }
    stack_dirty(st, t);
    t->snd.nospace = t->snd.nospace || taken < len;
    t->snd.more = t->snd.hold = (flags & MSG_MORE) && taken == len;
    sndbuf_push(t, !t->snd.more);
    if ((flags & MSG_OOB) && taken > 0)
        urgent_on_send(t);
    if (marked && taken > 0)
        marks_add(st, t, tcb_data_end(t), (flags & MSG_EOR) && taken == len, ask);
    if (marked && taken < len) /* what was full went at once */
        marks_on_sent(st, t, t->snd.nxt);
    if (taken > 0)
        tcp_output(st, t);
    else
        tcb_check_space(st, t);
    tcb_leave(st, t);
    return taken > 0 || len == 0 ? (ssize_t)taken : -EAGAIN;
}

/* ---- receive ---- */

/* Why there is nothing to be read; in Linux's order. */
static int nothing_to_read(struct tcb *t) {
    if (t->rcv.fin_seen)
        return 0;
    if (t->error != 0)
        return -tcp_take_error(t);
    if ((t->shut & SHUT_BIT_RD) || t->done)
        return 0;
    if (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN)
        return -ENOTCONN;
    return -EAGAIN;
}

ssize_t tcp_recv(struct stack *st, struct tcb *t, const struct iovec *iov, int niov, size_t len,
                 bool peek, size_t peek_off) {
    size_t queued = t->rcv.queue.len, off = peek ? peek_off : 0;
    if (off >= queued)
        return nothing_to_read(t);
    size_t skip, n = urgent_limit(t, off, queued - off, &skip);
    n = n < len ? n : len;
    if (iov != NULL)
        n = stream_copy(&t->rcv.queue, off + skip, iov, niov, 0, n);
    if (!peek && n + skip > 0) {
        stack_dirty(st, t);
        stream_consume(&st->chunks, &t->rcv.queue, n + skip);
        recv_after_read(st, t, (uint32_t)(n + skip));
        if (tcb_has_data_phase(t) && !t->rcv.fin_seen)
            ackpolicy_on_read(st, t);
        tcb_leave(st, t);
    }
    /* Nothing but the urgent byte was there. */
    return n > 0 || len == 0 ? (ssize_t)n : nothing_to_read(t);
}

/* ---- options ---- */

struct tcp_sockopts *tcp_opts(struct tcb *t) {
    return &t->opts;
}

void tcp_opts_changed(struct stack *st, struct tcb *t) {
    stack_dirty(st, t);
    t->flow.spread = t->opts.reuse_port && t->remote.port == 0;
    uint32_t limit = t->rcv.limit, lowat = t->opts.rcvlowat;
    if (t->opts.rcvbuf != 0)
        limit = u32_max(t->opts.rcvbuf / 2, TCP_RCVBUF_MIN / 2);
    else if (lowat > limit / 2) /* room for it, as Linux's tcp_set_rcvlowat */
        limit = u32_max(limit, u32_min(lowat, st->tcp->cfg.rmem[MEM_MOST] / 2) * 2);
    t->rcv.limit = recv_clamped(t, limit);
    if (tcb_is_synchronized(t) && t->state != TCPS_TIME_WAIT) {
        opts_update_mss(st, t);
        cc_on_opts(st, t);
        rtt_on_opts(st, t);
        tcp_on_opts(st, t);
        pace_update(st, t);
        tcp_output(st, t);
    }
    tcb_leave(st, t);
}

void tcp_push(struct stack *st, struct tcb *t) {
    if (!tcb_is_synchronized(t))
        return;
    stack_dirty(st, t);
    t->snd.hold = false;
    t->snd.override = t->opts.nodelay;
    tcp_output(st, t);
    t->snd.override = false;
    tcb_leave(st, t);
}

/* Passive opens. A SYN makes a whole tcb, in SYN-RCVD, in its listener's SYN queue; the handshake's
 * ACK moves it to the accept queue, tcp_accept to its user. What does not fit into the SYN queue
 * is answered by a cookie (syncookie.c), or dropped and counted where those are off.
 *
 * Invariants: a child stands in exactly one queue of its `listener`, the one that `holder` says;
 * accept_queue is in the order of queued_no. */
#include "stack/tcp/tcb.h"

#include <poll.h>

#define SYN_QUEUE_LEAST                                                                            \
    128u /* as Linux's least tcp_max_syn_backlog: a small backlog must not make a                  \
            burst of clients wait for their second SYN */

void listen_enqueue(struct tcb *l, struct tcb *child) {
    if (child->holder == TCB_SYNQ) {
        TAILQ_INSERT_TAIL(&l->syn_queue, child, queue_link);
        l->n_syn++;
        return;
    }
    struct tcb *before = TAILQ_LAST(&l->accept_queue, tcb_queue);
    while (before != NULL && before->queued_no > child->queued_no) /* only in crash repair */
        before = TAILQ_PREV(before, tcb_queue, queue_link);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&l->accept_queue, before, child, queue_link);
    else
        TAILQ_INSERT_HEAD(&l->accept_queue, child, queue_link);
    l->n_accept++;
}

void listen_forget(struct tcb *child) {
    struct tcb *l = child->listener;
    if (l == NULL)
        return;
    if (child->holder == TCB_SYNQ) {
        TAILQ_REMOVE(&l->syn_queue, child, queue_link);
        l->n_syn--;
    } else {
        TAILQ_REMOVE(&l->accept_queue, child, queue_link);
        l->n_accept--;
    }
    child->listener = NULL;
}

static bool accept_queue_is_full(struct stack *st, const struct tcb *l) {
    uint32_t max = u32_min(l->backlog, st->tcp->cfg.somaxconn);
    return l->n_accept > max; /* one more than the backlog, as in Linux */
}

static bool syn_queue_is_full(struct stack *st, const struct tcb *l) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    if (l->n_syn >= u32_max(u32_min(l->backlog, cfg->somaxconn), SYN_QUEUE_LEAST))
        return true;
    /* tcp_conn_request: the last quarter is for peers that have proved to be alive, which nobody
     * here remembers. */
    uint32_t max = cfg->max_syn_backlog;
    return cfg->syncookies == SYNCOOKIES_NEVER && l->n_syn > max - max / 4;
}

struct tcb *listen_make_child(struct stack *st, struct tcb *l, const struct seg *s) {
    struct tcb *t = tcb_alloc(st);
    if (t == NULL)
        return NULL;
    stack_dirty(st, t);
    t->opts = l->opts;
    if (st->tcp->cfg.reflect_tos)
        t->opts.tos = s->in->tos & (uint8_t)~ECN_MASK;
    t->passive = true;
    t->holder = TCB_SYNQ;
    t->local = (struct endpoint){s->in->dst, s->h.dport};
    t->remote = (struct endpoint){s->in->src, s->h.sport};
    if (!md5_inherit(st, t, l)) {
        t->holder = TCB_ORPHAN;
        tcb_leave(st, t);
        return NULL;
    }
    t->bound = true;
    tcb_start(st, t);
    t->rcv.irs = s->seq;
    t->rcv.nxt = t->rcv.acked = t->rcv.copied = seq_add(s->seq, 1);
    t->rcv.adv = t->rcv.nxt;
    opts_on_syn(st, t, &s->h.opt);
    ecn_on_syn(st, t, s);
    ack_window_init(t, s);
    return t;
}

static void open_child(struct stack *st, struct tcb *l, struct tcb *t) {
    t->listener = l;
    listen_enqueue(l, t);
    tcb_set_state(st, t, TCPS_SYN_RCVD);
    tcb_insert_flow(st, t);
}

/* An ACK for a listener is an error, unless it completes a handshake by a cookie. */
static void on_ack(struct stack *st, struct tcb *l, struct seg *s) {
    struct tcb *t = s->syn ? NULL : syncookie_accept(st, l, s);
    if (t == NULL) {
        reset_reply(st, l, s);
        return;
    }
    if (accept_queue_is_full(st, l)) { /* as Linux: what the peer sends next may find room */
        st->ctr.TcpExtListenOverflows++;
        st->ctr.TcpExtListenDrops++;
        t->holder = TCB_ORPHAN;
        t->bound = false;
    } else {
        st->ctr.TcpExtSyncookiesRecv++;
        open_child(st, l, t);
        input_synchronized(st, t, s);
    }
    tcb_leave(st, t);
}

/* RFC 9293 §3.10.7.2. */
void input_listen(struct stack *st, struct tcb *l, struct seg *s, const seq_t *min_iss) {
    if (seg_has(s, TH_RST))
        return;
    if (seg_has(s, TH_ACK)) {
        on_ack(st, l, s);
        return;
    }
    bool land = addr_eq(&s->in->src, &s->in->dst) && s->h.sport == s->h.dport; /* V18 */
    if (!s->syn || s->fin || land || s->in->broadcast ||                       /* MUST-57 */
        !addr_is_unicast(&s->in->src)) {                                       /* MUST-63 */
        st->ctr.TcpInErrs++;
        return;
    }
    if (accept_queue_is_full(st, l)) {
        st->ctr.TcpExtListenOverflows++;
        st->ctr.TcpExtListenDrops++;
        return;
    }
    bool full = syn_queue_is_full(st, l);
    if (syncookie_is_due(st, full)) {
        syncookie_answer(st, l, s);
        return;
    }
    if (full) {
        st->ctr.TcpSynQueueFull++;
        st->ctr.TcpExtListenDrops++;
        return;
    }
    struct tcb *t = listen_make_child(st, l, s);
    if (t == NULL) {
        st->ctr.TcpExtListenDrops++;
        return;
    }
    if (min_iss != NULL)
        tcb_begin_above(t, *min_iss);
    opts_make_room(st, t);
    bool fast = fastopen_may(st, l, t, s);
    open_child(st, l, t);
    if (fast) {
        listen_established(st, t);
        fastopen_begin(st, l, t, s);
    }
    segment_send_syn(st, t);
    rtt_on_syn(t, st->now_ns);
    tcp_on_sent(st, t);
    tcb_leave(st, t);
}

bool listen_may_establish(struct stack *st, struct tcb *t, const struct seg *s) {
    if (accept_queue_is_full(st, t->listener)) {
        st->ctr.TcpExtListenOverflows++;
        st->ctr.TcpExtListenDrops++;
        if (st->tcp->cfg.abort_on_overflow) {
            reset_send(st, t);
            tcb_finish(st, t, 0);
        }
        return false; /* as Linux: the SYN-ACK goes again, and its answer may find room */
    }
    uint64_t defer_ns = t->opts.defer_accept_s * S_NS;
    return s->wire_len > 0 || s->fin || st->now_ns - t->created_ns >= defer_ns;
}

void listen_established(struct stack *st, struct tcb *t) {
    struct tcb *l = t->listener;
    st->ctr.TcpPassiveOpens++;
    listen_forget(t);
    t->listener = l;
    t->holder = TCB_ACCEPTQ;
    t->queued_no = ++st->tcp->accept_no;
    listen_enqueue(l, t);
    tcb_raise(st, l, POLLIN);
}

struct tcb *tcp_accept(struct stack *st, struct tcb *l) {
    struct tcb *t = l->state == TCPS_LISTEN ? TAILQ_FIRST(&l->accept_queue) : NULL;
    if (t == NULL)
        return NULL;
    stack_dirty(st, t);
    listen_forget(t);
    t->holder = TCB_USER;
    t->rose = 0;
    return t;
}

/* §3.10.4: those that wait are reset. A handshake under way just ends: its ACK will draw the RST.
 */
void listen_close(struct stack *st, struct tcb *l) {
    struct tcb *t;
    fastopen_listener_closed(l);
    while ((t = TAILQ_FIRST(&l->syn_queue)) != NULL) {
        stack_dirty(st, t);
        tcb_finish(st, t, 0);
        tcb_leave(st, t);
    }
    while ((t = TAILQ_FIRST(&l->accept_queue)) != NULL) {
        stack_dirty(st, t);
        listen_forget(t);
        t->holder = TCB_ORPHAN;
        if (tcb_has_data_phase(t) && t->state != TCPS_TIME_WAIT)
            reset_send(st, t);
        tcb_free_buffers(st, t);
        tcb_finish(st, t, 0);
        tcb_leave(st, t);
    }
}

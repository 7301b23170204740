/* After a process died inside the stack (DESIGN.md D8). What was being changed (st->dirty) is
 * aborted; all lists and tables are made anew from the tcbs and runs that are in use. */
#include "stack/tcp/tcb.h"

#include <poll.h>

#define REPAIR_USED_NS 1000000000u /* a connection used within this time */
#define REPAIR_RTX_NS  10000000u

static bool is_dirty(const struct stack *st, const void *obj) {
    for (int i = 0; i < STACK_MAX_DIRTY; i++)
        if (st->dirty[i] == obj)
            return true;
    return false;
}

static void mark_tcb(struct stack *st, struct tcb *t) {
    bool whole = !is_dirty(st, t);
    if (whole) {
        whole = chunk_pools_mark(&st->chunks, &t->snd.buf);
        whole = chunk_pools_mark(&st->chunks, &t->rcv.queue) && whole;
    }
    if (!whole) {
        t->damaged = true;
        t->snd.buf = t->rcv.queue = (struct stream){0};
    }
}

static void mark_run(struct stack *st, struct gap_run *r) {
    struct tcb *t = r->owner;
    bool good = pool_owns(&st->tcp->tcbs, t) && !t->damaged && t->state != TCPS_CLOSED;
    if (good && chunk_pools_mark(&st->chunks, &r->data))
        return;
    if (good)
        t->damaged = true;
    r->data = (struct stream){0};
    pool_put(&st->tcp->gaps, r);
}

static void mark_sent(struct stack *st, struct sent *r) {
    struct tcb *t = r->owner;
    if (!pool_owns(&st->tcp->tcbs, t) || t->damaged || t->state == TCPS_CLOSED)
        pool_put(&st->tcp->sents, r);
}

void tcp_repair_mark(struct stack *st) {
    struct tcb *t;
    struct gap_run *r;
    struct sent *sent;
    pool_rebuild(&st->tcp->tcbs);
    pool_rebuild(&st->tcp->gaps);
    pool_rebuild(&st->tcp->sents);
    pool_rebuild(&st->tcp->marks);
    pool_rebuild(&st->tcp->md5_keys);
    POOL_FOREACH (&st->tcp->tcbs, i, t) {
        if (t->state < TCPS_ESTABLISHED || t->state > TCPS_CLOSING) /* died within tcb_alloc */
            pool_put(&st->tcp->tcbs, t);
        else
            mark_tcb(st, t);
    }
    POOL_FOREACH (&st->tcp->tcbs, i, t)
        errq_repair_keep(st, &t->errq);
    POOL_FOREACH (&st->tcp->gaps, i, r)
        mark_run(st, r);
    POOL_FOREACH (&st->tcp->sents, i, sent)
        mark_sent(st, sent);
}

static void clear_derived(struct tcb *t) {
    t->flow.linked = t->on_timewait = t->orphan_counted = false;
    TAILQ_INIT(&t->syn_queue);
    TAILQ_INIT(&t->accept_queue);
    t->n_syn = t->n_accept = 0;
    TAILQ_INIT(&t->fo.queue);
    t->fo.n_pending = 0;
    TAILQ_INIT(&t->rcv.gaps);
    sent_init(t);
    t->rcv.n_gaps = t->rcv.gap_bytes = t->rcv.gap_true_size = 0;
    t->rcv.n_sack = 0;
    marks_init(&t->marks);
    md5_init(t);
}

static void readd_timers(struct stack *st, struct tcb *t) {
    timers_readd(&st->timers, &t->t_rtx);
    timers_readd(&st->timers, &t->t_persist);
    timers_readd(&st->timers, &t->t_delack);
    timers_readd(&st->timers, &t->t_keepalive);
    timers_readd(&st->timers, &t->t_linger);
    timers_readd(&st->timers, &t->pace.timer);
}

static bool waits_in_queue(const struct tcb *t) {
    return t->holder == TCB_SYNQ || t->holder == TCB_ACCEPTQ;
}

static void relink(struct stack *st, struct tcb *t) {
    readd_timers(st, t);
    if (t->bound)
        tcb_insert_flow(st, t);
    if (t->want_flush)
        TAILQ_INSERT_TAIL(&st->tcp->flush, t, flush_link);
    if (t->want_event)
        TAILQ_INSERT_TAIL(&st->tcp->events, t, event_link);
    tcb_list_timewait(st, t);
    tcb_count_orphan(st, t);
    if (t->fo.listener != NULL && !pool_owns(&st->tcp->tcbs, t->fo.listener))
        t->fo.listener = NULL;
    fastopen_relink(t);
    if (!waits_in_queue(t)) {
        t->listener = NULL;
        return;
    }
    struct tcb *l = t->listener;
    if (pool_owns(&st->tcp->tcbs, l) && l->state == TCPS_LISTEN && !l->damaged) {
        listen_enqueue(l, t);
    } else {
        t->listener = NULL;
        t->damaged = true;
    }
    if (t->queued_no > st->tcp->accept_no)
        st->tcp->accept_no = t->queued_no;
}

/* Ends one whose fields may be of two minds: the peer gets a RST, the user an error. */
static void abort_damaged(struct stack *st, struct tcb *t) {
    st->ctr.repaired_conns++;
    t->damaged = false;
    if (waits_in_queue(t)) {
        listen_forget(t);
        t->holder = TCB_ORPHAN;
    }
    if (t->state == TCPS_LISTEN)
        listen_close(st, t);
    if (t->state == TCPS_SYN_RCVD || tcb_is_synchronized(t))
        reset_send(st, t);
    if (t->state == TCPS_CLOSED)
        tcp_on_state(st, t);       /* died while ending: no timer may outlive it */
    tcb_finish(st, t, ECONNRESET); /* what programs expect of a connection that is gone */
    t->done = true;
}

/* Packets that waited to be sent are gone. Connections in use need not wait for a timeout to find
 * that out: the peer is told where we stand, and what it has not acknowledged goes out again soon.
 */
static void nudge(struct stack *st, struct tcb *t) {
    uint64_t used_ns = t->rcv.last_ns > t->snd.last_send_ns ? t->rcv.last_ns : t->snd.last_send_ns;
    if (!tcb_is_synchronized(t) || t->state == TCPS_TIME_WAIT ||
        st->now_ns - used_ns > REPAIR_USED_NS)
        return;
    ackpolicy_now(st, t);
    if (timer_is_set(&t->t_rtx))
        timer_set_earlier(&st->timers, &t->t_rtx, st->now_ns + REPAIR_RTX_NS);
}

static void relink_mark(struct stack *st, struct send_mark *m) {
    if (m->owner != NULL && pool_owns(&st->tcp->tcbs, m->owner)) {
        marks_repair_insert(m->owner, m);
    } else {
        m->owner = NULL;
        pool_put(&st->tcp->marks, m);
    }
}

void tcp_repair_relink(struct stack *st) {
    struct tcb *t;
    struct gap_run *r;
    struct sent *sent;
    struct send_mark *m;
    struct md5_key *key;
    TAILQ_INIT(&st->tcp->flush);
    TAILQ_INIT(&st->tcp->events);
    TAILQ_INIT(&st->tcp->timewait);
    st->tcp->n_timewait = st->tcp->n_orphans = 0;
    POOL_FOREACH (&st->tcp->tcbs, i, t)
        clear_derived(t);
    POOL_FOREACH (&st->tcp->gaps, i, r)
        gaps_insert(r->owner, r);
    POOL_FOREACH (&st->tcp->sents, i, sent)
        sent_relink(sent);
    POOL_FOREACH (&st->tcp->marks, i, m)
        relink_mark(st, m);
    POOL_FOREACH (&st->tcp->md5_keys, i, key)
        md5_relink(st, key);
    POOL_FOREACH (&st->tcp->tcbs, i, t)
        relink(st, t);
    POOL_FOREACH (&st->tcp->tcbs, i, t) {
        if (t->damaged)
            abort_damaged(st, t);
        if (t->holder == TCB_USER && t->user == NULL) {
            tcp_close(st, t); /* its user died before he could call it his */
        } else {
            nudge(st, t);
            tcb_leave(st, t);
        }
    }
}

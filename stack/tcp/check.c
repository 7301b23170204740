/* What always holds of a tcb between two entries. For tests. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

static const char *check_send(const struct tcb *t) {
    if (seq_gt(t->snd.una, t->snd.nxt))
        return "SND.UNA > SND.NXT";
    if (seq_gt(t->snd.nxt, seq_add(tcb_data_end(t), t->snd.fin_queued)))
        return "SND.NXT behind the data";
    if (t->state != TCPS_TIME_WAIT && seq_lt(t->snd.buf_seq, t->snd.una) && t->snd.buf.len > 0)
        return "acknowledged data kept";
    if (tcb_outstanding(t) > 0 && !timer_is_set(&t->t_rtx) && t->state != TCPS_TIME_WAIT)
        return "data outstanding and no retransmission timer";
    const struct send_mark *m;
    seq_t last = t->snd.una;
    TAILQ_FOREACH (m, &t->marks.list, link) {
        if (m->owner != t || seq_le(m->end, last) || seq_gt(m->end, tcb_data_end(t)))
            return "send mark out of order or out of the stream";
        if (!m->sent && seq_le(m->end, t->snd.nxt))
            return "send mark passed by";
        last = m->end;
    }
    if (t->snd.mss < 8)
        return "MSS too small";
    return NULL;
}

static const char *check_receive(const struct tcb *t) {
    if (seq_gt(t->rcv.nxt, t->rcv.adv))
        return "RCV.NXT behind the window's edge";
    seq_t read_end = seq_add(t->rcv.copied, (uint32_t)t->rcv.queue.len + t->rcv.fin_seen);
    if (t->holder != TCB_ORPHAN && !seq_eq(read_end, t->rcv.nxt))
        return "receive queue does not end at RCV.NXT";
    const struct gap_run *r;
    uint32_t n = 0, bytes = 0, true_size = 0;
    seq_t last = t->rcv.nxt;
    TAILQ_FOREACH (r, &t->rcv.gaps, link) {
        if (r->owner != t || r->data.len == 0 || seq_le(r->lo, last))
            return "run out of order, empty, or adjacent";
        last = seq_add(r->lo, (uint32_t)r->data.len);
        n++;
        bytes += (uint32_t)r->data.len;
        true_size += (uint32_t)stream_true_size(&r->data);
    }
    if (n != t->rcv.n_gaps || bytes != t->rcv.gap_bytes || true_size != t->rcv.gap_true_size)
        return "out-of-order account wrong";
    if (n > TCP_GAP_RUNS_MAX)
        return "too many runs";
    return NULL;
}

static const char *check_loss(const struct tcb *t) {
    if (t->cc.cwnd_bytes == 0 || t->cc.cwnd_bytes > CC_CWND_MAX)
        return "cwnd out of bounds";
    if (t->ack.owed && !t->ack.now && !timer_is_set(&t->t_delack))
        return "an ACK is owed, and no timer";
    if ((t->loss.state == LOSS_RECOVERY && seq_ge(t->snd.una, t->loss.recover)) ||
        (t->loss.state == LOSS_CWR && seq_gt(t->snd.una, t->loss.recover)))
        return "recovery without end";
    if (t->sent.lost_bytes > 0 && t->loss.state < LOSS_RECOVERY)
        return "something is lost, and no recovery";
    return sent_check((struct tcb *)t);
}

static const char *check_listener(const struct tcb *l) {
    const struct tcb *t;
    uint32_t n = 0;
    TAILQ_FOREACH (t, &l->syn_queue, queue_link)
        n += t->listener == l && t->holder == TCB_SYNQ && t->state == TCPS_SYN_RCVD;
    if (n != l->n_syn)
        return "SYN queue wrong";
    n = 0;
    TAILQ_FOREACH (t, &l->accept_queue, queue_link)
        n += t->listener == l && t->holder == TCB_ACCEPTQ;
    return n == l->n_accept ? NULL : "accept queue wrong";
}

static const char *check_keys(const struct tcb *t) {
    const struct md5_key *k;
    uint32_t n = 0;
    TAILQ_FOREACH (k, &t->md5.list, link)
        n += k->owner == t && k->len > 0;
    return n == t->md5.n && n <= TCP_MD5_KEYS_MAX ? NULL : "keys wrong";
}

const char *tcp_check(struct stack *st, const struct tcb *t) {
    (void)st;
    const char *wrong = check_keys(t);
    if (wrong != NULL)
        return wrong;
    if (t->state == TCPS_CLOSED && t->holder == TCB_ORPHAN)
        return "closed orphan not freed";
    if (t->on_timewait != (t->state == TCPS_TIME_WAIT && t->holder == TCB_ORPHAN))
        return "TIME-WAIT list wrong";
    if (t->flow.linked != t->bound)
        return "bound, but not in the flow table, or the reverse";
    if (t->state == TCPS_LISTEN)
        return check_listener(t);
    if (!tcb_is_synchronized(t))
        return NULL;
    if ((wrong = check_send(t)) != NULL || (wrong = check_receive(t)) != NULL)
        return wrong;
    return check_loss(t);
}

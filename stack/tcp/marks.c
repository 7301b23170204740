/* Marks on the send stream; what each is for:
 *
 * - A record mark (MSG_EOR) bounds segments: neither a first transmission nor a retransmission
 * takes in bytes on both its sides, so that a receiver who looks at segments sees the records.
 * - A timestamp mark reports when its byte is handed to the link for the first time (SCHED and
 *   SOFTWARE are one moment here: nothing queues in between) and when it is acknowledged.
 * - A zerocopy mark reports when its send is acknowledged as a whole. The bytes were copied, and
 * the completion says so (SO_EE_CODE_ZEROCOPY_COPIED); it still comes with the ACK, as a program
 *   written for Linux paces itself by it. Ranges of ids are merged as Linux merges them.
 *
 * Reports go to the connection's error queue; one that is closed has nobody to report to. */
#include "stack/tcp/tcb.h"

#include <poll.h>

#include <linux/net_tstamp.h>

void marks_init(struct send_marks *m) {
    TAILQ_INIT(&m->list);
    m->unsent = NULL;
    m->n = 0;
}

bool marks_have_room(const struct stack *st, const struct tcb *t) {
    const struct pool *p = &st->tcp->marks;
    return t->marks.n < TCP_MARKS_MAX && p->n_used < p->max;
}

bool marks_add(struct stack *st, struct tcb *t, seq_t end, bool eor,
               const struct tcp_send_ask *ask) {
    bool zerocopy = ask != NULL && ask->zerocopy;
    uint8_t ts = ask != NULL ? ask->ts : 0;
    if (!eor && !zerocopy && ts == 0)
        return true;
    struct send_mark *m = pool_get(&st->tcp->marks);
    if (m == NULL)
        return false;
    m->end = end;
    m->eor = eor;
    m->ts = ts;
    if (t->opts.tsflags & SOF_TIMESTAMPING_OPT_ID)
        m->ts_id = (uint32_t)seq_diff(seq_sub(end, 1), t->marks.ts_base);
    m->zerocopy = zerocopy;
    if (zerocopy)
        m->zc_id = t->marks.zc_next++;
    m->owner = t;
    TAILQ_INSERT_TAIL(&t->marks.list, m, link);
    if (t->marks.unsent == NULL)
        t->marks.unsent = m;
    t->marks.n++;
    return true;
}

static void mark_free(struct stack *st, struct tcb *t, struct send_mark *m) {
    if (t->marks.unsent == m)
        t->marks.unsent = TAILQ_NEXT(m, link);
    TAILQ_REMOVE(&t->marks.list, m, link);
    t->marks.n--;
    m->owner = NULL;
    pool_put(&st->tcp->marks, m);
}

uint32_t marks_record(const struct tcb *t, seq_t seq, uint32_t len) {
    const struct send_mark *m =
        seq_ge(seq, t->snd.nxt) ? t->marks.unsent : TAILQ_FIRST(&t->marks.list);
    for (; m != NULL; m = TAILQ_NEXT(m, link)) {
        if (seq_ge(m->end, seq_add(seq, len)))
            break;
        if (m->eor && seq_gt(m->end, seq))
            return (uint32_t)seq_diff(m->end, seq);
    }
    return len;
}

/* ---- reports ---- */

static void report_time(struct stack *st, struct tcb *t, const struct send_mark *m, uint32_t what) {
    struct errmsg *e = t->user != NULL ? errq_add(st, &t->errq) : NULL;
    if (e == NULL)
        return;
    e->ee.ee_errno = ENOMSG;
    e->ee.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
    e->ee.ee_info = what;
    e->ee.ee_data = m->ts_id;
    e->when_ns = st->now_ns;
    tcb_raise(st, t, POLLERR);
}

static void report_zerocopy(struct stack *st, struct tcb *t, uint32_t id) {
    if (t->user == NULL)
        return;
    struct errmsg *e = errq_last(&t->errq);
    bool extends = e != NULL && e->ee.ee_origin == SO_EE_ORIGIN_ZEROCOPY &&
                   id == e->ee.ee_data + 1 && id != e->ee.ee_info;
    if (!extends) {
        e = errq_add(st, &t->errq);
        if (e == NULL)
            return;
        e->ee.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
        e->ee.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
        e->ee.ee_info = id;
    }
    e->ee.ee_data = id;
    tcb_raise(st, t, POLLERR);
}

void marks_on_sent(struct stack *st, struct tcb *t, seq_t hi) {
    struct send_mark *m;
    for (; (m = t->marks.unsent) != NULL && seq_le(m->end, hi);
         t->marks.unsent = TAILQ_NEXT(m, link)) {
        m->sent = true;
        if (m->ts & MARK_TS_SCHED)
            report_time(st, t, m, SCM_TSTAMP_SCHED);
        if (m->ts & MARK_TS_SOFTWARE)
            report_time(st, t, m, SCM_TSTAMP_SND);
    }
}

void marks_on_ack(struct stack *st, struct tcb *t, seq_t una) {
    struct send_mark *m;
    while ((m = TAILQ_FIRST(&t->marks.list)) != NULL && seq_le(m->end, una)) {
        if (m->ts & MARK_TS_ACK)
            report_time(st, t, m, SCM_TSTAMP_ACK);
        if (m->zerocopy)
            report_zerocopy(st, t, m->zc_id);
        mark_free(st, t, m);
    }
}

void marks_clear(struct stack *st, struct tcb *t) {
    struct send_mark *m;
    while ((m = TAILQ_FIRST(&t->marks.list)) != NULL) {
        if (m->zerocopy)
            report_zerocopy(st, t, m->zc_id);
        mark_free(st, t, m);
    }
}

void marks_repair_insert(struct tcb *t, struct send_mark *m) {
    struct send_mark *o;
    TAILQ_FOREACH_REVERSE(o, &t->marks.list, send_mark_list, link)
    if (seq_lt(o->end, m->end))
        break;
    if (o != NULL)
        TAILQ_INSERT_AFTER(&t->marks.list, o, m, link);
    else
        TAILQ_INSERT_HEAD(&t->marks.list, m, link);
    if (!m->sent && (t->marks.unsent == NULL || seq_lt(m->end, t->marks.unsent->end)))
        t->marks.unsent = m;
    t->marks.n++;
}

/* ---- the user's calls ---- */

struct errq *tcp_errq(struct tcb *t) {
    return &t->errq;
}

void tcp_count_tx_ids(struct tcb *t, bool from_written) {
    t->marks.ts_base = from_written ? tcb_data_end(t) : t->snd.una;
}

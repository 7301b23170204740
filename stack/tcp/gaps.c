/* Data that came out of order, and the SACK blocks that tell of it (RFC 2018, 2883).
 *
 * Runs are kept in order of sequence, disjoint and not adjacent. A segment that touches a run joins
 * it, small pieces are copied together, and every run is charged at the memory that it really
 * takes, so a sender of one-byte pieces gains nothing (V15). When a bound is reached the outermost
 * run goes: it is the last that would be delivered. (RFC 2018 §8 allows that, and asks for it to be
 * rare.) */
#include "stack/tcp/tcb.h"

static seq_t run_hi(const struct gap_run *r) {
    return seq_add(r->lo, (uint32_t)r->data.len);
}

/* ---- SACK blocks, newest first (RFC 2018 §4) ---- */

static bool touches(const struct range *r, seq_t lo, seq_t hi) {
    return seq_le(r->lo, hi) && seq_ge(r->hi, lo);
}

static void sack_forget(struct tcb *t, seq_t lo, seq_t hi) {
    uint8_t n = 0;
    for (uint8_t i = 0; i < t->rcv.n_sack; i++)
        if (!touches(&t->rcv.sack[i], lo, hi))
            t->rcv.sack[n++] = t->rcv.sack[i];
    t->rcv.n_sack = n;
}

void sack_report_new(struct tcb *t, seq_t lo, seq_t hi) {
    sack_forget(t, lo, hi); /* all that it has grown out of */
    uint8_t n = t->rcv.n_sack < TCP_SACK_MAX ? t->rcv.n_sack : TCP_SACK_MAX - 1;
    memmove(&t->rcv.sack[1], &t->rcv.sack[0], n * sizeof(t->rcv.sack[0]));
    t->rcv.sack[0] = (struct range){lo, hi};
    t->rcv.n_sack = (uint8_t)(n + 1);
}

/* With that many an ACK soon has no room left for all that has changed since the last one. */
#define SACKS_TOLD 2 /* Linux: TCP_SACK_BLOCKS_EXPECTED */

static bool sack_is_far_back(const struct tcb *t, seq_t lo, seq_t hi) {
    uint8_t i = 0;
    while (i < t->rcv.n_sack && !touches(&t->rcv.sack[i], lo, hi))
        i++;
    return i >= SACKS_TOLD;
}

bool sack_has_dup(const struct tcb *t) {
    return seq_lt(t->rcv.dsack.lo, t->rcv.dsack.hi);
}

void sack_report_dup(struct stack *st, struct tcb *t, seq_t lo, seq_t hi) {
    if (!t->use_sack || !st->tcp->cfg.dsack || seq_ge(lo, hi))
        return;
    st->ctr.TcpExtTCPDSACKOldSent++;
    t->rcv.dsack = (struct range){lo, hi};
}

static void sack_put(struct tcp_opts *o, struct range r) {
    if (o->nsack == TCP_SACK_MAX)
        return;
    o->sack[o->nsack].lo = r.lo;
    o->sack[o->nsack++].hi = r.hi;
}

void sack_fill(struct tcb *t, struct tcp_opts *o, bool pure_ack) {
    if (!t->use_sack)
        return;
    if (pure_ack && sack_has_dup(t)) {
        sack_put(o, t->rcv.dsack); /* RFC 2883 §4: first, and once only */
        t->rcv.dsack.hi = t->rcv.dsack.lo;
    }
    for (uint8_t i = 0; i < t->rcv.n_sack; i++)
        sack_put(o, t->rcv.sack[i]);
}

/* ---- the runs ---- */

static void charge(struct tcb *t, const struct gap_run *r) {
    t->rcv.gap_bytes += (uint32_t)r->data.len;
    t->rcv.gap_true_size += (uint32_t)stream_true_size(&r->data);
}

static void uncharge(struct tcb *t, const struct gap_run *r) {
    t->rcv.gap_bytes -= (uint32_t)r->data.len;
    t->rcv.gap_true_size -= (uint32_t)stream_true_size(&r->data);
}

/* Takes a run out of the list and the account; its data stays. */
static void run_take(struct tcb *t, struct gap_run *r) {
    uncharge(t, r);
    TAILQ_REMOVE(&t->rcv.gaps, r, link);
    t->rcv.n_gaps--;
}

static void run_free(struct stack *st, struct tcb *t, struct gap_run *r) {
    run_take(t, r);
    stream_clear(&st->chunks, &r->data);
    pool_put(&st->tcp->gaps, r);
}

void gaps_clear(struct stack *st, struct tcb *t) {
    struct gap_run *r;
    while ((r = TAILQ_FIRST(&t->rcv.gaps)) != NULL)
        run_free(st, t, r);
    t->rcv.n_sack = 0;
}

seq_t gaps_end(const struct tcb *t) {
    const struct gap_run *r = TAILQ_LAST(&t->rcv.gaps, gap_list);
    return r != NULL ? run_hi(r) : t->rcv.nxt;
}

bool gaps_drop_last(struct stack *st, struct tcb *t) {
    struct gap_run *r = TAILQ_LAST(&t->rcv.gaps, gap_list);
    if (r == NULL)
        return false;
    st->ctr.TcpExtTCPOFODrop++;
    sack_forget(t, r->lo, run_hi(r));
    run_free(st, t, r);
    return true;
}

/* The last run that begins at or before x; NULL: none. From behind, since that is where new data
 * arrives. */
static struct gap_run *run_before(struct tcb *t, seq_t x) {
    struct gap_run *r;
    TAILQ_FOREACH_REVERSE(r, &t->rcv.gaps, gap_list, link) {
        if (seq_le(r->lo, x))
            return r;
    }
    return NULL;
}

static struct gap_run *run_after(struct tcb *t, struct gap_run *r) {
    return r != NULL ? TAILQ_NEXT(r, link) : TAILQ_FIRST(&t->rcv.gaps);
}

void gaps_insert(struct tcb *t, struct gap_run *run) {
    struct gap_run *prev = run_before(t, run->lo);
    if (prev != NULL)
        TAILQ_INSERT_AFTER(&t->rcv.gaps, prev, run, link);
    else
        TAILQ_INSERT_HEAD(&t->rcv.gaps, run, link);
    t->rcv.n_gaps++;
    charge(t, run);
}

/* Cuts off what is there already. False: nothing is left. */
static bool trim(struct stack *st, struct tcb *t, struct seg *s) {
    struct gap_run *r = run_before(t, s->seq);
    seq_t end = seq_add(s->seq, s->len);
    if (r != NULL && seq_gt(run_hi(r), s->seq)) {
        seq_t hi = seq_min(run_hi(r), end);
        uint32_t dup = (uint32_t)seq_diff(hi, s->seq);
        sack_report_dup(st, t, s->seq, hi);
        s->seq = hi;
        s->skip += dup;
        s->len -= dup;
    }
    while (s->len > 0 && (r = run_after(t, r)) != NULL && seq_lt(r->lo, end)) {
        sack_report_dup(st, t, r->lo, seq_min(run_hi(r), end));
        if (seq_ge(run_hi(r), end)) {
            s->len = (uint32_t)seq_diff(r->lo, s->seq);
            break;
        }
        /* The segment holds all of it and more. Should there be no memory for that, the peer must
         * not go on hearing of what is gone. */
        sack_forget(t, r->lo, run_hi(r));
        run_free(st, t, r);
        r = run_before(t, s->seq);
    }
    return s->len > 0;
}

/* Room for one more piece, if need be at the cost of runs that lie further out. */
static bool make_room(struct stack *st, struct tcb *t, const struct seg *s, bool new_run) {
    uint32_t charge = s->len + CHUNK_SMALL_SIZE;
    for (;;) {
        bool too_many = new_run && t->rcv.n_gaps >= TCP_GAP_RUNS_MAX;
        bool too_much = t->rcv.gap_true_size + charge > 2 * t->rcv.limit + CHUNK_LARGE_SIZE;
        if (!too_many && !too_much && memory_may_receive(st, t))
            return true;
        struct gap_run *last = TAILQ_LAST(&t->rcv.gaps, gap_list);
        if (last == NULL || seq_lt(last->lo, s->seq))
            return false;
        gaps_drop_last(st, t);
    }
}

static int run_append(struct stack *st, struct tcb *t, struct gap_run *r, struct seg *s) {
    /* Only what is new is looked at: a run may be thousands of chunks long. */
    struct chunk *tail = r->data.tail;
    size_t len = r->data.len;
    int err = recv_read(st, s, &r->data, NULL, 0, NULL);
    t->rcv.gap_bytes += (uint32_t)(r->data.len - len);
    for (struct chunk *c = tail->next; c != NULL; c = c->next)
        t->rcv.gap_true_size += (uint32_t)chunk_true_size(c);
    return err;
}

static struct gap_run *run_new(struct stack *st, struct tcb *t, struct seg *s) {
    struct gap_run *r = pool_get(&st->tcp->gaps);
    if (r == NULL)
        return NULL;
    r->lo = s->seq;
    if (recv_read(st, s, &r->data, NULL, 0, NULL) != 0) {
        pool_put(&st->tcp->gaps, r);
        return NULL;
    }
    r->owner = t;
    gaps_insert(t, r);
    return r;
}

/* `r` may have come to touch the run behind it. */
static void join_next(struct stack *st, struct tcb *t, struct gap_run *r) {
    struct gap_run *next = TAILQ_NEXT(r, link);
    if (next == NULL || !seq_eq(run_hi(r), next->lo))
        return;
    run_take(t, next);
    uncharge(t, r);
    stream_join(&st->chunks, &r->data, &next->data);
    charge(t, r);
    pool_put(&st->tcp->gaps, next);
}

bool gaps_store(struct stack *st, struct tcb *t, struct seg *s) {
    if (!trim(st, t, s))
        return true;
    struct gap_run *prev = run_before(t, s->seq);
    bool append = prev != NULL && seq_eq(run_hi(prev), s->seq);
    struct gap_run *r = NULL;
    if (make_room(st, t, s, !append)) {
        if (!append)
            r = run_new(st, t, s);
        else if (run_append(st, t, prev, s) == 0)
            r = prev;
    }
    if (r == NULL) {
        st->ctr.TcpExtTCPOFODrop++;
        return false;
    }
    join_next(st, t, r);
    if (sack_is_far_back(t, r->lo, run_hi(r)))
        ackpolicy_release(st, t);
    sack_report_new(t, r->lo, run_hi(r));
    return true;
}

bool gaps_drain(struct stack *st, struct tcb *t) {
    struct gap_run *r;
    bool any = false;
    while ((r = TAILQ_FIRST(&t->rcv.gaps)) != NULL && seq_le(r->lo, t->rcv.nxt)) {
        uint32_t dup = (uint32_t)seq_diff(seq_min(t->rcv.nxt, run_hi(r)), r->lo);
        run_take(t, r);
        stream_consume(&st->chunks, &r->data, dup);
        t->rcv.nxt = seq_add(t->rcv.nxt, (uint32_t)r->data.len);
        t->rcv.bytes += r->data.len;
        stream_join(&st->chunks, &t->rcv.queue, &r->data);
        pool_put(&st->tcp->gaps, r);
        any = true;
    }
    uint8_t n = 0;
    for (uint8_t i = 0; i < t->rcv.n_sack; i++)
        if (seq_gt(t->rcv.sack[i].hi, t->rcv.nxt))
            t->rcv.sack[n++] = t->rcv.sack[i];
    t->rcv.n_sack = n;
    return any;
}

#include "stack/tcp/sent.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

static int compare(const struct sent *a, const struct sent *b) {
    int32_t d = seq_diff(a->lo, b->lo);
    return d < 0 ? -1 : d > 0;
}

RB_GENERATE_INTERNAL(sent_tree, sent, by_seq, compare, __attribute__((unused)) static)

void sent_init(struct tcb *t) {
    t->sent = (struct sent_queue){.high_sacked = t->snd.una, .rtx_hint = t->snd.una};
    RB_INIT(&t->sent.tree);
    TAILQ_INIT(&t->sent.times);
}

/* ---- the sums ---- */

static void account(struct tcb *t, const struct sent *r, bool add) {
    uint32_t len = add ? sent_len(r) : 0u - sent_len(r);
    if (r->flags & SENT_SACKED)
        t->sent.sacked_bytes += len;
    if (r->flags & SENT_LOST)
        t->sent.lost_bytes += len;
    if (r->flags & SENT_RTX)
        t->sent.rtx_bytes += len;
}

/* Is it under way, so that time will tell? */
static bool is_timed(uint8_t flags) {
    return !(flags & SENT_SACKED) && (flags & (SENT_LOST | SENT_RTX)) != SENT_LOST;
}

/* In order of transmission, from behind: that is where new ones go. */
static void insert_timed(struct tcb *t, struct sent *r) {
    struct sent *before = TAILQ_LAST(&t->sent.times, sent_list);
    while (before != NULL && before->sent_ns > r->sent_ns)
        before = TAILQ_PREV(before, sent_list, by_time);
    if (before != NULL)
        TAILQ_INSERT_AFTER(&t->sent.times, before, r, by_time);
    else
        TAILQ_INSERT_HEAD(&t->sent.times, r, by_time);
}

static void set_flags(struct tcb *t, struct sent *r, uint8_t flags) {
    bool was = is_timed(r->flags), is = is_timed(flags);
    if (was && !is)
        TAILQ_REMOVE(&t->sent.times, r, by_time);
    account(t, r, false);
    r->flags = flags;
    account(t, r, true);
    if (is && !was)
        insert_timed(t, r);
}

/* ---- making and freeing ---- */

static void insert(struct tcb *t, struct sent *r) {
    RB_INSERT(sent_tree, &t->sent.tree, r);
    t->sent.n++;
    account(t, r, true);
}

static void release(struct stack *st, struct tcb *t, struct sent *r) {
    account(t, r, false);
    RB_REMOVE(sent_tree, &t->sent.tree, r);
    if (is_timed(r->flags))
        TAILQ_REMOVE(&t->sent.times, r, by_time);
    t->sent.n--;
    r->owner = NULL;
    pool_put(&st->tcp->sents, r);
}

void sent_clear(struct stack *st, struct tcb *t) {
    struct sent *r;
    while ((r = RB_ROOT(&t->sent.tree)) != NULL)
        release(st, t, r);
}

static struct sent *get(struct stack *st, struct tcb *t, seq_t lo, seq_t hi) {
    struct sent *r = pool_get(&st->tcp->sents);
    if (r == NULL) {
        st->ctr.mem_sents_out++;
        return NULL;
    }
    r->owner = t;
    r->lo = lo;
    r->hi = hi;
    return r;
}

bool sent_may_add(struct stack *st, const struct tcb *t) {
    if (t->sent.n > 0 || st->tcp->sents.n_used < st->tcp->sents.max)
        return true;
    st->ctr.mem_sents_out++;
    return false;
}

void sent_add(struct stack *st, struct tcb *t, seq_t lo, seq_t hi) {
    uint32_t pipe = scoreboard_pipe(t) - (uint32_t)seq_diff(hi, lo); /* snd.nxt has moved already */
    struct sent *r = get(st, t, lo, hi);
    if (r != NULL) {
        r->sent_ns = st->now_ns;
        rate_on_send(st, t, r, pipe);
        insert(t, r);
        TAILQ_INSERT_TAIL(&t->sent.times, r, by_time);
        return;
    }
    r = sent_last(t);
    account(t, r, false);
    r->hi = hi;
    r->flags |= SENT_JOINED;
    account(t, r, true);
}

/* ---- finding ---- */

struct sent *sent_first(const struct tcb *t) {
    return RB_MIN(sent_tree, (struct sent_tree *)&t->sent.tree);
}

struct sent *sent_last(const struct tcb *t) {
    return RB_MAX(sent_tree, (struct sent_tree *)&t->sent.tree);
}

struct sent *sent_next(struct sent *r) {
    return RB_NEXT(sent_tree, NULL, r);
}

struct sent *sent_find(struct tcb *t, seq_t seq) {
    struct sent key = {.lo = seq};
    struct sent *r = RB_NFIND(sent_tree, &t->sent.tree, &key);
    if (r != NULL && seq_eq(r->lo, seq))
        return r;
    struct sent *before = r != NULL ? RB_PREV(sent_tree, NULL, r) : sent_last(t);
    return before != NULL && seq_gt(before->hi, seq) ? before : r;
}

/* ---- cutting and joining ---- */

struct sent *sent_split(struct stack *st, struct tcb *t, struct sent *r, seq_t at) {
    struct sent *rest = get(st, t, at, r->hi);
    if (rest == NULL)
        return NULL;
    rest->sent_ns = r->sent_ns;
    rest->flags = r->flags;
    rest->rate = r->rate;
    account(t, r, false);
    r->hi = at;
    account(t, r, true);
    insert(t, rest);
    if (is_timed(r->flags))
        TAILQ_INSERT_AFTER(&t->sent.times, r, rest, by_time);
    return rest;
}

static void swallow(struct stack *st, struct tcb *t, struct sent *r, struct sent *next) {
    seq_t hi = next->hi;
    release(st, t, next);
    account(t, r, false);
    r->hi = hi;
    account(t, r, true);
}

struct sent *sent_join_sacked(struct stack *st, struct tcb *t, struct sent *r) {
    struct sent *prev = RB_PREV(sent_tree, NULL, r), *next = sent_next(r);
    if (next != NULL && next->flags & SENT_SACKED)
        swallow(st, t, r, next);
    if (prev != NULL && prev->flags & SENT_SACKED) {
        swallow(st, t, prev, r);
        return prev;
    }
    return r;
}

void sent_trim(struct stack *st, struct tcb *t, struct sent *r, seq_t una) {
    if (seq_le(r->hi, una)) {
        release(st, t, r);
        return;
    }
    account(t, r, false);
    r->lo = una; /* still the lowest, so the tree's order holds */
    account(t, r, true);
}

/* ---- fates ---- */

void sent_mark_sacked(struct tcb *t, struct sent *r) {
    set_flags(t, r, (uint8_t)((r->flags & ~(SENT_LOST | SENT_RTX)) | SENT_SACKED));
    t->sent.high_sacked = seq_max(t->sent.high_sacked, r->hi);
}

void sent_mark_lost(struct stack *st, struct tcb *t, struct sent *r) {
    if (r->flags & SENT_RTX)
        st->ctr.TcpExtTCPLostRetransmit++;
    if (r->flags & SENT_RTX || !(r->flags & SENT_LOST))
        t->rate.lost += sent_len(r);
    set_flags(t, r, (uint8_t)((r->flags & ~SENT_RTX) | SENT_LOST));
    t->sent.rtx_hint = seq_min(t->sent.rtx_hint, r->lo);
    cc_on_lost(st, t, r);
}

void sent_mark_resent(struct stack *st, struct tcb *t, struct sent *r) {
    uint32_t pipe = scoreboard_pipe(t);
    if (is_timed(r->flags))
        TAILQ_REMOVE(&t->sent.times, r, by_time);
    account(t, r, false);
    r->flags |= SENT_RTX | SENT_EVER_RTX;
    account(t, r, true);
    r->sent_ns = st->now_ns;
    rate_on_send(st, t, r, pipe);
    TAILQ_INSERT_TAIL(&t->sent.times, r, by_time);
}

void sent_unmark_lost(struct tcb *t) {
    struct sent *r;
    RB_FOREACH (r, sent_tree, &t->sent.tree)
        set_flags(t, r, (uint8_t)(r->flags & ~SENT_LOST));
    t->sent.rtx_hint = t->snd.nxt;
}

void sent_unmark_sacked(struct tcb *t) {
    struct sent *r;
    RB_FOREACH (r, sent_tree, &t->sent.tree)
        set_flags(t, r, (uint8_t)(r->flags & ~SENT_SACKED));
    t->sent.high_sacked = t->snd.una;
}

struct sent *sent_next_lost(struct tcb *t) {
    if (t->sent.lost_bytes == 0)
        return NULL;
    struct sent *r = sent_find(t, seq_max(t->sent.rtx_hint, t->snd.una));
    while (r != NULL && (r->flags & (SENT_LOST | SENT_RTX)) != SENT_LOST)
        r = sent_next(r);
    t->sent.rtx_hint = r != NULL ? r->lo : t->snd.nxt;
    return r;
}

/* ---- repair and check ---- */

void sent_relink(struct sent *r) {
    struct tcb *t = r->owner;
    insert(t, r);
    t->sent.rtx_hint = t->snd.una;
    if (r->flags & SENT_SACKED)
        t->sent.high_sacked = seq_max(t->sent.high_sacked, r->hi);
    if (is_timed(r->flags))
        insert_timed(t, r);
}

const char *sent_check(struct tcb *t) {
    struct sent_queue sum = {0};
    struct sent *r;
    uint32_t timed = 0, listed = 0;
    seq_t at = t->snd.una;
    RB_FOREACH (r, sent_tree, &t->sent.tree) {
        if (r->owner != t || !seq_eq(r->lo, at) || seq_le(r->hi, r->lo))
            return "records of what was sent do not tile it";
        if (r->flags & SENT_SACKED && r->flags & (SENT_LOST | SENT_RTX))
            return "SACKed and lost";
        at = r->hi;
        sum.n++;
        sum.sacked_bytes += r->flags & SENT_SACKED ? sent_len(r) : 0;
        sum.lost_bytes += r->flags & SENT_LOST ? sent_len(r) : 0;
        sum.rtx_bytes += r->flags & SENT_RTX ? sent_len(r) : 0;
        timed += is_timed(r->flags);
        if ((r->flags & (SENT_LOST | SENT_RTX)) == SENT_LOST && seq_lt(r->lo, t->sent.rtx_hint))
            return "something lost lies below the hint";
    }
    if (!seq_eq(at, t->snd.nxt))
        return "records of what was sent end elsewhere than SND.NXT";
    TAILQ_FOREACH (r, &t->sent.times, by_time)
        listed++;
    if (sum.n != t->sent.n || listed != timed || sum.sacked_bytes != t->sent.sacked_bytes ||
        sum.lost_bytes != t->sent.lost_bytes || sum.rtx_bytes != t->sent.rtx_bytes)
        return "sums of what was sent are wrong";
    return NULL;
}

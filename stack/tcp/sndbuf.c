/* The send buffer's bounds.
 *
 * They are Linux's, in its units, so that programs which have tuned their writes find what they
 * know. What is written is thought of as super-segments of a size goal, each charged with its bytes
 * and with what Linux's buffer head takes; and the bounds are asked when a new one begins, so a
 * buffer may be exceeded by one super-segment, and the first write always succeeds. Two bounds: the
 * true size of all that is not acknowledged, and the bytes not yet sent (TCP_NOTSENT_LOWAT).
 *
 * The size goal: what one super-segment can be, but half of the peer's largest window at most, so
 * that two are under way (tcp_bound_to_half_wnd).
 *
 * Memory of the stack's own is another matter: some is kept back for what is received, since ACKs
 * free what is sent, and nobody frees the rest. While it is short no limit grows. */
#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#define SKB_OVERHEAD 832u   /* SKB_TRUESIZE(MAX_TCP_HEADER), measured by SO_MEMINFO */
#define SKB_HEADROOM 576u   /* … of it, what shares a power of two with the payload */
#define SKB_HEAD     256u   /* … and what does not */
#define GOAL_MAX     65279u /* sk_gso_max_size */
#define GROW_CWNDS   2u     /* one cwnd under way, one in wait (tcp_sndbuf_expand) */

void sndbuf_init(struct stack *st, struct tcb *t) {
    t->sndbuf = (struct sndbuf){.limit = st->tcp->cfg.wmem[MEM_FIRST]};
}

static uint32_t size_goal(const struct tcb *t) {
    uint32_t mss = u32_max(output_mss(t), 1), max = t->snd.max_wnd, goal = GOAL_MAX;
    if (max > 0)
        goal = u32_min(goal, max > TCP_MSS_DEFAULT ? max / 2 : max);
    return goal > mss ? goal - goal % mss : mss;
}

static uint32_t tail_len(const struct tcb *t) {
    return u32_min(t->sndbuf.tail, tcb_unsent(t));
}

uint32_t sndbuf_limit(const struct tcb *t) {
    return t->opts.sndbuf != 0 ? t->opts.sndbuf : t->sndbuf.limit;
}

uint32_t sndbuf_used(const struct tcb *t) {
    uint32_t goal = size_goal(t), segments = t->sent.n + (tcb_unsent(t) + goal - 1) / goal;
    return (uint32_t)t->snd.buf.len + segments * SKB_OVERHEAD;
}

static bool pool_has_room(const struct pool *p) {
    return p->max - p->n_used > p->max / TCP_ALLOC_RESERVE;
}

static bool stack_has_room(const struct stack *st) {
    return pool_has_room(&st->chunks.small) || pool_has_room(&st->chunks.large);
}

/* tcp_sndbuf_expand: twice cwnd, each segment of it at its true size. */
void sndbuf_grow(struct stack *st, struct tcb *t) {
    uint32_t mss = u32_max(u32_max(t->snd.mss, t->snd.peer_mss), 1), each = 1;
    if (t->opts.sndbuf != 0 || !stack_has_room(st) || !memory_may_grow(st))
        return;
    while (each < mss + SKB_HEADROOM)
        each *= 2;
    uint32_t segs = u32_max(t->cc.cwnd_bytes / u32_max(t->snd.mss, 1), TCP_INIT_CWND);
    segs = u32_max(segs, t->rack.reordering + 1);
    uint64_t want = (uint64_t)(each + SKB_HEAD) * GROW_CWNDS * segs;
    if (want > st->tcp->cfg.wmem[MEM_MOST])
        want = st->tcp->cfg.wmem[MEM_MOST];
    t->sndbuf.limit = u32_max(t->sndbuf.limit, (uint32_t)want);
}

/* sk_stream_moderate_sndbuf. */
void sndbuf_moderate(const struct stack *st, struct tcb *t) {
    if (t->opts.sndbuf == 0 && !memory_may_send(st, t))
        t->sndbuf.limit = u32_max(u32_min(t->sndbuf.limit, sndbuf_used(t) / 2), SOCK_MIN_SNDBUF);
}

static uint32_t lowat(const struct stack *st, const struct tcb *t) {
    return t->opts.notsent_lowat != 0 ? t->opts.notsent_lowat : st->tcp->cfg.notsent_lowat;
}

static bool has_memory(const struct stack *st, const struct tcb *t) {
    return sndbuf_used(t) < sndbuf_limit(t) && stack_has_room(st) && memory_may_send(st, t);
}

uint32_t sndbuf_room(const struct stack *st, const struct tcb *t) {
    uint32_t goal = size_goal(t), tail = tail_len(t);
    if (tail > 0 && tail < goal && stack_has_room(st))
        return goal - tail;
    return has_memory(st, t) && tcb_unsent(t) < lowat(st, t) ? goal : 0;
}

void sndbuf_on_append(struct tcb *t, uint32_t n) {
    uint32_t before = tcb_unsent(t) - n, tail = u32_min(t->sndbuf.tail, before);
    t->sndbuf.tail = (tail < size_goal(t) ? tail : 0) + n;
}

bool sndbuf_push(struct tcb *t, bool all) {
    uint32_t since = (uint32_t)seq_diff(tcb_data_end(t), t->sndbuf.pushed);
    if (!all && since <= t->snd.max_wnd / 2)
        return false;
    t->sndbuf.pushed = tcb_data_end(t);
    return true;
}

/* sk_stream_is_writeable: a third of the buffer is free, and less than half of what may be unsent
 * is. */
bool sndbuf_is_writable(const struct stack *st, const struct tcb *t) {
    uint64_t used = sndbuf_used(t);
    return used + used / 2 <= sndbuf_limit(t) && 2 * (uint64_t)tcb_unsent(t) < lowat(st, t) &&
           stack_has_room(st) && memory_may_send(st, t) &&
           (t->marks.n == 0 || marks_have_room(st, t));
}

uint32_t tcp_get_sndbuf(const struct stack *st, const struct tcb *t) {
    uint32_t limit = sndbuf_limit(t);
    return limit != 0 ? limit : st->tcp->cfg.wmem[MEM_FIRST]; /* 0: never connected */
}

uint32_t tcp_get_wmem(const struct tcb *t) {
    return sndbuf_used(t);
}

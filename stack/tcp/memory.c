/* Three marks, in pages. Up to tcp_mem[0] nobody is restrained. Above tcp_mem[1] there is pressure,
 * until tcp_mem[0] is reached again: no buffer grows, windows open by a few segments only, and a
 * connection that holds more than the least of tcp_rmem or tcp_wmem gets more only while everybody
 * could hold as much as it does. Above tcp_mem[2] nobody gets more, but for the next bytes of a
 * stream whose reader has none: else nothing would ever be freed.
 *
 * Memory is what the buffer chunks in use take. A tcp_mem above what the stack's pools have counts
 * as the pools' size, in the proportions of Linux's default: a half, two thirds, and all of it. */
#include "stack/tcp/memory.h"

#include "stack/tcp/tcb.h"

static uint32_t pages_of(uint32_t small, uint32_t large) {
    return small * (CHUNK_SMALL_SIZE / MEMORY_PAGE) + large * (CHUNK_LARGE_SIZE / MEMORY_PAGE);
}

uint32_t memory_pages(const struct stack *st) {
    return pages_of(st->chunks.small.n_used, st->chunks.large.n_used);
}

static uint32_t mark(const struct stack *st, int which) {
    static const uint32_t sixths[MEM_N] = {3, 4, 6};
    uint64_t all = pages_of(st->chunks.small.max, st->chunks.large.max);
    return u32_min(st->tcp->cfg.mem[which], (uint32_t)(all * sixths[which] / 6));
}

static bool is_unrestrained(const struct stack *st) {
    return memory_pages(st) <= mark(st, MEM_LEAST);
}

void memory_update(struct stack *st) {
    struct memory *m = &st->tcp->memory;
    if (!m->pressure && memory_pages(st) > mark(st, MEM_FIRST)) {
        m->pressure = true;
        m->since_ns = st->now_ns;
        st->ctr.TcpExtTCPMemoryPressures++;
    } else if (m->pressure && is_unrestrained(st)) {
        m->pressure = false;
        st->ctr.TcpExtTCPMemoryPressuresChrono += (st->now_ns - m->since_ns) / MS_NS;
    }
}

bool memory_may_grow(const struct stack *st) {
    return !st->tcp->memory.pressure && is_unrestrained(st);
}

bool memory_is_out(const struct stack *st) {
    return memory_pages(st) > mark(st, MEM_MOST);
}

static uint32_t received(const struct tcb *t) {
    return (uint32_t)t->rcv.queue.len + t->rcv.gap_true_size;
}

/* Linux's __sk_mem_raise_allocated, where memory is not free for all. */
static bool may_hold_more(const struct stack *st, const struct tcb *t, uint32_t has,
                          uint32_t least) {
    if (memory_is_out(st))
        return false;
    if (!st->tcp->memory.pressure || has < least)
        return true;
    uint64_t each = (received(t) + sndbuf_used(t)) / MEMORY_PAGE + 1;
    return each * st->tcp->tcbs.n_used < mark(st, MEM_MOST);
}

bool memory_may_send(const struct stack *st, const struct tcb *t) {
    return is_unrestrained(st) ||
           may_hold_more(st, t, sndbuf_used(t), st->tcp->cfg.wmem[MEM_LEAST]);
}

bool memory_may_receive(const struct stack *st, const struct tcb *t) {
    return is_unrestrained(st) || may_hold_more(st, t, received(t), st->tcp->cfg.rmem[MEM_LEAST]);
}

bool memory_forbids_orphan(struct stack *st, const struct tcb *t) {
    bool many = st->tcp->n_orphans > st->tcp->cfg.max_orphans;
    if (!many && !(memory_is_out(st) && sndbuf_used(t) > SOCK_MIN_SNDBUF))
        return false;
    st->ctr.TcpExtTCPAbortOnMemory++;
    return true;
}

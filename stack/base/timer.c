/* The timer heap; theory in the header. */
#include "stack/base/timer.h"

#include <assert.h>

bool timers_init(struct timers *ts, struct arena *a, uint32_t max) {
    *ts = (struct timers){.max = max};
    ts->heap = arena_alloc(a, (size_t)max * sizeof(*ts->heap), sizeof(*ts->heap));
    return ts->heap != NULL;
}

void timer_init(struct timer *t, enum timer_kind kind) {
    *t = (struct timer){.kind = kind};
}

static void place(struct timers *ts, uint32_t i, struct timer *t) {
    ts->heap[i] = t;
    t->slot = i + 1;
}

/* Moves `t`, which belongs at i or nearer to the root, to its place. */
static void sift_up(struct timers *ts, uint32_t i, struct timer *t) {
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (ts->heap[parent]->armed_ns <= t->armed_ns)
            break;
        place(ts, i, ts->heap[parent]);
        i = parent;
    }
    place(ts, i, t);
}

static void sift_down(struct timers *ts, uint32_t i, struct timer *t) {
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= ts->n)
            break;
        if (child + 1 < ts->n && ts->heap[child + 1]->armed_ns < ts->heap[child]->armed_ns)
            child++;
        if (t->armed_ns <= ts->heap[child]->armed_ns)
            break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, t);
}

static void insert(struct timers *ts, struct timer *t) {
    assert(ts->n < ts->max);
    t->armed_ns = t->deadline_ns;
    sift_up(ts, ts->n++, t);
}

static void remove_from_heap(struct timers *ts, struct timer *t) {
    uint32_t i = t->slot - 1;
    assert(i < ts->n && ts->heap[i] == t);
    struct timer *last = ts->heap[--ts->n];
    t->slot = 0;
    if (last == t)
        return;
    if (i > 0 && last->armed_ns < ts->heap[(i - 1) / 2]->armed_ns)
        sift_up(ts, i, last);
    else
        sift_down(ts, i, last);
}

void timer_set(struct timers *ts, struct timer *t, uint64_t deadline_ns) {
    assert(deadline_ns != TIMER_OFF);
    t->deadline_ns = deadline_ns;
    if (t->slot == 0) {
        insert(ts, t);
    } else if (deadline_ns < t->armed_ns) {
        t->armed_ns = deadline_ns;
        sift_up(ts, t->slot - 1, t);
    }
}

void timer_set_earlier(struct timers *ts, struct timer *t, uint64_t deadline_ns) {
    if (t->deadline_ns == TIMER_OFF || deadline_ns < t->deadline_ns)
        timer_set(ts, t, deadline_ns);
}

void timer_stop(struct timers *ts, struct timer *t) {
    t->deadline_ns = TIMER_OFF;
    if (t->slot != 0)
        remove_from_heap(ts, t);
}

struct timer *timers_expire(struct timers *ts, uint64_t now_ns) {
    while (ts->n > 0 && ts->heap[0]->armed_ns <= now_ns) {
        struct timer *t = ts->heap[0];
        if (t->deadline_ns <= now_ns) {
            ts->firing_ns = t->deadline_ns;
            ts->firing = t;
            __asm__ volatile("" ::: "memory");
            timer_stop(ts, t);
            return t;
        }
        t->armed_ns = t->deadline_ns; /* was moved later meanwhile */
        sift_down(ts, 0, t);
    }
    return NULL;
}

uint64_t timers_next(const struct timers *ts) {
    return ts->n > 0 ? ts->heap[0]->armed_ns : TIME_NEVER;
}

/* The owner may have been freed since (then nobody reads the deadline), which is no error here. */
__attribute__((no_sanitize_address)) void timers_clear(struct timers *ts) {
    ts->n = 0;
    if (ts->firing != NULL && ts->firing->deadline_ns == TIMER_OFF)
        ts->firing->deadline_ns = ts->firing_ns;
    ts->firing = NULL;
}

void timers_readd(struct timers *ts, struct timer *t) {
    t->slot = 0;
    if (t->deadline_ns != TIMER_OFF)
        insert(ts, t);
}

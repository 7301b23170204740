/* Bulk transfers over several connections at once, every byte checked: for the tests of repair. */
#ifndef TESTS_UNIT_SOCK_BULK_H
#define TESTS_UNIT_SOCK_BULK_H

#include "tests/unit/sock_world.h"

struct bulk {
    struct pair p;
    size_t sent, got, total;
    bool reset; /* it was aborted by repair */
    int error;  /* what the call said then; 0: end of stream */
};

/* The stream's bytes: a pattern of prime length again and again, so that a shift by any number of
 * bytes shows; kept twice in a row, so that a run of that length can be had from any offset. */
#define BULK_PERIOD 32749u
static inline const char *bulk_bytes(size_t offset) {
    static char pattern[2 * BULK_PERIOD];
    if (pattern[1] == 0) {
        uint32_t x = 1;
        for (size_t i = 0; i < BULK_PERIOD; i++) {
            x = x * 1103515245u + 12345u;
            pattern[i] = pattern[i + BULK_PERIOD] = (char)(x >> 16 | 1);
        }
    }
    return pattern + offset % BULK_PERIOD;
}

/* Sends from host c to host s as far as it goes now; false when it was reset. */
static inline bool bulk_step(struct world *w, struct bulk *b, int c, int s) {
    static char buf[BULK_PERIOD];
    ssize_t n;
    while (!b->reset && b->sent < b->total) {
        size_t len = b->total - b->sent < BULK_PERIOD ? b->total - b->sent : BULK_PERIOD;
        n = xsend(&w->h[c], b->p.c, bulk_bytes(b->sent), len);
        if (n == -EAGAIN)
            break;
        if (n < 0) {
            b->reset = true;
            b->error = (int)-n;
            return false;
        }
        b->sent += (size_t)n;
    }
    while (!b->reset && b->got < b->total) {
        n = xrecv(&w->h[s], b->p.s, buf, sizeof(buf), 0);
        if (n == -EAGAIN)
            break;
        if (n <= 0) {
            b->reset = true;
            b->error = (int)-n;
            return false;
        }
        cr_assert_eq(memcmp(buf, bulk_bytes(b->got), (size_t)n), 0, "wrong after %zu", b->got);
        b->got += (size_t)n;
    }
    return !b->reset;
}

static inline bool bulk_done(const struct bulk *b) {
    return b->reset || b->got == b->total;
}

/* All of them to the end (or their reset), in at most `limit_ns` of virtual time. */
static inline void bulk_finish(struct world *w, struct bulk *b, int n, int c, int s,
                               uint64_t limit_ns) {
    uint64_t end = w->now_ns + limit_ns;
    for (bool all = false; !all;) {
        all = true;
        for (int i = 0; i < n; i++) {
            bulk_step(w, &b[i], c, s);
            all = all && bulk_done(&b[i]);
        }
        if (!all)
            world_run(w, 2 * MS);
        cr_assert_lt(w->now_ns, end, "transfers do not come to an end");
    }
}

static inline void check_one(struct stack *st, struct tcb *t, void *arg) {
    (void)arg;
    const char *wrong = tcp_check(st, t);
    cr_assert_null(wrong, "%s", wrong != NULL ? wrong : "");
}

/* Nothing is held by anybody once all is closed and TIME-WAIT is over. */
static inline void check_all_given_back(struct world *w, int host) {
    struct stack *st = w->h[host].st;
    cr_assert(stack_idle(st));
    cr_assert_eq(st->pkts.n_used, 0, "%u packets", st->pkts.n_used);
    cr_assert_eq(st->chunks.small.n_used, 0, "%u small chunks", st->chunks.small.n_used);
    cr_assert_eq(st->chunks.large.n_used, 0, "%u large chunks", st->chunks.large.n_used);
}

#endif

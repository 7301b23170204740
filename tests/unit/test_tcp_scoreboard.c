#include "tests/unit/tcp_unit.h"

#define K TU_MSS

/* A tcb with `segs` segments outstanding, SACK on. */
static struct tcb *board(struct stack *st, uint32_t segs) {
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    tu_sent(st, t, segs * K);
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    return t;
}

static uint32_t sack(struct stack *st, struct tcb *t, int n, const uint32_t *edges, bool *dsack) {
    struct tu_seg *u = calloc(1, sizeof(*u));
    struct seg *s = tu_seg(u, t->rcv.nxt, 0);
    s->h.ack = t->snd.una;
    s->h.opt.nsack = (uint8_t)n;
    for (int i = 0; i < n; i++) {
        s->h.opt.sack[i].lo = seq_add(seq(TU_SND), *edges++);
        s->h.opt.sack[i].hi = seq_add(seq(TU_SND), *edges++);
    }
    bool d;
    uint32_t added = scoreboard_update(st, t, s, dsack != NULL ? dsack : &d);
    free(u);
    return added;
}
#define SACK(...)                                                                                  \
    sack(st, t, (int)(sizeof((uint32_t[]){__VA_ARGS__}) / 8), (uint32_t[]){__VA_ARGS__}, NULL)

Test(tcp_scoreboard, blocks_add_up_across_the_wrap) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    cr_assert_eq(SACK(2 * K, 3 * K), K);
    cr_assert_eq(SACK(2 * K, 4 * K), K);
    cr_assert_eq(SACK(2 * K, 4 * K), 0);
    cr_assert_eq(scoreboard_sacked(t), 2 * K);
    cr_assert_eq(scoreboard_pipe(t), 8 * K);
    tu_end(st, t);
}

Test(tcp_scoreboard, nonsense_is_not_believed) { /* V14 */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 4);
    cr_assert_eq(SACK(3 * K, 2 * K), 0);
    cr_assert_eq(SACK(2 * K, 2 * K), 0);
    cr_assert_eq(SACK(3 * K, 5 * K), 0);
    cr_assert_eq(SACK(0x80000000u, 0x80000000u + K), 0);
    cr_assert_eq(t->loss.sacked.n, 0);
    tu_end(st, t);
}

Test(tcp_scoreboard, dsack_is_told_from_sack) { /* RFC 2883 §4 */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    bool d;
    uint32_t below[] = {-1 * K, 0, 3 * K, 4 * K};
    cr_assert_eq(sack(st, t, 2, below, &d), K);
    cr_assert(d);
    uint32_t inside[] = {5 * K, 6 * K, 5 * K, 8 * K};
    cr_assert_eq(sack(st, t, 2, inside, &d), 3 * K);
    cr_assert(d);
    uint32_t plain[] = {9 * K, 10 * K, 3 * K, 4 * K};
    sack(st, t, 2, plain, &d);
    cr_assert_not(d);
    tu_end(st, t);
}

Test(tcp_scoreboard, lost_by_bytes_above) { /* IsLost: more than 2 SMSS above */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    SACK(K, 3 * K);
    cr_assert(seq_eq(scoreboard_lost_end(t), t->snd.una));
    SACK(K, 4 * K);
    cr_assert(seq_eq(scoreboard_lost_end(t), seq_add(t->snd.una, K)));
    tu_end(st, t);
}

Test(tcp_scoreboard, lost_by_discontiguous_ranges_above) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    SACK(2 * K, 2 * K + 10, 4 * K, 4 * K + 10);
    cr_assert(seq_eq(scoreboard_lost_end(t), t->snd.una));
    SACK(6 * K, 6 * K + 10);
    cr_assert(seq_eq(scoreboard_lost_end(t), seq_add(t->snd.una, 2 * K)));
    tu_end(st, t);
}

Test(tcp_scoreboard, pipe_leaves_out_what_is_lost_until_it_is_sent_again) { /* SetPipe */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    SACK(2 * K, 6 * K);
    t->loss.lost_end = seq_add(t->snd.una, 2 * K);
    cr_assert_eq(scoreboard_pipe(t), 4 * K);
    t->loss.high_rxt = seq_add(t->snd.una, K);
    cr_assert_eq(scoreboard_pipe(t), 5 * K);
    tu_end(st, t);
}

Test(tcp_scoreboard, holes_come_in_order) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    struct range h;
    seq_t una = t->snd.una, end = t->snd.nxt;
    SACK(2 * K, 3 * K, 5 * K, 6 * K);
    cr_assert(scoreboard_next_hole(t, una, end, &h));
    cr_assert(seq_eq(h.lo, una) && seq_eq(h.hi, seq_add(una, 2 * K)));
    cr_assert(scoreboard_next_hole(t, seq_add(una, 2 * K + 7), end, &h));
    cr_assert(seq_eq(h.lo, seq_add(una, 3 * K)) && seq_eq(h.hi, seq_add(una, 5 * K)));
    cr_assert(scoreboard_next_hole(t, seq_add(una, 6 * K), end, &h));
    cr_assert(seq_eq(h.hi, end));
    cr_assert_not(scoreboard_next_hole(t, seq_add(una, 2 * K), seq_add(una, 3 * K), &h));
    tu_end(st, t);
}

Test(tcp_scoreboard, without_sack_duplicates_are_counted) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    t->use_sack = false;
    t->loss.dup_acks = 3;
    cr_assert_eq(scoreboard_pipe(t), 7 * K);
    t->loss.dup_acks = 100; /* cannot be: one at least is missing */
    cr_assert_eq(scoreboard_pipe(t), K);
    tu_end(st, t);
}

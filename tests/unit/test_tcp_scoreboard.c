#include "tests/unit/tcp_unit.h"

#define K TU_MSS

/* A tcb with `segs` segments outstanding in one super-segment, SACK on. */
static struct tcb *board(struct stack *st, uint32_t segs) {
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    tu_sent(st, t, segs * K);
    timer_set(&st->timers, &t->t_rtx, st->now_ns + SEC);
    return t;
}

/* Blocks by their distance from TU_SND; returns the bytes that were new. */
static uint32_t sack(struct stack *st, struct tcb *t, int n, const uint32_t *edges, bool *dsack) {
    struct tu_seg *u = calloc(1, sizeof(*u));
    struct seg *s = tu_seg(u, t->rcv.nxt, 0);
    struct ack_news news = {.high_sacked = t->sent.high_sacked, .reordered = t->snd.nxt};
    s->h.ack = t->snd.una;
    s->h.opt.nsack = (uint8_t)n;
    for (int i = 0; i < n; i++) {
        s->h.opt.sack[i].lo = seq_add(seq(TU_SND), *edges++);
        s->h.opt.sack[i].hi = seq_add(seq(TU_SND), *edges++);
    }
    scoreboard_update(st, t, s, &news);
    if (dsack != NULL)
        *dsack = news.dsack;
    free(u);
    return news.sacked;
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
    cr_assert_eq(t->sent.n, 3); /* before, SACKed, behind */
    tu_end(st, t);
}

Test(tcp_scoreboard, nonsense_is_not_believed) { /* V14 */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 4);
    cr_assert_eq(SACK(3 * K, 2 * K), 0);
    cr_assert_eq(SACK(2 * K, 2 * K), 0);
    cr_assert_eq(SACK(3 * K, 5 * K), 0);
    cr_assert_eq(SACK(0x80000000u, 0x80000000u + K), 0);
    cr_assert_eq(t->sent.n, 1);
    tu_end(st, t);
}

/* V14 (CVE-2019-11477 and its kin): every other byte SACKed makes no record and no work. */
Test(tcp_scoreboard, v14_pieces_of_segments_do_not_count) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    for (uint32_t i = 1; i < 10 * K; i += 2)
        cr_assert_eq(SACK(i, i + 1), 0);
    cr_assert_eq(t->sent.n, 1);
    cr_assert_eq(SACK(K + 1, 4 * K - 1), K, "the one segment that is whole");
    cr_assert_eq(SACK(9 * K, 10 * K), K);
    tu_end(st, t);
}

Test(tcp_scoreboard, v14_sacked_neighbours_are_one_record) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 40);
    for (uint32_t i = 1; i < 40; i += 2)
        SACK(i * K, (i + 1) * K);
    cr_assert_eq(t->sent.n, 40);
    for (uint32_t i = 2; i < 40; i += 2)
        SACK(i * K, (i + 1) * K);
    cr_assert_eq(t->sent.n, 2);
    cr_assert_eq(scoreboard_sacked(t), 39 * K);
    tu_end(st, t);
}

Test(tcp_scoreboard, without_memory_for_records_a_block_is_not_kept) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    st->tcp->sents.max = st->tcp->sents.n_used;
    cr_assert_eq(SACK(2 * K, 3 * K), 0);
    cr_assert_eq(t->sent.n, 1);
    cr_assert_gt(st->ctr.mem_sents_out, 0);
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

Test(tcp_scoreboard, pipe_leaves_out_what_is_lost_until_it_is_sent_again) { /* SetPipe */
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    t->loss.state = LOSS_RECOVERY;
    t->loss.recover = t->snd.nxt;
    SACK(2 * K, 6 * K);
    sent_mark_lost(st, t, sent_first(t)); /* two segments */
    cr_assert_eq(scoreboard_pipe(t), 4 * K);
    struct range r = {t->snd.una, seq_add(t->snd.una, K)};
    loss_on_retransmit(st, t, &r);
    cr_assert_eq(scoreboard_pipe(t), 5 * K);
    tu_end(st, t);
}

Test(tcp_scoreboard, what_is_lost_comes_in_order) {
    struct stack *st = tu_stack();
    struct tcb *t = board(st, 10);
    struct range h;
    t->loss.state = LOSS_RTO;
    t->loss.recover = t->snd.nxt;
    SACK(2 * K, 3 * K, 5 * K, 6 * K);
    for (struct sent *r = sent_first(t); r != NULL; r = sent_next(r))
        if (!(r->flags & SENT_SACKED))
            sent_mark_lost(st, t, r);
    const uint32_t want[][2] = {{0, 2}, {3, 5}, {6, 10}};
    for (int i = 0; i < 3; i++) {
        cr_assert(loss_next_rtx(t, &h));
        cr_assert(seq_eq(h.lo, seq_add(seq(TU_SND), want[i][0] * K)));
        cr_assert(seq_eq(h.hi, seq_add(seq(TU_SND), want[i][1] * K)));
        loss_on_retransmit(st, t, &h);
    }
    cr_assert_not(loss_next_rtx(t, &h));
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

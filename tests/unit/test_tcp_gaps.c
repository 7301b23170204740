#include "tests/unit/tcp_unit.h"

static struct tu_seg u;

static bool store(struct stack *st, struct tcb *t, uint32_t off, uint32_t len) {
    return gaps_store(st, t, tu_seg(&u, seq(TU_RCV + off), len));
}
static void check(struct stack *st, struct tcb *t) {
    const char *wrong = tcp_check(st, t);
    cr_assert_null(wrong, "%s", wrong);
}
/* The bytes of the receive queue are those that were sent. */
static void check_queue(struct tcb *t, uint32_t len) {
    static uint8_t got[65536];
    struct iovec iov = {got, sizeof(got)};
    cr_assert_eq(t->rcv.queue.len, len);
    cr_assert_eq(stream_copy(&t->rcv.queue, 0, &iov, 1, 0, len), len);
    for (uint32_t i = 0; i < len; i++)
        cr_assert_eq(got[i], (uint8_t)(TU_RCV + i), "byte %u", i);
}

Test(tcp_gaps, runs_join_when_they_touch) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    cr_assert(store(st, t, 100, 100));
    cr_assert(store(st, t, 300, 100));
    cr_assert_eq(t->rcv.n_gaps, 2);
    check(st, t);
    cr_assert(store(st, t, 200, 100));
    cr_assert_eq(t->rcv.n_gaps, 1);
    cr_assert_eq(t->rcv.gap_bytes, 300);
    check(st, t);
    tu_end(st, t);
}

Test(tcp_gaps, overlaps_are_cut) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    store(st, t, 100, 100);
    store(st, t, 150, 100); /* over the end */
    store(st, t, 50, 100);  /* over the beginning */
    cr_assert_eq(t->rcv.gap_bytes, 200);
    store(st, t, 60, 20); /* inside */
    cr_assert_eq(t->rcv.gap_bytes, 200);
    store(st, t, 400, 10);
    store(st, t, 420, 10);
    store(st, t, 300, 300); /* around two */
    cr_assert_eq(t->rcv.n_gaps, 2);
    cr_assert_eq(t->rcv.gap_bytes, 500);
    check(st, t);
    struct seg *s = tu_seg(&u, seq(TU_RCV), 50);
    t->rcv.adv = seq_add(t->rcv.nxt, 65536);
    recv_segment(st, t, s);
    check_queue(t, 250);
    check(st, t);
    recv_segment(st, t, tu_seg(&u, seq(TU_RCV + 250), 50));
    check_queue(t, 600);
    fx_drain(st);
    tu_end(st, t);
}

/* The segment would have replaced a run, and then there was no memory for it: what is gone must not
 * be reported as received. */
Test(tcp_gaps, what_was_given_up_for_nothing_is_no_longer_sacked) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    t->use_sack = true;
    recv_segment(st, t, tu_seg(&u, seq(TU_RCV + 1000), 100));
    cr_assert_eq(t->rcv.n_sack, 1);
    st->chunks.small.max = st->chunks.small.n_used;
    st->chunks.large.max = st->chunks.large.n_used;
    cr_assert_not(gaps_store(st, t, tu_seg(&u, seq(TU_RCV + 900), 8000)));
    cr_assert_eq(t->rcv.n_gaps, 0);
    cr_assert_eq(t->rcv.n_sack, 0);
    fx_drain(st);
    tu_end(st, t);
}

Test(tcp_gaps, any_order_gives_the_same_bytes) {
    struct stack *st = tu_stack();
    uint32_t seed = 1;
    for (int round = 0; round < 50; round++) {
        struct tcb *t = tu_tcb(st);
        for (int i = 0; i < 400 || t->rcv.queue.len < 20000; i++) {
            seed = seed * 1664525 + 1013904223;
            uint32_t off = (seed >> 8) % 20000, len = 1 + (seed >> 4) % 1500;
            len = u32_min(len, 20000 - off);
            int32_t old = seq_diff(t->rcv.nxt, seq(TU_RCV + off));
            struct seg *s = tu_seg(&u, seq(TU_RCV + off), len);
            if (old > 0) { /* what input.c cuts off */
                uint32_t cut = u32_min((uint32_t)old, len);
                s->seq = seq_add(s->seq, cut);
                s->skip += cut;
                s->len -= cut;
            }
            recv_segment(st, t, s);
            fx_drain(st);
            check(st, t);
        }
        check_queue(t, 20000);
        tcp_abort(st, t, 0);
        tcp_close(st, t);
    }
    fx_check_empty(st);
    fx_free(st);
}

Test(tcp_gaps, v15_one_byte_pieces_are_charged_for_what_they_take) { /* V15 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    for (uint32_t i = 0; i < 10000; i++)
        store(st, t, 2 + 2 * i, 1);
    cr_assert_leq(t->rcv.gap_true_size, 2 * t->rcv.limit + CHUNK_LARGE_SIZE);
    cr_assert_leq(t->rcv.n_gaps, TCP_GAP_RUNS_MAX);
    cr_assert_gt(st->ctr.TcpExtTCPOFODrop, 0);
    check(st, t);
    /* What lies nearer takes the place of what lies further out. */
    uint32_t n = t->rcv.n_gaps;
    cr_assert(store(st, t, 1, 1));
    cr_assert_leq(t->rcv.n_gaps, n);
    check(st, t);
    tu_end(st, t);
}

Test(tcp_gaps, the_newest_block_stands_first) { /* RFC 2018 §4 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_opts o = {0};
    t->use_sack = true;
    for (uint32_t i = 1; i <= 6; i++)
        store(st, t, i * 1000, 100);
    store(st, t, 3100, 100); /* an old one grows: it becomes the newest */
    sack_fill(t, &o, true);
    cr_assert_eq(o.nsack, 4);
    cr_assert_eq(o.sack[0].lo.v, TU_RCV + 3000);
    cr_assert_eq(o.sack[0].hi.v, TU_RCV + 3200);
    cr_assert_eq(o.sack[1].lo.v, TU_RCV + 6000);
    cr_assert_eq(o.sack[2].lo.v, TU_RCV + 5000);
    cr_assert_eq(o.sack[3].lo.v, TU_RCV + 4000);
    tu_end(st, t);
}

Test(tcp_gaps, a_duplicate_is_reported_once_and_first) { /* RFC 2883 */
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_opts o = {0}, p = {0};
    t->use_sack = true;
    store(st, t, 1000, 100);
    store(st, t, 1000, 100);
    sack_fill(t, &o, true);
    cr_assert_eq(o.nsack, 2);
    cr_assert_eq(o.sack[0].lo.v, TU_RCV + 1000);
    cr_assert_eq(o.sack[0].hi.v, TU_RCV + 1100);
    sack_fill(t, &p, true);
    cr_assert_eq(p.nsack, 1);
    tu_end(st, t);
}

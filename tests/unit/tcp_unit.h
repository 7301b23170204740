/* A tcb by itself, for unit tests of the separable files of stack/tcp: a stack made by hand and an
 * established connection to the peer, set up field by field, with no segment sent. Round numbers:
 * our ISS makes snd.una == TU_SND, the peer's makes rcv.nxt == TU_RCV; both wrap soon. */
#ifndef TESTS_UNIT_TCP_UNIT_H
#define TESTS_UNIT_TCP_UNIT_H

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"
#include "tests/unit/stack_fixture.h"

#define TU_SND 0xffffff00u
#define TU_RCV 0xfffffe00u
#define TU_MSS 1000u

/* For a tcb without a stack: its route says nothing. */
FX const struct route_metrics tu_no_path;

FX struct stack *tu_stack(void) {
    struct net_config cfg = fx_config();
    struct stack *st = fx_new(&cfg);
    struct tcp_config tcp;
    tcp_config_default(&tcp);
    tcp.max_conns = 64;
    cr_assert_eq(errq_pool_init(st, 64), 0);
    cr_assert_eq(tcp_init(st, &tcp), 0);
    fx_know_peer(st);
    return st;
}

FX struct tcb *tu_tcb(struct stack *st) {
    struct tcb *t = tcb_alloc(st);
    cr_assert_not_null(t);
    t->local = (struct endpoint){US, 5000};
    t->remote = (struct endpoint){PEER, 40000};
    t->bound = true;
    tcb_start(st, t);
    t->use_ts = false;
    t->snd.iss = seq(TU_SND - 1);
    t->snd.una = t->snd.nxt = t->snd.buf_seq = t->snd.small_end = seq(TU_SND);
    t->snd.mss = TU_MSS;
    t->snd.wnd = t->snd.max_wnd = 1u << 20;
    loss_init(t);
    sent_init(t);
    rtt_init(t);
    rack_init(st, t);
    t->rcv.nxt = t->rcv.acked = t->rcv.copied = seq(TU_RCV);
    t->rcv.limit = 65536;
    t->rcv.adv = seq_add(t->rcv.nxt, 65536);
    cc_init(st, t);
    tcb_set_state(st, t, TCPS_ESTABLISHED);
    tcb_insert_flow(st, t);
    return t;
}

/* `n` bytes were sent now, as one (super-)segment; nobody looks at them. */
FX void tu_sent(struct stack *st, struct tcb *t, uint32_t n) {
    static uint8_t zeros[65536];
    seq_t lo = t->snd.nxt;
    while (n > 0) {
        uint32_t piece = u32_min(n, sizeof(zeros));
        struct iovec iov = {zeros, piece};
        cr_assert_eq(stream_append(&st->chunks, &t->snd.buf, &iov, 1, 0, piece), piece);
        t->snd.nxt = seq_add(t->snd.nxt, piece);
        n -= piece;
    }
    sent_add(st, t, lo, t->snd.nxt);
}

/* `segs` full segments were sent one by one, a nanosecond apart. */
FX void tu_sent_segs(struct stack *st, struct tcb *t, uint32_t segs) {
    for (; segs > 0; segs--) {
        st->now_ns++;
        tu_sent(st, t, TU_MSS);
    }
}

/* A segment whose payload byte at sequence number x is (uint8_t)x. */
struct tu_seg {
    struct seg s;
    struct ip_in in;
    uint8_t data[TCP_HDR_LEN + 65536];
};
FX struct seg *tu_seg(struct tu_seg *u, seq_t lo, uint32_t len) {
    memset(&u->s, 0, sizeof(u->s));
    memset(&u->in, 0, sizeof(u->in));
    for (uint32_t i = 0; i < len; i++)
        u->data[TCP_HDR_LEN + i] = (uint8_t)(lo.v + i);
    frame_from_mem(&u->in.f, u->data, TCP_HDR_LEN + len);
    u->s.in = &u->in;
    u->s.h.hdr_len = TCP_HDR_LEN;
    u->s.h.flags = TH_ACK;
    u->s.seq = u->s.h.seq = lo;
    u->s.len = u->s.wire_len = len;
    return &u->s;
}

/* Ends a test: everything must have come back. */
FX void tu_end(struct stack *st, struct tcb *t) {
    const char *wrong = tcp_check(st, t);
    cr_assert_null(wrong, "%s", wrong);
    tcp_abort(st, t, 0);
    tcp_close(st, t);
    cr_assert_eq(st->tcp->tcbs.n_used, 0);
    cr_assert_eq(st->tcp->gaps.n_used, 0);
    cr_assert_eq(st->tcp->sents.n_used, 0);
    cr_assert_eq(st->tcp->md5_keys.n_used, 0);
    fx_check_empty(st);
    fx_free(st);
}

#endif

#include "tests/unit/tcp_unit.h"

#include <poll.h>

/* An orphan in TIME-WAIT. */
static void rest(struct stack *st) {
    struct tcb *t = tu_tcb(st);
    t->remote.port = (uint16_t)rand_u64(&st->rand);
    t->holder = TCB_ORPHAN;
    stack_dirty(st, t);
    tcb_set_state(st, t, TCPS_FIN_WAIT_2);
    tcb_set_state(st, t, TCPS_TIME_WAIT);
    tcb_leave(st, t);
}

Test(tcp_tcb, too_many_in_time_wait_end_the_oldest) {
    struct stack *st = tu_stack();
    uint32_t live, timewait;
    for (int i = 0; i < 40; i++) /* of 64 */
        rest(st);
    tcp_count(st, &live, &timewait);
    cr_assert_eq(timewait, 32);
    cr_assert_eq(live, 0);
    cr_assert_eq(st->ctr.TcpExtTCPTimeWaitOverflow, 8);
    fx_free(st);
}

Test(tcp_tcb, a_full_pool_takes_the_place_of_one_in_time_wait) {
    struct stack *st = tu_stack();
    uint32_t live, timewait;
    for (int i = 0; i < 10; i++)
        rest(st);
    for (int i = 0; i < 64; i++)
        cr_assert_not_null(tcp_open(st));
    cr_assert_null(tcp_open(st));
    cr_assert_eq(st->ctr.mem_conns_out, 1);
    tcp_count(st, &live, &timewait);
    cr_assert_eq(timewait, 0);
    cr_assert_eq(live, 64);
    fx_free(st);
}

Test(tcp_tcb, an_event_is_told_once_with_all_that_rose) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    uint32_t rose;
    tcp_set_user(t, st);
    tcb_raise(st, t, POLLIN);
    tcb_raise(st, t, POLLOUT);
    cr_assert_eq(tcp_next_event(st, &rose), t);
    cr_assert_eq(rose, POLLIN | POLLOUT);
    cr_assert_null(tcp_next_event(st, &rose));
    tu_end(st, t);
}

Test(tcp_tcb, without_memory_to_send_pollout_comes_when_there_is_some_again) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct chunk *held[4096];
    uint32_t n = 0, rose;
    static uint8_t data[100];
    struct iovec iov = {data, sizeof(data)};
    tcp_set_user(t, st);
    while (n < 4096 && (held[n] = chunk_get(&st->chunks, 1)) != NULL)
        n++;
    cr_assert_eq(tcp_send(st, t, &iov, 1, 0, NULL), -EAGAIN);
    cr_assert_not(tcp_ready(st, t) & POLLOUT);
    while (n > 0)
        chunk_unref(&st->chunks, held[--n]);
    cr_assert_null(tcp_next_event(st, &rose));
    for (struct timer *timer = NULL; timer == NULL; st->now_ns += MS)
        if ((timer = timers_expire(&st->timers, st->now_ns)) != NULL)
            cr_assert(tcp_timer(st, timer));
    cr_assert_eq(tcp_next_event(st, &rose), t);
    cr_assert(rose & POLLOUT);
    cr_assert_eq(tcp_send(st, t, &iov, 1, 0, NULL), 100);
    tu_end(st, t);
}

Test(tcp_tcb, without_packets_output_is_tried_again) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct pkt *p, *held[8192];
    uint32_t n = 0;
    static uint8_t data[100];
    struct iovec iov = {data, sizeof(data)};
    while ((p = pkt_get(&st->pkts)) != NULL)
        held[n++] = p;
    cr_assert_eq(tcp_send(st, t, &iov, 1, 0, NULL), 100);
    cr_assert_eq(st->tx_len, 0);
    cr_assert(seq_eq(t->snd.nxt, t->snd.una));
    while (n > 0)
        pkt_free(&st->pkts, &st->chunks, held[--n]);
    st->now_ns += TCP_NOMEM_RETRY_NS;
    struct timer *timer = timers_expire(&st->timers, st->now_ns);
    cr_assert(timer != NULL && tcp_timer(st, timer));
    cr_assert_eq(st->tx_len, 1);
    tu_end(st, t);
}

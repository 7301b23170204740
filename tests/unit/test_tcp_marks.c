#include <poll.h>

#include <linux/net_tstamp.h>

#include "tests/unit/tcp_unit.h"

/* `n` bytes more in the send buffer, not sent, with a mark at their end. */
static void queue_marked(struct stack *st, struct tcb *t, uint32_t n, bool eor,
                         const struct tcp_send_ask *ask) {
    static uint8_t zeros[65536];
    struct iovec iov = {zeros, n};
    cr_assert_eq(stream_append(&st->chunks, &t->snd.buf, &iov, 1, 0, n), n);
    cr_assert(marks_add(st, t, tcb_data_end(t), eor, ask));
}

static void drop_all(struct stack *st, struct tcb *t) {
    marks_clear(st, t);
    errq_clear(st, &t->errq);
    stream_clear(&st->chunks, &t->snd.buf);
    cr_assert_eq(st->tcp->marks.n_used, 0);
}

Test(tcp_marks, a_record_is_what_lies_between_two_marks_also_over_the_wrap) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    queue_marked(st, t, 300, true, NULL); /* TU_SND + 300 lies behind the wrap */
    queue_marked(st, t, 100, true, NULL);
    cr_assert_eq(marks_record(t, seq(TU_SND), 5000), 300);
    cr_assert_eq(marks_record(t, seq(TU_SND), 300), 300, "no longer than asked for");
    cr_assert_eq(marks_record(t, seq(TU_SND), 299), 299);
    cr_assert_eq(marks_record(t, seq(TU_SND + 300), 5000), 100);
    cr_assert_eq(marks_record(t, seq(TU_SND + 350), 5000), 50);
    cr_assert_eq(marks_record(t, seq(TU_SND + 400), 5000), 5000, "an open record has no end");
    drop_all(st, t);
    tu_end(st, t);
}

Test(tcp_marks, a_mark_that_is_no_record_bounds_nothing) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_send_ask ask = {.ts = MARK_TS_ACK};
    queue_marked(st, t, 300, false, &ask);
    cr_assert_eq(marks_record(t, seq(TU_SND), 5000), 5000);
    cr_assert_eq(t->marks.n, 1);
    cr_assert(marks_add(st, t, seq_add(tcb_data_end(t), 1), false, NULL), "nothing asked for");
    cr_assert_eq(t->marks.n, 1);
    drop_all(st, t);
    tu_end(st, t);
}

Test(tcp_marks, each_moment_is_reported_once) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_send_ask ask = {.ts = MARK_TS_SCHED | MARK_TS_SOFTWARE | MARK_TS_ACK};
    int user;
    tcp_set_user(t, &user);
    queue_marked(st, t, 100, false, &ask);
    marks_on_sent(st, t, seq(TU_SND + 99));
    cr_assert_eq(t->errq.n, 0);
    marks_on_sent(st, t, seq(TU_SND + 100));
    marks_on_sent(st, t, seq(TU_SND + 100)); /* sent again */
    cr_assert_eq(t->errq.n, 2);
    cr_assert_eq(errq_first(&t->errq)->ee.ee_info, SCM_TSTAMP_SCHED);
    cr_assert_eq(errq_last(&t->errq)->ee.ee_info, SCM_TSTAMP_SND);
    marks_on_ack(st, t, seq(TU_SND + 100));
    cr_assert_eq(t->errq.n, 3);
    cr_assert_eq(t->marks.n, 0);
    drop_all(st, t);
    tcp_set_user(t, NULL);
    tu_end(st, t);
}

Test(tcp_marks, zerocopy_ranges_are_joined_as_long_as_they_are_in_a_row) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_send_ask copy = {.zerocopy = true}, time = {.ts = MARK_TS_ACK};
    int user;
    tcp_set_user(t, &user);
    queue_marked(st, t, 10, false, &copy);
    queue_marked(st, t, 10, false, &copy);
    queue_marked(st, t, 10, false, &time); /* its report comes between */
    queue_marked(st, t, 10, false, &copy);
    marks_on_ack(st, t, seq(TU_SND + 40));
    cr_assert_eq(t->errq.n, 3);
    cr_assert_eq(errq_first(&t->errq)->ee.ee_info, 0);
    cr_assert_eq(errq_first(&t->errq)->ee.ee_data, 1);
    cr_assert_eq(errq_last(&t->errq)->ee.ee_info, 2);
    drop_all(st, t);
    tcp_set_user(t, NULL);
    tu_end(st, t);
}

Test(tcp_marks, repair_puts_them_back_in_order) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct send_mark *m;
    for (int i = 0; i < 4; i++)
        queue_marked(st, t, 100, true, NULL);
    marks_on_sent(st, t, seq(TU_SND + 200));
    marks_init(&t->marks);
    POOL_FOREACH (&st->tcp->marks, i, m)
        marks_repair_insert(t, m);
    cr_assert_eq(t->marks.n, 4);
    uint32_t at = 100;
    TAILQ_FOREACH (m, &t->marks.list, link) {
        cr_assert_eq(m->end.v, TU_SND + at);
        at += 100;
    }
    cr_assert_eq(t->marks.unsent->end.v, TU_SND + 300);
    drop_all(st, t);
    tu_end(st, t);
}

Test(tcp_marks, the_pool_is_a_bound) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    uint32_t n = 0;
    while (marks_have_room(st, t)) {
        queue_marked(st, t, 1, true, NULL);
        n++;
    }
    cr_assert(n > 0 && n <= TCP_MARKS_MAX);
    drop_all(st, t);
    tu_end(st, t);
}

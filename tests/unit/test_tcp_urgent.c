#include "tests/unit/tcp_unit.h"

static struct tu_seg u;

static void urgent_seg(struct stack *st, struct tcb *t, uint32_t len, uint16_t pointer) {
    struct seg *s = tu_seg(&u, t->rcv.nxt, len);
    s->h.flags |= TH_URG;
    s->h.urg = pointer;
    urgent_on_segment(st, t, s);
    recv_segment(st, t, s);
    urgent_on_data(st, t);
}

Test(tcp_urgent, a_reader_is_stopped_at_the_mark_and_skips_it) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    size_t skip;
    urgent_seg(st, t, 100, 50); /* the byte at offset 49 */
    cr_assert_eq(urgent_limit(t, 0, 100, &skip), 49);
    cr_assert_eq(skip, 0);
    cr_assert_eq(urgent_limit(t, 49, 51, &skip), 50);
    cr_assert_eq(skip, 1);
    cr_assert_eq(urgent_limit(t, 50, 50, &skip), 50, "behind it");
    cr_assert_eq(skip, 0);
    t->opts.oobinline = true;
    cr_assert_eq(urgent_limit(t, 49, 51, &skip), 51);
    cr_assert_eq(skip, 0);
    tu_end(st, t);
}

Test(tcp_urgent, the_byte_is_the_one_before_the_pointer) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    uint8_t byte = 0;
    urgent_seg(st, t, 100, 50);
    cr_assert_eq(tcp_recv_urgent(st, t, &byte, false), 1);
    cr_assert_eq(byte, (uint8_t)(TU_RCV + 49));
    tu_end(st, t);
}

Test(tcp_urgent, a_byte_in_the_unread_part_of_a_frame_is_found_in_the_queue) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct seg *s = tu_seg(&u, t->rcv.nxt, 100);
    s->h.flags |= TH_URG;
    s->h.urg = 50;
    u.in.f.linear = TCP_HDR_LEN; /* as with a super-frame, of which the ring shows the beginning */
    urgent_on_segment(st, t, s);
    cr_assert_eq(t->urgent.state, URGENT_ANNOUNCED);
    u.in.f.linear = TCP_HDR_LEN + 100;
    recv_segment(st, t, s);
    urgent_on_data(st, t);
    cr_assert_eq(t->urgent.state, URGENT_HERE);
    cr_assert_eq(t->urgent.byte, (uint8_t)(TU_RCV + 49));
    tu_end(st, t);
}

Test(tcp_urgent, v2_marks_around_the_wrap_of_sequence_numbers) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    urgent_seg(st, t, 10, 65535);
    cr_assert_eq(t->urgent.mark.v, TU_RCV + 65534u);
    size_t skip;
    cr_assert_eq(urgent_limit(t, 0, 10, &skip), 10);
    urgent_seg(st, t, 10, 5); /* an older mark does not move it back */
    cr_assert_eq(t->urgent.mark.v, TU_RCV + 65534u);
    tu_end(st, t);
}

Test(tcp_urgent, a_pointer_beyond_16_bits_waits_until_the_field_can_hold_it) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    uint16_t p;
    tu_sent(st, t, 200000);
    urgent_on_send(t);
    cr_assert_not(urgent_pointer(t, seq(TU_SND), &p), "more is in flight than it could point past");
    cr_assert(urgent_pointer(t, seq(TU_SND + 150000), &p));
    cr_assert_eq(p, 50000);
    cr_assert_not(urgent_pointer(t, seq(TU_SND + 200000), &p), "nothing urgent behind it");
    urgent_on_ack(t, seq(TU_SND + 199999));
    cr_assert(t->urgent.sending);
    urgent_on_ack(t, seq(TU_SND + 200000));
    cr_assert_not(t->urgent.sending);
    t->snd.una = t->snd.nxt;
    sent_clear(st, t);
    stream_clear(&st->chunks, &t->snd.buf);
    t->snd.buf_seq = t->snd.una;
    tu_end(st, t);
}

#include "tests/unit/tcp_unit.h"

/* A connection without SACK that has sent 3 GiB since its last recovery, or its beginning, with 8
 * segments in flight. */
Test(tcp_loss, duplicate_acks_count_after_2_gib_without_a_loss) {
    static struct stack st;
    struct tcb t = {0};
    t.snd.mss = TU_MSS;
    cc_init(&t);
    t.loss.recover = t.snd.iss = seq(1000);
    t.snd.una = t.snd.nxt = seq(1001);
    for (int i = 0; i < 3 * 1024; i++) {
        t.snd.una = t.snd.nxt = seq_add(t.snd.una, 1u << 20);
        loss_on_ack(&st, &t, &(struct ack_news){.acked = 1u << 20, .flight = 1u << 20});
    }
    t.snd.nxt = seq_add(t.snd.una, 8 * TU_MSS);
    for (int i = 0; i < 3; i++)
        loss_on_ack(&st, &t, &(struct ack_news){.dup = true, .flight = 8 * TU_MSS});
    cr_assert_eq(t.loss.state, LOSS_RECOVERY);
    cr_assert(seq_eq(t.loss.recover, t.snd.nxt));
}

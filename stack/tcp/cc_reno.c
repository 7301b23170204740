/* Reno (RFC 5681) with appropriate byte counting (RFC 3465): the window grows by what was
 * acknowledged, not by how many ACKs did it, so that ACK division gains nothing (V25). */
#include "stack/tcp/cc.h"

static void reno_init(struct stack *st, struct tcb *t) {
    (void)st;
    t->cc.acked_bytes = 0;
}

static void reno_on_ack(struct stack *st, struct tcb *t, uint32_t acked,
                        const struct rate_sample *rs) {
    (void)st;
    (void)rs;
    if (cc_in_slow_start(t) && (acked = cc_slow_start(t, acked)) == 0)
        return;
    /* One segment a window (RFC 5681 §3.1 equation 3, by bytes). */
    t->cc.acked_bytes += acked;
    while (t->cc.acked_bytes >= t->cc.cwnd_bytes) {
        t->cc.acked_bytes -= t->cc.cwnd_bytes;
        t->cc.cwnd_bytes = u32_min(t->cc.cwnd_bytes + t->snd.mss, CC_CWND_MAX);
    }
}

static uint32_t reno_ssthresh(struct tcb *t, uint32_t flight) {
    return u32_max(flight / 2, 2 * t->snd.mss); /* RFC 5681 equation 4 */
}

const struct cc_ops cc_reno = {
    .name = "reno",
    .init = reno_init,
    .on_ack = reno_on_ack,
    .ssthresh = reno_ssthresh,
};

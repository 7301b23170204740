/* Reno (RFC 5681) with appropriate byte counting (RFC 3465): the window grows by what was
 * acknowledged, not by how many ACKs did it, so that ACK division gains nothing (V25). */
#include "stack/tcp/cc.h"

static void reno_init(struct tcb *t) {
    t->cc.acked_bytes = 0;
}

static uint32_t cwnd_max(const struct tcb *t) {
    return (1u << 30) - t->snd.mss; /* a window is never larger (RFC 7323 §2.3) */
}

static void reno_on_ack(struct tcb *t, uint32_t acked) {
    if (cc_in_slow_start(t)) {
        /* RFC 3465 §2.3: L = 1 in slow start after a timeout. Else unlimited, as in Linux: the ACK
         * of a super-frame stands for many. */
        uint32_t grow = t->loss.state == LOSS_RTO ? u32_min(acked, t->snd.mss) : acked;
        uint32_t room = t->cc.ssthresh_bytes - t->cc.cwnd_bytes;
        t->cc.cwnd_bytes = u32_min(t->cc.cwnd_bytes + u32_min(grow, room), cwnd_max(t));
        if (grow <= room || t->loss.state == LOSS_RTO)
            return;
        acked = grow - room;
    }
    /* One segment a window (RFC 5681 §3.1 equation 3, by bytes). */
    t->cc.acked_bytes += acked;
    while (t->cc.acked_bytes >= t->cc.cwnd_bytes) {
        t->cc.acked_bytes -= t->cc.cwnd_bytes;
        t->cc.cwnd_bytes = u32_min(t->cc.cwnd_bytes + t->snd.mss, cwnd_max(t));
    }
}

static uint32_t reno_ssthresh(const struct tcb *t, uint32_t flight) {
    return u32_max(flight / 2, 2 * t->snd.mss); /* RFC 5681 equation 4 */
}

const struct cc_ops cc_reno = {
    .name = "reno",
    .init = reno_init,
    .on_ack = reno_on_ack,
    .ssthresh = reno_ssthresh,
};

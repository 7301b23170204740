/* Congestion control, the part that is the same for every algorithm. All windows are in bytes. */
#include "stack/tcp/cc.h"

static const struct cc_ops *const table[CC_N] = {
    [CC_RENO] = &cc_reno,
};

const struct cc_ops *cc_get(uint8_t id) {
    assert(id < CC_N);
    return table[id];
}

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)). */
uint32_t cc_initial_window(const struct tcb *t) {
    uint32_t mss = t->snd.mss;
    return u32_min(TCP_INIT_CWND * mss, u32_max(2 * mss, 14600));
}

void cc_init(struct tcb *t) {
    t->cc.cwnd_bytes = cc_initial_window(t);
    t->cc.ssthresh_bytes = UINT32_MAX / 2; /* RFC 5681 §3.1: arbitrarily high */
    t->cc.usage_end = t->snd.nxt;
    cc_get(t->cc.id)->init(t);
}

bool cc_in_slow_start(const struct tcb *t) {
    return t->cc.cwnd_bytes < t->cc.ssthresh_bytes;
}

/* A window that is not used is no evidence that it would be safe (RFC 7661 §4.1). In slow start the
 * half of it suffices, as in Linux, since it doubles each round trip. */
static bool is_limited(const struct tcb *t) {
    if (cc_in_slow_start(t))
        return t->cc.cwnd_bytes < 2 * (uint64_t)t->cc.max_pipe_bytes;
    return t->cc.limited;
}

void cc_on_ack(struct tcb *t, uint32_t acked) {
    if (is_limited(t))
        cc_get(t->cc.id)->on_ack(t, acked);
}

void cc_on_recovery(struct tcb *t, uint32_t flight) {
    t->cc.ssthresh_bytes = cc_get(t->cc.id)->ssthresh(t, flight);
    t->cc.acked_bytes = 0;
}

void cc_on_recovery_end(struct tcb *t) {
    t->cc.cwnd_bytes = t->cc.ssthresh_bytes; /* RFC 9937 §5 */
    t->cc.acked_bytes = 0;
}

void cc_on_rto(struct tcb *t, uint32_t flight) {
    t->cc.ssthresh_bytes = cc_get(t->cc.id)->ssthresh(t, flight);
    t->cc.acked_bytes = 0;
}

void cc_undo(struct tcb *t, uint32_t cwnd_bytes, uint32_t ssthresh_bytes) {
    t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, cwnd_bytes);
    t->cc.ssthresh_bytes = u32_max(t->cc.ssthresh_bytes, ssthresh_bytes);
}

/* Halved for every RTO of silence, as in Linux, down to the restart window (RFC 5681 §4.1). */
void cc_on_idle(struct tcb *t, uint64_t idle_ns) {
    uint32_t rw = u32_min(cc_initial_window(t), t->cc.cwnd_bytes);
    if (idle_ns <= t->rtt.rto_ns)
        return;
    t->cc.ssthresh_bytes = u32_max(t->cc.ssthresh_bytes, t->cc.cwnd_bytes / 4 * 3);
    for (; idle_ns > t->rtt.rto_ns && t->cc.cwnd_bytes > rw; idle_ns -= t->rtt.rto_ns)
        t->cc.cwnd_bytes /= 2;
    t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, rw);
    t->cc.usage_end = t->snd.nxt;
    t->cc.max_pipe_bytes = 0;
    t->cc.limited = false;
}

void cc_on_output(struct tcb *t, uint32_t pipe, bool cwnd_stopped) {
    /* What was seen counts for a window of data (usage_end), or until something more telling. */
    if (seq_ge(t->snd.una, t->cc.usage_end) || (cwnd_stopped && !t->cc.limited) ||
        (cwnd_stopped == t->cc.limited && pipe > t->cc.max_pipe_bytes)) {
        t->cc.limited = cwnd_stopped;
        t->cc.max_pipe_bytes = pipe;
        t->cc.usage_end = t->snd.nxt;
    }
}

/* Receiver-side round-trip time (as Linux's tcp_rcv_rtt_measure): who only receives gets no ACKs to
 * time, and what the handshake took says little about a path whose queues have filled since. Two
 * measures, the smaller of which is believed:
 *
 * - Data that echoes a timestamp was sent after the ACK that bore it: each new echo is a sample.
 * - The time in which a whole window comes is a round trip at least while the window is what limits
 *   the sender. It is the only one without timestamps, and where their clock is too coarse. */
#include "stack/tcp/tcb.h"

#define LEAST_NS US_NS
#define GAIN     8

static void sample(struct tcb *t, uint64_t ns, bool of_window) {
    struct rcvrtt *r = &t->rcv.rtt;
    ns = ns > LEAST_NS ? ns : LEAST_NS;
    if (r->rtt_ns == 0 || ns < r->rtt_ns)
        r->rtt_ns = ns;
    else if (!of_window && t->rcv.queue.len == 0) /* else the reader may be what it waited for */
        r->rtt_ns = r->rtt_ns - r->rtt_ns / GAIN + ns / GAIN;
}

static void sample_echo(struct stack *st, struct tcb *t, uint32_t tsecr) {
    int32_t ticks = (int32_t)(ts_now(st, t) - tsecr);
    if (tsecr == t->rcv.rtt.tsecr)
        return;
    t->rcv.rtt.tsecr = tsecr;
    if (ticks > 0)
        sample(t, (uint64_t)ticks * MS_NS, false);
}

static void time_window(struct stack *st, struct tcb *t) {
    struct rcvrtt *r = &t->rcv.rtt;
    if (r->timing && seq_lt(t->rcv.nxt, r->window_end))
        return;
    if (r->timing)
        sample(t, st->now_ns - r->since_ns, true);
    r->timing = true;
    r->window_end = t->rcv.adv;
    r->since_ns = st->now_ns;
}

void rcvrtt_on_data(struct stack *st, struct tcb *t, const struct seg *s) {
    time_window(st, t);
    if (t->use_ts && s->h.opt.has_ts && s->h.opt.tsecr != 0 && s->wire_len >= t->rcv.mss)
        sample_echo(st, t, s->h.opt.tsecr); /* a short one may have waited for its sender */
}

uint64_t rcvrtt_ns(const struct tcb *t) {
    uint64_t ns = t->rcv.rtt.rtt_ns != 0 ? t->rcv.rtt.rtt_ns : t->rtt.srtt_ns;
    return ns > LEAST_NS ? ns : LEAST_NS;
}

/* Congestion control, the part that is the same for every algorithm. All windows are in bytes. */
#include "stack/tcp/cc.h"

static const struct cc_ops *const table[CC_N] = {
    [CC_CUBIC] = &cc_cubic,
    [CC_RENO] = &cc_reno,
    [CC_BBR] = &cc_bbr,
    [CC_DCTCP] = &cc_dctcp,
};

const struct cc_ops *cc_get(uint8_t id) {
    assert(id > CC_STACK_DEFAULT && id < CC_N);
    return table[id];
}

int tcp_cc_find(const char *name, size_t len) {
    for (int id = CC_STACK_DEFAULT + 1; id < CC_N; id++)
        if (strlen(table[id]->name) == len && memcmp(table[id]->name, name, len) == 0)
            return id;
    return -ENOENT;
}

const char *tcp_cc_name(uint8_t id) {
    return cc_get(id)->name;
}

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)); or what the route says. */
uint32_t cc_initial_window(const struct tcb *t) {
    uint32_t mss = t->snd.mss;
    if (t->path->initcwnd != 0)
        return u32_min(t->path->initcwnd * mss, CC_CWND_MAX); /* both have 16 bits */
    return u32_min(TCP_INIT_CWND * mss, u32_max(2 * mss, 14600));
}

/* The route's, if it names one that there is here. */
static uint8_t by_route(const struct tcb *t) {
    int id = tcp_cc_find(t->path->congctl, strlen(t->path->congctl));
    return id >= 0 ? (uint8_t)id : CC_STACK_DEFAULT;
}

bool tcp_cc_is_locked(const struct tcb *t) {
    return t->path->congctl_lock && by_route(t) != CC_STACK_DEFAULT;
}

static uint8_t wanted(const struct stack *st, const struct tcb *t) {
    uint8_t route = by_route(t);
    if (route != CC_STACK_DEFAULT && (t->path->congctl_lock || t->opts.cc == CC_STACK_DEFAULT))
        return route;
    return t->opts.cc != CC_STACK_DEFAULT ? t->opts.cc : st->tcp->cfg.cc;
}

uint8_t tcp_get_cc(const struct stack *st, const struct tcb *t) {
    return tcb_is_synchronized(t) ? t->cc.id : wanted(st, t);
}

void cc_choose(struct stack *st, struct tcb *t) {
    t->cc.id = wanted(st, t);
}

void cc_init(struct stack *st, struct tcb *t) {
    cc_choose(st, t);
    t->cc.cwnd_bytes = cc_initial_window(t);
    t->cc.ssthresh_bytes = UINT32_MAX / 2; /* RFC 5681 §3.1: arbitrarily high */
    t->cc.usage_end = t->cc.small_end = t->snd.nxt;
    t->cc.small_missing = 0;
    cc_get(t->cc.id)->init(st, t);
}

void cc_on_opts(struct stack *st, struct tcb *t) {
    if (!tcb_is_synchronized(t) || t->cc.id == wanted(st, t))
        return;
    t->cc.id = wanted(st, t);
    cc_get(t->cc.id)->init(st, t); /* windows stay, as in Linux */
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

void cc_on_ack(struct stack *st, struct tcb *t, uint32_t acked, const struct rate_sample *rs) {
    if (is_limited(t))
        cc_get(t->cc.id)->on_ack(st, t, acked, rs);
}

/* A request of a few bytes in front of a stream would cost a segment of the first window, and as
 * much of all that double it, if it were not taken for a whole one, as Linux takes them all, who
 * counts segments. But one a round trip only: a window of bytes may hold very many small ones. */
void cc_on_small_sent(struct tcb *t, seq_t end, uint32_t missing) {
    if (seq_lt(t->snd.una, t->cc.small_end))
        return;
    t->cc.small_end = end;
    t->cc.small_missing = missing;
}

static uint32_t take_missing(struct tcb *t) {
    uint32_t n = seq_ge(t->snd.una, t->cc.small_end) ? t->cc.small_missing : 0;
    if (n > 0)
        t->cc.small_missing = 0;
    return n;
}

/* RFC 3465 §2.3: L = 1 in slow start after a timeout. Else unlimited, as in Linux: the ACK of a
 * super-frame stands for many. */
uint32_t cc_slow_start(struct tcb *t, uint32_t acked) {
    bool after_rto = t->loss.state == LOSS_RTO;
    uint32_t grow = after_rto ? u32_min(acked, t->snd.mss) : acked + take_missing(t);
    uint32_t room = t->cc.ssthresh_bytes - t->cc.cwnd_bytes;
    t->cc.cwnd_bytes = u32_min(t->cc.cwnd_bytes + u32_min(grow, room), CC_CWND_MAX);
    return grow <= room || after_rto ? 0 : grow - room;
}

void cc_on_recovery(struct tcb *t, uint32_t flight) {
    t->cc.ssthresh_bytes = cc_get(t->cc.id)->ssthresh(t, flight);
    t->cc.acked_bytes = 0;
}

void cc_on_recovery_end(struct tcb *t) {
    if (cc_has_control(t))
        return;
    t->cc.cwnd_bytes = t->cc.ssthresh_bytes; /* RFC 9937 §5 */
    t->cc.acked_bytes = 0;
}

void cc_on_rto(struct tcb *t, uint32_t flight) {
    t->cc.ssthresh_bytes = cc_get(t->cc.id)->ssthresh(t, flight);
    t->cc.acked_bytes = 0;
}

void cc_on_lost(struct stack *st, struct tcb *t, const struct sent *r) {
    if (cc_get(t->cc.id)->on_lost != NULL)
        cc_get(t->cc.id)->on_lost(st, t, r);
}

void cc_watch(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    if (cc_get(t->cc.id)->watch != NULL)
        cc_get(t->cc.id)->watch(st, t, rs);
}

bool cc_control(struct stack *st, struct tcb *t, const struct rate_sample *rs) {
    if (!cc_has_control(t))
        return false;
    cc_get(t->cc.id)->control(st, t, rs);
    return true;
}

bool cc_has_control(const struct tcb *t) {
    return cc_get(t->cc.id)->control != NULL;
}

bool cc_needs_ecn(const struct stack *st, const struct tcb *t) {
    return cc_get(wanted(st, t))->needs_ecn;
}

size_t tcp_get_cc_info(const struct tcb *t, union tcp_cc_info *out) {
    uint8_t id = t->cc.id;
    return id != CC_STACK_DEFAULT && cc_get(id)->info != NULL ? cc_get(id)->info(t, out) : 0;
}

void cc_undo(struct stack *st, struct tcb *t, uint32_t cwnd_bytes, uint32_t ssthresh_bytes) {
    t->cc.cwnd_bytes = u32_max(t->cc.cwnd_bytes, cwnd_bytes);
    t->cc.ssthresh_bytes = u32_max(t->cc.ssthresh_bytes, ssthresh_bytes);
    if (cc_get(t->cc.id)->undo != NULL)
        cc_get(t->cc.id)->undo(st, t);
}

/* Halved for every RTO of silence, as in Linux, down to the restart window (RFC 5681 §4.1). */
void cc_on_idle(struct stack *st, struct tcb *t, uint64_t idle_ns) {
    uint32_t rw = u32_min(cc_initial_window(t), t->cc.cwnd_bytes);
    uint64_t empty_ns = st->now_ns - t->snd.una_ns; /* 0: the ACKs of a whole flight in one batch */
    if (empty_ns > 0 && cc_get(t->cc.id)->on_restart != NULL)
        cc_get(t->cc.id)->on_restart(st, t, empty_ns);
    if (idle_ns <= t->rtt.rto_ns || cc_has_control(t) || !st->tcp->cfg.slow_start_after_idle)
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

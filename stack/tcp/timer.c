/* All deadlines of TCP. The other files tell what happened (tcp_on_…); only here is it known what
 * that means in time.
 *
 *   t_rtx        while anything is unacknowledged: SYN, data, FIN. rtx_kind says what for: the
 *                timeout (RFC 6298), a tail loss probe, or RACK's wait for reordering (RFC 8985)
 *   t_persist    while nothing is, and something waits: a zero window (RFC 9293 §3.8.6.1), or a
 *                small segment held back by cork or SWS avoidance
 *   t_delack     an ACK is owed, or held back (ackpolicy.c);
 *                or memory was out, and output is to be tried again
 *   t_keepalive  SO_KEEPALIVE (§3.8.4)
 *   pace.timer   the next data may leave (pace.c sets it)
 *   t_linger     TIME-WAIT; FIN-WAIT-2 without a user */
#include "stack/tcp/tcb.h"

void timers_init_tcb(struct tcb *t) {
    timer_init(&t->t_rtx, TIMER_TCP_RTX);
    timer_init(&t->t_persist, TIMER_TCP_PERSIST);
    timer_init(&t->t_delack, TIMER_TCP_DELACK);
    timer_init(&t->t_keepalive, TIMER_TCP_KEEPALIVE);
    timer_init(&t->t_linger, TIMER_TCP_LINGER);
    timer_init(&t->pace.timer, TIMER_TCP_PACE);
}

static void set_in(struct stack *st, struct timer *timer, uint64_t ns) {
    timer_set(&st->timers, timer, st->now_ns + (ns > 0 ? ns : 1));
}

static void stop_all(struct stack *st, struct tcb *t) {
    timer_stop(&st->timers, &t->t_rtx);
    timer_stop(&st->timers, &t->t_persist);
    timer_stop(&st->timers, &t->t_delack);
    timer_stop(&st->timers, &t->t_keepalive);
    timer_stop(&st->timers, &t->t_linger);
    timer_stop(&st->timers, &t->pace.timer);
}

/* ---- how long ---- */

/* The time that n timeouts take which begin at rto_min and double up to the maximum: what Linux
 * makes of a number of retries (tcp_retries2 = 15: 924.6 s), so that R2 is a time (SHLD-11). */
uint64_t tcp_timeout_model(uint64_t rto_min_ns, uint64_t rto_max_ns, uint32_t n) {
    uint64_t sum = 0, rto = rto_min_ns;
    for (uint32_t i = 0; i <= n; i++) {
        sum += rto;
        rto = rto * 2 < rto_max_ns ? rto * 2 : rto_max_ns;
    }
    return sum;
}

static uint64_t user_timeout_ns(const struct tcb *t) {
    return t->opts.user_timeout_ms * MS_NS; /* RFC 5482, MUST-21; 0: none */
}

static uint64_t keep_idle_ns(struct stack *st, const struct tcb *t) {
    uint64_t ns = st->tcp->cfg.keepalive_time_ns;
    ns = t->opts.keepidle_s != 0 ? t->opts.keepidle_s * S_NS : ns;
    return ns > MS_NS ? ns : MS_NS; /* 0 would ask without end while there is something to send */
}
static uint64_t keep_intvl_ns(struct stack *st, const struct tcb *t) {
    return t->opts.keepintvl_s != 0 ? t->opts.keepintvl_s * S_NS : st->tcp->cfg.keepalive_intvl_ns;
}
static uint32_t keep_count(struct stack *st, const struct tcb *t) {
    return t->opts.keepcnt != 0 ? t->opts.keepcnt : st->tcp->cfg.keepalive_probes;
}

static uint64_t fin_wait_ns(struct stack *st, const struct tcb *t) {
    return t->opts.linger2_s > 0 ? (uint64_t)t->opts.linger2_s * S_NS : st->tcp->cfg.fin_timeout_ns;
}

/* The retransmission timer; never later than the user's own timeout. */
static void arm_rto(struct stack *st, struct tcb *t, uint64_t ns) {
    uint64_t user = user_timeout_ns(t), waited = st->now_ns - t->snd.una_ns;
    if (user != 0 && t->loss.backoff > 0)
        ns = waited >= user ? 1 : ns < user - waited ? ns : user - waited;
    t->rtx_kind = RTX_TIMEOUT;
    set_in(st, &t->t_rtx, ns);
}

static void arm_rtx(struct stack *st, struct tcb *t) {
    arm_rto(st, t, t->rtt.rto_ns);
}

/* What is left of the timeout where another kind was set meanwhile: it counts from when the head
 * was sent. */
static uint64_t rto_left_ns(struct stack *st, const struct tcb *t) {
    const struct sent *head = sent_first(t);
    uint64_t due = (head != NULL ? head->sent_ns : st->now_ns) + t->rtt.rto_ns;
    return due > st->now_ns ? due - st->now_ns : 1;
}

/* A probe, if one may be due before the timeout. */
static bool arm_probe(struct stack *st, struct tcb *t, uint64_t rto_left) {
    uint64_t ns = tlp_timeout_ns(st, t, rto_left);
    if (ns == 0 || !tcb_is_synchronized(t))
        return false;
    t->rtx_kind = RTX_PROBE;
    set_in(st, &t->t_rtx, ns);
    return true;
}

/* ---- events ---- */

void tcp_on_state(struct stack *st, struct tcb *t) {
    switch (t->state) {
    case TCPS_ESTABLISHED:
        tcp_on_opts(st, t);
        break;
    case TCPS_FIN_WAIT_2:
        tcp_on_orphaned(st, t);
        break;
    case TCPS_TIME_WAIT: /* MUST-13 */
        stop_all(st, t);
        set_in(st, &t->t_linger, st->tcp->cfg.msl_timewait_ns);
        break;
    case TCPS_CLOSED:
        stop_all(st, t);
        break;
    default:
        break;
    }
}

/* Without a user nobody can end FIN-WAIT-2 but the peer; as Linux, it gets a bound (V31). */
void tcp_on_orphaned(struct stack *st, struct tcb *t) {
    if (t->state == TCPS_FIN_WAIT_2 && t->holder == TCB_ORPHAN)
        set_in(st, &t->t_linger, fin_wait_ns(st, t));
}

void tcp_on_fin_again(struct stack *st, struct tcb *t) {
    set_in(st, &t->t_linger, st->tcp->cfg.msl_timewait_ns);
}

void tcp_on_sent(struct stack *st, struct tcb *t) {
    timer_stop(&st->timers, &t->t_persist);
    if (timer_is_set(&t->t_rtx)) /* RFC 6298 (5.1) */
        return;
    t->snd.una_ns = st->now_ns;
    arm_rtx(st, t);
}

void tcp_on_acked(struct stack *st, struct tcb *t) {
    bool reorder = t->rtx_kind == RTX_REORDER && timer_is_set(&t->t_rtx);
    t->snd.una_ns = st->now_ns;
    if (tcb_outstanding(t) == 0)
        timer_stop(&st->timers, &t->t_rtx); /* (5.2) */
    else if (!reorder && !arm_probe(st, t, t->rtt.rto_ns))
        arm_rtx(st, t); /* (5.3) */
}

void tcp_on_reordering(struct stack *st, struct tcb *t, uint64_t ns) {
    if (ns != 0) {
        t->rtx_kind = RTX_REORDER;
        set_in(st, &t->t_rtx, ns);
    } else if (t->rtx_kind == RTX_REORDER && timer_is_set(&t->t_rtx) && tcb_outstanding(t) > 0) {
        arm_rto(st, t, rto_left_ns(st, t));
    }
}

/* Something waits while nothing is outstanding whose ACK could set it free. */
void tcp_on_output_done(struct stack *st, struct tcb *t, bool fresh) {
    if (fresh && t->rtx_kind != RTX_REORDER)
        (void)arm_probe(st, t, rto_left_ns(st, t));
    bool waits = tcb_unsent(t) > 0 || (t->snd.fin_queued && !tcb_fin_sent(t));
    if (!waits || tcb_outstanding(t) > 0 || t->nomem || timer_is_set(&t->pace.timer)) {
        timer_stop(&st->timers, &t->t_persist);
        return;
    }
    bool opened = t->snd.wnd > 0 && t->probe_backoff > 0; /* what was set was for a closed window */
    if (timer_is_set(&t->t_persist) && !opened)
        return;
    t->persist_since_ns = st->now_ns;
    t->probes = t->probe_backoff = 0;
    set_in(st, &t->t_persist, t->snd.wnd == 0 ? t->rtt.rto_ns : TCP_CORK_NS); /* SHLD-29 */
}

void tcp_on_segment(struct stack *st, struct tcb *t) {
    t->rcv.last_ns = st->now_ns;
    t->keepalive_probes = 0;
}

void tcp_on_ack_delayed(struct stack *st, struct tcb *t, uint64_t ns) {
    timer_set_earlier(&st->timers, &t->t_delack, st->now_ns + ns);
}

void tcp_on_ack_sent(struct stack *st, struct tcb *t) {
    if (!t->nomem)
        timer_stop(&st->timers, &t->t_delack);
}

/* Nothing is lost by it: what was to be sent is still in the queue, and due. */
void tcp_on_no_memory(struct stack *st, struct tcb *t) {
    st->ctr.TcpOutRetries++;
    t->nomem = true;
    timer_set_earlier(&st->timers, &t->t_delack, st->now_ns + TCP_NOMEM_RETRY_NS);
}

void tcp_on_opts(struct stack *st, struct tcb *t) {
    if (!t->opts.keepalive || !tcb_is_synchronized(t) || t->state == TCPS_TIME_WAIT)
        timer_stop(&st->timers, &t->t_keepalive);
    else
        set_in(st, &t->t_keepalive, keep_idle_ns(st, t));
}

/* ---- retransmission ---- */

static void give_up(struct stack *st, struct tcb *t) {
    st->ctr.TcpExtTCPAbortOnTimeout++;
    tcb_finish(st, t, t->soft_error != 0 ? t->soft_error : ETIMEDOUT); /* MUST-20 */
}

/* MUST-22. As Linux: a number of SYNs is the time that they would take if each timeout doubled the
 * last, though the first few go at even intervals (from 6.5 on). */
static bool handshake_is_hopeless(struct stack *st, const struct tcb *t) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    uint64_t waited = st->now_ns - t->snd.una_ns, user = user_timeout_ns(t);
    if (t->passive) /* what was accepted already (Fast Open) gets one more */
        return t->loss.backoff >= cfg->synack_retries + t->fo.pending;
    uint32_t max = t->opts.syncnt != 0 ? t->opts.syncnt : cfg->syn_retries;
    return waited >= tcp_timeout_model(TCP_RTO_INIT_NS, t->rtt.max_ns, max) ||
           (user != 0 && waited >= user);
}

/* A SYN or SYN-ACK. */
static void handshake_timeout(struct stack *st, struct tcb *t) {
    uint32_t linear = t->passive ? 0 : st->tcp->cfg.syn_linear;
    st->ctr.TcpExtTCPTimeouts++;
    if (handshake_is_hopeless(st, t)) {
        give_up(st, t);
        return;
    }
    t->loss.backoff++;
    fastopen_suspect(st, t);
    account_on_timeout(st, t);
    t->loss.total_retrans++;
    st->ctr.TcpRetransSegs++;
    rtt_on_syn_again(t);
    if (t->loss.backoff > linear)
        rtt_backoff(t);
    segment_send_syn(st, t);
    arm_rtx(st, t);
}

static uint32_t orphan_retries(const struct stack *st) {
    uint32_t n = st->tcp->cfg.orphan_retries;
    return n != 0 ? n : TCP_ORPHAN_RETRIES;
}

/* R2 (SHLD-11), or the user's own limit. */
static bool is_hopeless(struct stack *st, const struct tcb *t) {
    uint64_t waited = st->now_ns - t->snd.una_ns, user = user_timeout_ns(t);
    if (user != 0 && waited >= user) /* MUST-21; Linux: whatever the window is */
        return true;
    /* The peer is alive and has shrunk its window to nothing: no timeout (SHLD-17). As Linux: an
     * answer to one of the last two retransmissions tells, and an orphan may not stay for ever. */
    if (t->snd.wnd == 0 && t->holder != TCB_ORPHAN &&
        st->now_ns - t->snd.last_ack_ns < 2 * t->rtt.max_ns)
        return false;
    if (t->holder == TCB_ORPHAN && t->loss.backoff >= orphan_retries(st))
        return true;
    return user == 0 &&
           waited >= tcp_timeout_model(rtt_min_rto(st, t), t->rtt.max_ns, st->tcp->cfg.retries2);
}

static void probe_timeout(struct stack *st, struct tcb *t) {
    (void)tlp_send(st, t);
    arm_rto(st, t, t->rtt.rto_ns); /* RFC 8985 §7.3: anew, from the probe on */
}

static void reorder_timeout(struct stack *st, struct tcb *t) {
    t->rtx_kind = RTX_TIMEOUT;
    loss_on_reorder_timeout(st, t);
    if (t->rtx_kind != RTX_REORDER)
        arm_rto(st, t, rto_left_ns(st, t));
    tcp_output(st, t);
}

static void rtx_timeout(struct stack *st, struct tcb *t) {
    if (t->state == TCPS_SYN_SENT || t->state == TCPS_SYN_RCVD) {
        handshake_timeout(st, t);
        return;
    }
    if (tcb_outstanding(t) == 0)
        return;
    if (t->rtx_kind == RTX_PROBE) {
        probe_timeout(st, t);
        return;
    }
    if (t->rtx_kind == RTX_REORDER) {
        reorder_timeout(st, t);
        return;
    }
    if (is_hopeless(st, t)) {
        give_up(st, t);
        return;
    }
    if (st->now_ns - t->snd.una_ns >=
        tcp_timeout_model(rtt_min_rto(st, t), t->rtt.max_ns, st->tcp->cfg.retries1))
        mtu_on_blackhole(st, t); /* R1 (RFC 9293 §3.8.3) */
    loss_on_timeout(st, t);
    arm_rtx(st, t); /* RFC 6298 (5.6); before output, which may have no memory */
    tcp_output(st, t);
}

/* ---- zero window, cork ---- */

static bool probes_are_hopeless(struct stack *st, const struct tcb *t) {
    uint64_t user = user_timeout_ns(t);
    if (user != 0 && st->now_ns - t->persist_since_ns >= user)
        return true;
    if (t->holder == TCB_ORPHAN)
        return t->probe_backoff > orphan_retries(st);
    return t->probes >= st->tcp->cfg.retries2;
}

/* MUST-36; doubling intervals (SHLD-30). As Linux, the probe is an old sequence number without
 * data: nothing that the peer would have to keep. */
static void persist_timeout(struct stack *st, struct tcb *t) {
    if (t->snd.wnd > 0) { /* held back by cork or SWS avoidance */
        t->snd.override = true;
        t->snd.more = t->snd.hold = false; /* what was to come has not */
        tcp_output(st, t);
        t->snd.override = false;
        return;
    }
    if (probes_are_hopeless(st, t)) {
        give_up(st, t);
        return;
    }
    st->ctr.TcpExtTCPWinProbe++;
    t->probes++;
    t->probe_backoff++;
    uint64_t ns = t->rtt.rto_ns;
    for (uint32_t i = 0; i < t->probe_backoff && ns < t->rtt.max_ns; i++)
        ns *= 2;
    set_in(st, &t->t_persist, ns < t->rtt.max_ns ? ns : t->rtt.max_ns);
    segment_send_probe(st, t, seq_sub(t->snd.una, 1));
}

/* ---- the others ---- */

static void delack_timeout(struct stack *st, struct tcb *t) {
    if (t->nomem) {
        t->nomem = false;
        tcb_check_space(st, t);
    }
    ackpolicy_on_timeout(st, t);
    tcp_output(st, t);
}

static void keepalive_timeout(struct stack *st, struct tcb *t) {
    uint64_t idle = keep_idle_ns(st, t), user = user_timeout_ns(t);
    uint64_t silent = st->now_ns - t->rcv.last_ns;
    if (tcb_outstanding(t) > 0 || tcb_unsent(t) > 0) { /* MUST-26: only when idle */
        set_in(st, &t->t_keepalive, idle);
        return;
    }
    if (silent < idle) {
        set_in(st, &t->t_keepalive, idle - silent);
        return;
    }
    bool dead = user != 0 ? silent >= user && t->keepalive_probes > 0
                          : t->keepalive_probes >= keep_count(st, t); /* MUST-29: not after one */
    if (dead) {
        reset_send(st, t);
        give_up(st, t);
        return;
    }
    st->ctr.TcpExtTCPKeepAlive++;
    t->keepalive_probes++;
    set_in(st, &t->t_keepalive, keep_intvl_ns(st, t));
    segment_send_probe(st, t, seq_sub(t->snd.nxt, 1)); /* SHLD-12: no data */
}

static struct tcb *owner(struct timer *timer, size_t offset) {
    return (struct tcb *)((char *)timer - offset);
}

bool tcp_timer(struct stack *st, struct timer *timer) {
    struct tcb *t;
    switch (timer->kind) {
    case TIMER_TCP_RTX:
        t = owner(timer, offsetof(struct tcb, t_rtx));
        stack_dirty(st, t);
        rtx_timeout(st, t);
        break;
    case TIMER_TCP_PERSIST:
        t = owner(timer, offsetof(struct tcb, t_persist));
        stack_dirty(st, t);
        persist_timeout(st, t);
        break;
    case TIMER_TCP_DELACK:
        t = owner(timer, offsetof(struct tcb, t_delack));
        stack_dirty(st, t);
        delack_timeout(st, t);
        break;
    case TIMER_TCP_KEEPALIVE:
        t = owner(timer, offsetof(struct tcb, t_keepalive));
        stack_dirty(st, t);
        keepalive_timeout(st, t);
        break;
    case TIMER_TCP_PACE:
        t = owner(timer, offsetof(struct tcb, pace.timer));
        stack_dirty(st, t);
        tcp_output(st, t);
        break;
    case TIMER_TCP_LINGER:
        t = owner(timer, offsetof(struct tcb, t_linger));
        stack_dirty(st, t);
        tcb_finish(st, t, 0);
        break;
    default:
        return false;
    }
    tcb_leave(st, t);
    return true;
}

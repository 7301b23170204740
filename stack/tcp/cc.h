/* Congestion control: a handful of hooks per algorithm. Everything else (what is lost, what may be
 * sent) is elsewhere; an algorithm moves cc.cwnd_bytes, cc.ssthresh_bytes and, if it paces, the
 * rate (pace.h). A NULL hook: nothing to do. An algorithm is found by its id, since a function
 * pointer means nothing in another process.
 *
 * To add one: a file cc_x.c with a struct cc_ops, its state in the union of struct tcb's cc, a line
 * in enum cc_id (tcp.h), a line in cc.c's table. */
#ifndef STACK_TCP_CC_H
#define STACK_TCP_CC_H

#include <linux/inet_diag.h>

#include "stack/tcp/tcb.h"

#define CC_CWND_MAX (1u << 30) /* bytes; a window is never larger (RFC 7323 §2.3) */

struct cc_ops {
    char name[16];
    bool paces;     /* it sets the rate, and data must wait for its time (pace.h) */
    bool needs_ecn; /* it asks for ECN whatever tcp_ecn says, on every packet (RFC 8257) */
    /* The connection is established, or another algorithm had it before; mss is known. */
    void (*init)(struct stack *st, struct tcb *t);
    /* `acked` bytes were delivered, in no recovery or in slow start after a timeout, and cwnd was
     * what limited us. */
    void (*on_ack)(struct stack *st, struct tcb *t, uint32_t acked, const struct rate_sample *rs);
    /* Every ACK that tells of something, in whatever state, before all else. */
    void (*watch)(struct stack *st, struct tcb *t, const struct rate_sample *rs);
    /* Instead of on_ack, of PRR and of the end of a recovery: all that an ACK does to the window.
     */
    void (*control)(struct stack *st, struct tcb *t, const struct rate_sample *rs);
    /* The new ssthresh after a loss, or (loss.state is LOSS_CWR) a mark, with `flight` bytes
     * outstanding. */
    uint32_t (*ssthresh)(struct tcb *t, uint32_t flight);
    /* r has been found lost. */
    void (*on_lost)(struct stack *st, struct tcb *t, const struct sent *r);
    /* That loss was none; cwnd and ssthresh have been put back. */
    void (*undo)(struct stack *st, struct tcb *t);
    /* Sending begins again after idle_ns of nothing outstanding. */
    void (*on_restart)(struct stack *st, struct tcb *t, uint64_t idle_ns);
    /* TCP_CC_INFO: fills *out, returns how much of it. */
    size_t (*info)(const struct tcb *t, union tcp_cc_info *out);
};

extern const struct cc_ops cc_reno, cc_cubic, cc_bbr, cc_dctcp;

const struct cc_ops *cc_get(uint8_t id);
/* Before the first SYN: which algorithm it will be. */
void cc_choose(struct stack *st, struct tcb *t);
/* A new connection: the algorithm of the socket's options, or of the stack's configuration. */
void cc_init(struct stack *st, struct tcb *t);
/* The socket's options have changed, maybe the algorithm (TCP_CONGESTION). */
void cc_on_opts(struct stack *st, struct tcb *t);
void cc_on_ack(struct stack *st, struct tcb *t, uint32_t acked, const struct rate_sample *rs);
void cc_on_recovery(struct tcb *t, uint32_t flight); /* sets ssthresh; cwnd follows by prr.c */
void cc_on_recovery_end(struct tcb *t);
void cc_on_lost(struct stack *st, struct tcb *t, const struct sent *r);
/* Every ACK that tells of something. */
void cc_watch(struct stack *st, struct tcb *t, const struct rate_sample *rs);
/* True: the algorithm has done all that is to be done to the window. */
bool cc_control(struct stack *st, struct tcb *t, const struct rate_sample *rs);
/* Has it a control of its own, so that PRR is none of its affair? */
bool cc_has_control(const struct tcb *t);
bool cc_needs_ecn(const struct stack *st, const struct tcb *t);
void cc_on_rto(struct tcb *t, uint32_t flight); /* sets ssthresh; the first timeout of a row only */
/* The loss was none: both windows as they were before, or larger if they have grown. */
void cc_undo(struct stack *st, struct tcb *t, uint32_t cwnd_bytes, uint32_t ssthresh_bytes);
/* Before sending with nothing outstanding, idle_ns after data was sent last (RFC 5681 §4.1). */
void cc_on_idle(struct stack *st, struct tcb *t, uint64_t idle_ns);
/* After each round of output: how full was the window, and did it stop us (RFC 7661, Linux). */
void cc_on_output(struct tcb *t, uint32_t pipe, bool cwnd_stopped);
uint32_t cc_initial_window(const struct tcb *t);
bool cc_in_slow_start(const struct tcb *t);
/* A segment that is no whole multiple of the MSS was sent, `missing` bytes short of one. */
void cc_on_small_sent(struct tcb *t, seq_t end, uint32_t missing);
/* Grows cwnd by `acked` up to ssthresh; returns what is left for congestion avoidance. */
uint32_t cc_slow_start(struct tcb *t, uint32_t acked);

#endif

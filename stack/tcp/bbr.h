/* BBR's state (draft-ietf-ccwg-bbr, version 3), in bytes, bytes per second and nanoseconds; a bound
 * that is not known is BBR_NONE. The algorithm: cc_bbr.c. */
#ifndef STACK_TCP_BBR_H
#define STACK_TCP_BBR_H

#include <stdbool.h>
#include <stdint.h>

#define BBR_NONE UINT64_MAX

enum bbr_state {
    BBR_STARTUP,
    BBR_DRAIN,
    BBR_PROBE_DOWN, /* the four phases of ProbeBW */
    BBR_PROBE_CRUISE,
    BBR_PROBE_REFILL,
    BBR_PROBE_UP,
    BBR_PROBE_RTT,
};

/* What the ACKs that come now tell of. */
enum bbr_ack_phase {
    BBR_ACKS_INIT,
    BBR_ACKS_REFILLING,
    BBR_ACKS_STARTING, /* of before the probe */
    BBR_ACKS_FEEDBACK, /* of the probe */
    BBR_ACKS_STOPPING, /* still of it, while it has ended */
};

struct bbr {
    uint8_t state, ack_phase;
    uint8_t prev_loss;               /* enum loss_state at the last ACK */
    uint16_t pacing_gain, cwnd_gain; /* permille */

    /* Rounds, counted by packets: a round ends when something sent after its beginning arrives. */
    uint64_t round_end; /* delivered */
    bool round_start;

    /* What the path takes. */
    uint64_t max_bw[2]; /* of this cycle of probing and of the one before */
    uint64_t min_rtt, min_rtt_ns;
    uint64_t probe_rtt_min, probe_rtt_min_ns; /* of the last 5 s */
    bool seen_rtt;
    uint64_t inflight_hi;        /* more of it in flight was too much */
    uint64_t bw_lo, inflight_lo; /* short term: since the last probe something was lost */

    /* Signals of a round. */
    uint64_t bw_latest, inflight_latest;
    uint64_t loss_round_end; /* delivered */
    uint32_t loss_events;
    bool loss_round_start, loss_in_round;

    /* Is the pipe full? */
    uint64_t full_bw;
    uint8_t full_bw_rounds;
    bool full_bw_now, full_bw_reached;

    /* ACKs that come in lumps: how much more was acknowledged than bw would have. */
    uint64_t extra_begin_ns, extra_delivered;
    uint64_t extra_acked[2]; /* maxima of this span of rounds and the one before */
    uint32_t extra_rounds;

    /* The cycle of probing. */
    uint64_t cycle_ns, probe_wait_ns;
    uint32_t rounds_since_probe;
    uint8_t probe_up_rounds;
    uint64_t probe_up_acks, probe_up_per; /* bytes acknowledged for a byte of inflight_hi */
    bool probe_samples; /* ACKs of the probe come, and it was not yet found to be too much */

    uint64_t probe_rtt_done_ns;
    bool probe_rtt_round_done;
    bool idle_restart, conserving;
    uint32_t prior_cwnd;

    struct { /* before a loss, to take it back */
        uint64_t bw_lo, inflight_lo, inflight_hi;
        uint8_t state;
    } before;
};

#endif

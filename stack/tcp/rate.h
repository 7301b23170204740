/* Delivery-rate estimation (draft-ietf-ccwg-bbr §4.1): how fast did what an ACK tells of arrive?
 *
 * Each record of something sent keeps how much had been delivered when it left (struct rate_mark).
 * When it is acknowledged or SACKed, what has been delivered since, over the time that this took at
 * the sender or at the receiver, whichever was longer, is a sample of the bandwidth. All counts are
 * bytes. */
#ifndef STACK_TCP_RATE_H
#define STACK_TCP_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct stack;
struct tcb;
struct sent;

/* Of a connection. */
struct rate {
    uint64_t delivered;     /* acknowledged or SACKed, all in all */
    uint64_t delivered_ns;  /* when that last grew */
    uint64_t first_sent_ns; /* when what was delivered last had been sent */
    uint64_t lost;          /* marked as lost, all in all */
    uint64_t
        app_limited; /* until so much is delivered, sending is limited by the application; 0: not */
    uint64_t last_delivered, last_interval_ns; /* the best recent sample, for TCP_INFO */
    bool last_app_limited;
};

/* Of a record, when it was sent last. */
struct rate_mark {
    uint64_t delivered, delivered_ns, first_sent_ns, lost;
    uint32_t in_flight; /* with it */
    bool app_limited;
};

/* What one ACK tells; lives on the C stack. */
struct rate_sample {
    struct rate_mark prior; /* of the record delivered that was sent last; delivered_ns 0: none */
    uint64_t prior_sent_ns;
    uint64_t delivered;    /* between prior and now */
    uint64_t interval_ns;  /* over so long; 0: no sample */
    uint64_t rtt_ns;       /* 0: none */
    uint32_t acked_sacked; /* newly delivered by this ACK */
    uint32_t losses;       /* newly marked lost at this ACK */
    bool is_app_limited;
    uint32_t marked; /* of acked_sacked, by ECN; not 0: the path asks for a smaller window */
};

/* `r` has just been sent (again); `pipe` was in flight before it. */
void rate_on_send(struct stack *st, struct tcb *t, struct sent *r, uint32_t pipe);
/* `r`, or all of it that was not known to be, is delivered. */
void rate_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, uint32_t bytes,
                       struct rate_sample *rs);
/* The ACK has been worked through. */
void rate_finish(struct stack *st, struct tcb *t, struct rate_sample *rs);
/* Everything has been sent and cwnd would have let more go: what follows says nothing of the path.
 */
void rate_mark_app_limited(struct tcb *t, uint32_t pipe);

#endif

/* Loss recovery: the states between a loss and its end. What is lost is told by rack.c (or, without
 * SACK, by duplicate ACKs), what may be sent meanwhile by prr.c, whether it was a mistake by
 * undo.c. */
#ifndef STACK_TCP_LOSS_H
#define STACK_TCP_LOSS_H

#include "stack/base/seq.h"
#include "stack/tcp/rate.h"

struct stack;
struct tcb;
struct seg;
struct sent;

/* Linux's tcp_ca_state numbers, as TCP_INFO shows them. */
enum loss_state {
    LOSS_OPEN = 0,
    LOSS_DISORDER = 1, /* duplicate ACKs or SACKs, nothing known to be lost */
    LOSS_CWR = 2,      /* cwnd comes down without a retransmission */
    LOSS_RECOVERY = 3,
    LOSS_RTO = 4,
};

struct loss {
    uint8_t state;  /* enum loss_state */
    bool frto;      /* a timeout that may turn out to have been spurious (RFC 5682) */
    bool new_first; /* F-RTO step 2b: new data before what seems to be lost */
    uint32_t dup_acks;
    seq_t recover;    /* RecoveryPoint: snd.nxt when this state began */
    uint32_t backoff; /* timeouts in a row */
    uint32_t total_retrans;
};

/* What an ACK brings; lives on the C stack. */
struct ack_news {
    uint32_t acked;  /* bytes newly acknowledged */
    uint32_t sacked; /* bytes newly SACKed */
    uint32_t flight; /* outstanding before this ACK */
    bool dup;        /* a duplicate ACK (RFC 5681 §2) */
    bool dsack;      /* its first block reports a duplicate (RFC 2883) */
    struct range dsack_range;
    bool tsecr_ok;
    uint32_t tsecr;
    seq_t prior_una, high_sacked; /* before it */
    seq_t reordered;     /* the lowest original that came late; high_sacked or above: none */
    bool original_acked; /* something never sent again, from before the recovery point, has arrived
                          */
    uint64_t first_sent_ns, last_sent_ns; /* of the originals that it tells of; 0: none */
    struct rate_sample rs;
};

void loss_init(struct tcb *t);
void loss_on_ack(struct stack *st, struct tcb *t, struct ack_news *n);
/* The retransmission timer has expired. */
void loss_on_timeout(struct stack *st, struct tcb *t);
/* The reordering timer has expired (RFC 8985 §6.3). */
void loss_on_reorder_timeout(struct stack *st, struct tcb *t);
/* The peer, who had shrunk its window to nothing, takes data again. */
void loss_on_window_opened(struct stack *st, struct tcb *t);
/* Path MTU has shrunk: everything outstanding is to be sent again. */
void loss_mark_all(struct stack *st, struct tcb *t);
/* The next run of bytes to be sent again; false: none. */
bool loss_next_rtx(struct tcb *t, struct range *r);
void loss_on_retransmit(struct stack *st, struct tcb *t, const struct range *r);

#endif

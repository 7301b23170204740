/* Proportional rate reduction (RFC 9937): during recovery, cwnd comes down to ssthresh in
 * proportion to what is delivered, so that sending neither stops nor bursts. */
#ifndef STACK_TCP_PRR_H
#define STACK_TCP_PRR_H

#include <stdbool.h>
#include <stdint.h>

struct tcb;

struct prr {
    uint32_t recover_bytes;   /* RecoverFS: in flight when recovery began */
    uint64_t delivered, sent; /* prr_delivered, prr_out */
};

/* Recovery begins; cc.ssthresh_bytes is set. */
void prr_begin(struct tcb *t, uint32_t recover_bytes);
/* `delivered` bytes came through by this ACK. safe: SND.UNA has moved and nothing more was lost. */
void prr_on_ack(struct tcb *t, uint32_t delivered, bool safe);
void prr_on_sent(struct tcb *t, uint32_t bytes);

#endif

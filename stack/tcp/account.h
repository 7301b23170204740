/* What TCP_INFO tells that nothing else needs: counts of segments, and the times that a connection
 * spent busy, and busy waiting for what. See account.c. */
#ifndef STACK_TCP_ACCOUNT_H
#define STACK_TCP_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct stack;
struct tcb;
struct sent;

/* What a connection waits for while it has something to send: Linux's enum tcp_chrono. */
enum chrono { CHRONO_IDLE, CHRONO_BUSY, CHRONO_RWND_LIMITED, CHRONO_SNDBUF_LIMITED, CHRONO_KINDS };

struct tcp_account {
    uint8_t chrono; /* what runs now */
    uint64_t chrono_since_ns;
    uint64_t chrono_ns[CHRONO_KINDS];
    uint32_t delivered, dsack_dups, ooopack; /* segments; SYN and FIN not counted here */
    uint16_t total_rto, rto_recoveries;      /* timeouts, and runs of them */
    uint64_t rto_since_ns, rto_ns;           /* the present run's begin (0: none); all past ones */
};

void account_on_delivered(struct tcb *t, const struct sent *r, uint32_t bytes);
void account_on_timeout(struct stack *st, struct tcb *t);
/* The ACK has been worked through. */
void account_on_ack(struct stack *st, struct tcb *t);
/* Nothing more may be sent now; cwnd_stopped: by cwnd. */
void account_on_output(struct stack *st, struct tcb *t, bool cwnd_stopped);
/* Nanoseconds that `kind` ran, until now. */
uint64_t account_chrono(const struct stack *st, const struct tcb *t, enum chrono kind);

#endif

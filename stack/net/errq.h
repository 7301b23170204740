/* The error queue of a socket (recvmsg with MSG_ERRQUEUE): ICMP errors (IP_RECVERR), timestamps of
 * what was sent (SO_TIMESTAMPING), completions of MSG_ZEROCOPY. It lies in the endpoint (a tcb, a
 * struct udp), since that is where its messages come from.
 *
 * A message is a pool object. Truth: owner and order; an endpoint's list and count are derived.
 * Bounded by the pool and by what an endpoint may queue (ERRQ_MAX); beyond, messages are dropped
 * and counted, as Linux does when the receive buffer is full. */
#ifndef STACK_NET_ERRQ_H
#define STACK_NET_ERRQ_H

#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include <linux/errqueue.h>

#include "stack/base/addr.h"
#include "stack/base/state.h"

#define ERRQ_MAX      256u /* messages of one socket: about what Linux's default buffer holds */
#define ERRQ_DATA_MAX 64u  /* bytes kept of a quoted datagram's payload */

struct errq;

struct errmsg {
    TAILQ_ENTRY(errmsg) link;
    struct errq *owner; /* NULL: not in use */
    uint64_t order;
    struct sock_extended_err ee;
    uint64_t when_ns;     /* of a timestamp, on the stack's clock; 0: none */
    struct endpoint dst;  /* IP_RECVERR: whom the datagram was for; port 0: not said */
    struct addr offender; /* IP_RECVERR: who says so */
    bool has_offender;
    bool kept; /* repair's mark */
    uint16_t len;
    uint8_t data[ERRQ_DATA_MAX];
};

struct errq {
    TAILQ_HEAD(errq_list, errmsg) list;
    uint32_t n;
};

struct errq_pool {
    struct pool msgs;
    uint64_t order;
};

size_t errq_mem_size(uint32_t max);
int errq_pool_init(struct stack *st, uint32_t max); /* -ENOMEM */

void errq_init(struct errq *q);
void errq_clear(struct stack *st, struct errq *q);
/* A message at the end of the queue, zeroed, to be filled in; NULL: no room (counted). The caller
 * raises the event. */
struct errmsg *errq_add(struct stack *st, struct errq *q);
static inline struct errmsg *errq_first(const struct errq *q) {
    return TAILQ_FIRST(&q->list);
}
static inline struct errmsg *errq_last(const struct errq *q) {
    return TAILQ_LAST(&q->list, errq_list);
}
void errq_drop_first(struct stack *st, struct errq *q);

/* Crash repair: of each live endpoint, then the end, which frees what no live endpoint owns. */
void errq_repair_begin(struct stack *st);
void errq_repair_keep(struct stack *st, struct errq *q);
void errq_repair_end(struct stack *st);

#endif

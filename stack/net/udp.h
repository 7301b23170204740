/* UDP (RFC 768, 8085): endpoints with a queue of received datagrams. */
#ifndef STACK_NET_UDP_H
#define STACK_NET_UDP_H

#include "stack/net/errq.h"
#include "stack/net/flow.h"
#include "stack/net/net.h"

#define UDP_RCVBUF_DEFAULT 212992u /* Linux's rmem_default; true size is charged */
#define UDP_MAX_PAYLOAD    65507u

#define UDP_INLINE_MAX     512u  /* datagrams up to this size need no chunk: DNS, and the like */
#define UDP_TX_BACKLOG_MAX 1024u /* packets on st->tx beyond which udp_send waits */

/* A datagram that waits to be read, a pool object. Owner and order are the truth, the queue of
 * the endpoint is derived; an object without an owner is being filled or freed. */
struct udp_dgram {
    STAILQ_ENTRY(udp_dgram) link;
    struct udp *owner;
    uint64_t order;
    uint64_t when_ns; /* it came */
    struct endpoint from, to;
    uint8_t tos, ttl;
    uint16_t inline_len; /* bytes in small[], when data is empty */
    uint32_t charged;    /* true size */
    struct stream data;
    uint8_t small[UDP_INLINE_MAX];
};

struct udp {
    struct flow_node flow;
    struct endpoint local, remote; /* remote any:0 when not connected */
    bool addr_locked, port_locked; /* by bind: stay when an association is dissolved */
    STAILQ_HEAD(udp_queue, udp_dgram) queue;
    uint32_t queued_bytes; /* true size */
    uint32_t rcvbuf;
    int error; /* pending socket error (ECONNREFUSED by ICMP), taken by udp_take_error */
    uint8_t ttl, tos, mcast_ttl;
    bool df, broadcast_ok, reuse_addr, reuse_port, recverr;
    struct errq errq;
    bool ev; /* something happened since the sock layer last looked */
    STAILQ_ENTRY(udp) ev_link;
    void *user; /* the sock layer's mark: which sock holds it; set right after udp_open */
};

/* Bytes of arena that udp_init will take. After net_init. */
size_t udp_mem_size(uint32_t max, uint32_t max_dgrams);
int udp_init(struct stack *st, uint32_t max, uint32_t max_dgrams); /* -ENOMEM */
struct udp *udp_open(struct stack *st);                            /* NULL: none left */
void udp_close(struct stack *st, struct udp *u);
/* Port 0: one is picked. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (bound already). */
int udp_bind(struct stack *st, struct udp *u, const struct endpoint *local);
/* A remote of any:0 dissolves the association (AF_UNSPEC). -ENETUNREACH, -EACCES (broadcast). */
int udp_connect(struct stack *st, struct udp *u, const struct endpoint *remote);
/* to NULL: the connected remote (-EDESTADDRREQ). Binds if need be. Returns the length, or
 * -EMSGSIZE, -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, -EINVAL (port 0), -ENOBUFS,
 * -EAGAIN (the link is behind: flush and try again), or a pending error. */
ssize_t udp_send(struct stack *st, struct udp *u, const struct iovec *iov, int niov,
                 const struct endpoint *to);
/* The next datagram: copies what fits, and returns its full length (the caller compares, and sets
 * MSG_TRUNC); -EAGAIN when there is none, or a pending error. */
ssize_t udp_recv(struct stack *st, struct udp *u, const struct iovec *iov, int niov, bool peek,
                 struct endpoint *from, struct endpoint *to);
int udp_take_error(struct udp *u);

/* From stack.c. False: nobody has that port, and the caller sends ICMP port unreachable. */
bool udp_input(struct stack *st, struct ip_in *in);
void udp_icmp(struct stack *st, const struct icmp_err *err);
/* Calls fn on every open endpoint (crash repair of the sock layer, listings). fn may close it. */
void udp_foreach(struct stack *st, void (*fn)(struct stack *st, struct udp *u, void *arg),
                 void *arg);
/* The next endpoint to which something happened (each once), or NULL. */
struct udp *udp_next_event(struct stack *st);
/* Crash repair. mark: pools, chunk references of the queues, and the queues themselves; relink,
 * after net_repair: flow table and event list. */
void udp_repair_mark(struct stack *st);
void udp_repair_relink(struct stack *st);

#endif

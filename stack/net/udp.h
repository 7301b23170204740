/* UDP (RFC 768, 8085): endpoints with a queue of received datagrams. */
#ifndef STACK_NET_UDP_H
#define STACK_NET_UDP_H

#include "stack/net/flow.h"
#include "stack/net/net.h"

#define UDP_RCVBUF_DEFAULT 212992u /* Linux's rmem_default; true size is charged */
#define UDP_MAX_PAYLOAD    65507u

/* A datagram that waits to be read, a pool object. */
struct udp_dgram {
    STAILQ_ENTRY(udp_dgram) link;
    struct endpoint from, to;
    uint8_t tos, ttl;
    struct stream data;
};

struct udp {
    struct flow_node flow;
    struct endpoint local, remote; /* remote any:0 when not connected */
    STAILQ_HEAD(, udp_dgram) queue;
    uint32_t queued_bytes; /* true size */
    uint32_t rcvbuf;
    int error;             /* pending socket error (ECONNREFUSED by ICMP), taken by udp_take_error */
    uint8_t ttl, tos;
    bool df, broadcast_ok, reuse_addr, reuse_port;
    bool ev; /* something happened since the sock layer last looked */
    STAILQ_ENTRY(udp) ev_link;
    void *user; /* the sock layer's mark: which sock holds it; set right after udp_open */
};

int udp_init(struct stack *st, uint32_t max, uint32_t max_dgrams); /* -ENOMEM */
struct udp *udp_open(struct stack *st); /* NULL: none left */
void udp_close(struct stack *st, struct udp *u);
/* Port 0: one is picked. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (bound already). */
int udp_bind(struct stack *st, struct udp *u, const struct endpoint *local);
/* A remote of any:0 dissolves the association (AF_UNSPEC). -ENETUNREACH, -EACCES (broadcast). */
int udp_connect(struct stack *st, struct udp *u, const struct endpoint *remote);
/* to NULL: the connected remote (-EDESTADDRREQ). Binds if need be. Returns the length, or
 * -EMSGSIZE, -EACCES (broadcast without SO_BROADCAST), -ENETUNREACH, -ENOBUFS, or a pending error. */
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
/* Crash repair. mark: chunk references of the queues; relink: flow table and event list. */
void udp_repair_mark(struct stack *st);
void udp_repair_relink(struct stack *st);

#endif

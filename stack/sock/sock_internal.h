/* What the files of stack/sock share: the objects and their indexes.
 *
 * Theory of operation. A sock ties together a protocol's endpoint (a tcb or a struct udp), the
 * options that are nobody else's, references (which process holds how many descriptors of it), and
 * watches (who wants to hear of it). All are pool objects.
 *
 * Invariants, which crash repair (repair.c) relies on:
 *   - ref.proc, ref.so, ref.count; watch.ws, watch.so, watch.events; watchset.proc; sock.ino; and
 *     tcb → user together with sock → tcb are the truth. All lists and the inode table are derived.
 *   - An object's validating field (sock.kind, ref.count, watch.ws, watchset.used, proc.used) is
 *     written last when the object is made and wiped first when it goes, since pool memory keeps
 *     what its last tenant left.
 *   - A sock lives exactly as long as it has references. */
#ifndef STACK_SOCK_SOCK_INTERNAL_H
#define STACK_SOCK_SOCK_INTERNAL_H

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "stack/sock/sock.h"

#define IFNAME_LEN 16 /* IFNAMSIZ */

/* The compiler must not move stores across: what a dying process leaves is in program order. */
#define sock_barrier() __asm__ volatile("" ::: "memory")

enum sock_kind { SOCK_KIND_NONE, SOCK_KIND_TCP, SOCK_KIND_UDP };

/* Linux's socket->state, as far as connect(2) tells them apart. */
enum sock_conn { CONN_NONE, CONN_CONNECTING, CONN_DONE };

/* Options that no lower layer acts on, or that a UDP endpoint and a tcb keep differently. Inherited
 * by what a listener accepts. Plain int where the table of opt.c says int. */
struct sock_opts {
    struct tcp_sockopts common; /* the storage for UDP; of a TCP socket the tcb's own copy counts */
    uint64_t rcvtimeo_ns, sndtimeo_ns;
    int broadcast, dontroute, debug, busy_poll;
    int priority, mark;
    int mtu_discover, recverr, pktinfo, recvtos, recvttl, freebind, bind_no_port;
    int zerocopy, inq, no_check, rxq_ovfl, select_err_queue, wifi_status, nofcs, prefer_busy_poll;
    int transparent, recvopts, retopts, origdstaddr, recvchecksum, recverr_rfc4884;
    int mcast_loop, mcast_all, mcast_ttl, recvfragsize, tx_delay;
    uint32_t mcast_if; /* in network order */
    int rcvmark, bind_ifindex, buf_lock, incoming_cpu, txrehash, lock_filter;
    int peek_off;                          /* SO_PEEK_OFF; -1: off */
    bool rcvtstamp, tstamp_ns, tstamp_new; /* SO_TIMESTAMP and its kin, net/core/sock.c */
    uint32_t udp_ts_id;                    /* SOF_TIMESTAMPING_OPT_ID of the next datagram */
    char device[IFNAME_LEN];
};

TAILQ_HEAD(watch_list, watch);

struct sock {
    uint8_t kind; /* enum sock_kind; NONE: not (or no longer) a sock */
    uint8_t conn; /* enum sock_conn, TCP only */
    uint8_t shut; /* UDP: 1 << SHUT_RD, 1 << SHUT_WR */
    bool nonblocking;
    bool bound; /* by bind(2): survives a failed connect, as in Linux */
    bool used;  /* its tcb has been through a connect: a new one needs a new tcb */
    bool seen;  /* repair's mark */
    struct endpoint bound_to;
    struct tcb *tcb;
    struct udp *udp;
    uint64_t ino;
    struct sock_owner owner; /* of the open file description, so not inherited by accept */
    uint8_t signals;         /* due, async.c */
    bool on_signals;
    TAILQ_ENTRY(sock) signal_link;
    struct sock_opts opt;
    uint32_t nrefs; /* entries in refs */
    LIST_HEAD(, ref) refs;
    struct watch_list watches; /* in the order of registration */
    LIST_ENTRY(sock) by_ino;
};

struct ref {
    uint32_t proc, count; /* count 0: not in use */
    struct sock *so;
    LIST_ENTRY(ref) by_sock, by_proc;
};

struct proc {
    bool used;
    int32_t pid; /* 0: an embryo */
    uint64_t starttime;
    uint32_t parent; /* of an embryo; PROC_NONE before proc_inherit */
    LIST_HEAD(, ref) refs;
    LIST_HEAD(, watchset) watchsets;
};

struct watch {
    struct watchset *ws; /* NULL: not in use */
    struct sock *so;     /* NULL: the sock was closed under it */
    uint32_t events;
    bool ready;    /* on ws->ready */
    bool disarmed; /* a one-shot that has fired */
    uint64_t data;
    TAILQ_ENTRY(watch) by_sock;
    LIST_ENTRY(watch) by_set;
    TAILQ_ENTRY(watch) ready_link;
};

struct watchset {
    bool used;
    bool sleeping;
    bool rung;    /* its bell was handed out, or waits to be, in this sleep */
    bool on_list; /* on socks->bells */
    uint32_t proc, bell;
    LIST_HEAD(, watch) watches;
    struct watch_list ready;
    LIST_ENTRY(watchset) by_proc;
    TAILQ_ENTRY(watchset) bell_link;
};

LIST_HEAD(ino_bucket, sock);

struct socks {
    struct pool socks, procs, refs, watches, watchsets;
    struct ino_bucket *by_ino;
    uint32_t ino_mask;
    struct siphash_key ino_key;
    TAILQ_HEAD(, watchset) bells;
    TAILQ_HEAD(, sock) signals;
};

static inline bool sock_is_tcp(const struct sock *so) {
    return so->kind == SOCK_KIND_TCP;
}

/* proc.c */
struct proc *proc_at(struct stack *st, uint32_t proc); /* NULL: not attached */
struct ref *ref_find(const struct sock *so, uint32_t proc);
void ref_link(struct stack *st, struct ref *r);

/* open.c */
struct sock *sock_new(struct stack *st, enum sock_kind kind);
void sock_destroy(struct stack *st, struct sock *so);
void ino_insert(struct stack *st, struct sock *so);
/* A fresh tcb with the old one's options and, if the user had bound it, its address. */
int sock_replace_tcb(struct stack *st, struct sock *so);

/* call.c */
/* Reads an AF_INET address: -EINVAL (short), -EAFNOSUPPORT. */
int sockaddr_get(const struct sockaddr *sa, socklen_t len, struct endpoint *ep);
/* Writes what fits in *len bytes, and sets *len to the whole size, as Linux does. */
void sockaddr_put(const struct endpoint *ep, struct sockaddr *sa, socklen_t *len);
/* 0.0.0.0 as a destination means this host: the address we are bound to, else 127.0.0.1. */
void dest_resolve_any(const struct endpoint *local, struct endpoint *remote);
void sock_endpoints(const struct sock *so, struct endpoint *local, struct endpoint *remote);
bool sock_is_listener(const struct sock *so);

/* ready.c */
bool sock_wants_cmsgs(const struct sock *so); /* of a recvmsg on a stream */

/* opt.c */
/* MSG_FASTOPEN: 0 where the connection is there, or will be begun by an ordinary send. */
ssize_t sock_fastopen(struct stack *st, struct sock *so, const struct msghdr *msg,
                      const struct tcp_send_ask *ask);
struct tcp_sockopts *sock_common_opts(struct sock *so);
const struct tcp_sockopts *sock_common_opts_const(const struct sock *so);
/* Carries the options over to the endpoint. */
void sock_opts_apply(struct stack *st, struct sock *so);
void sock_opts_default(struct stack *st, struct sock *so);

/* opt_socket.c, opt_ip.c, opt_tcp.c: options that are more than a number in a field, by level.
 * -ENOPROTOOPT: not among them. */
int opt_socket_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len);
int opt_socket_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len);
int opt_ip_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len);
int opt_ip_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len);
int opt_tcp_set(struct stack *st, struct sock *so, int name, const void *val, socklen_t len);
int opt_tcp_get(struct stack *st, struct sock *so, int name, void *val, socklen_t *len);
/* Copies min(*len, size) bytes and sets *len to that. */
int opt_put(void *val, socklen_t *len, const void *from, size_t size);
int opt_put_int(void *val, socklen_t *len, int v);
/* Reads an int: -EINVAL when there are fewer bytes. */
int opt_get_int(const void *val, socklen_t len, int *out);

/* async.c */
void async_raise(struct stack *st, struct sock *so, uint32_t rose);
void async_forget(struct stack *st, struct sock *so);
void async_relink(struct stack *st, struct sock *so);

/* errqueue.c */
void errqueue_purge(struct stack *st, struct sock *so);

/* watch.c */
/* Something happened to `so`: `rose` are the POLL bits for which it is new. */
void sock_raise(struct stack *st, struct sock *so, uint32_t rose);
/* The same for one more exclusive watcher only: there is more than the first one took. */
void sock_raise_exclusive(struct stack *st, struct sock *so, uint32_t rose);
/* The sock goes: its watches stay behind, tied to nothing. */
void watch_orphan_all(struct stack *st, struct sock *so);
void watch_make_ready(struct watch *w);
void watchset_ring(struct stack *st, struct watchset *ws);

#endif

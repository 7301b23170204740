/* Sockets: what a descriptor stands for, whatever its protocol, and who waits for it. Calls take
 * and give Linux's own structures and numbers (sockaddr, SOL_SOCKET …) and return −errno; none
 * blocks: −EAGAIN means that the caller may wait for sock_ready.
 *
 * A struct sock is shared by all processes of the host that hold a descriptor of it. References
 * are counted per process (struct proc), so that a process that dies gives back what it held. */
#ifndef STACK_SOCK_SOCK_H
#define STACK_SOCK_SOCK_H

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "stack/net/udp.h"
#include "stack/tcp/tcp.h"

struct sock;

/* ---- processes and references ---- */

#define PROC_NONE UINT32_MAX
struct proc; /* one attached process; PROC index in the segment */

struct sock_config {
    uint32_t max_socks, max_procs, max_refs, max_watches, max_watchsets;
};
void sock_config_default(struct sock_config *cfg);
/* Bytes of arena that sock_init takes for cfg. */
size_t sock_mem_size(const struct sock_config *cfg);
int sock_init(struct stack *st, const struct sock_config *cfg); /* -ENOMEM */

/* pid 0: an embryo, whose pid is not known yet (before fork). Returns its index or -EAGAIN. */
int proc_attach(struct stack *st, int32_t pid, uint64_t starttime);
void proc_set_pid(struct stack *st, uint32_t proc, int32_t pid, uint64_t starttime);
/* Index of the process with that pid and start time, or PROC_NONE. */
uint32_t proc_find(struct stack *st, int32_t pid, uint64_t starttime);
/* Gives `to` the references that `from` has (fork). -ENOBUFS: no room, and nothing has changed. */
int proc_inherit(struct stack *st, uint32_t from, uint32_t to);
/* An embryo is attached and inherits in one hold of the lock: one that is found without a parent
 * after a crash is dropped. It goes with its parent, if that dies before proc_set_pid. */
/* The process is gone: drops its references (closing what nobody else holds) and its watches. */
void proc_detach(struct stack *st, uint32_t proc);
/* For the keeper: walks the attached processes; *iter begins at 0; returns PROC_NONE at the end. */
uint32_t proc_next(struct stack *st, uint32_t *iter, int32_t *pid, uint64_t *starttime);
uint32_t proc_count(struct stack *st);

/* ---- opening ---- */

/* family AF_INET (AF_INET6: -EAFNOSUPPORT until there is IPv6); type without SOCK_CLOEXEC and
 * SOCK_NONBLOCK. The caller gets one reference for `proc`. `ino`: inode of the kernel descriptor
 * that stands for it (DESIGN.md D4), 0 when not known yet. Errors as socket(2): -EPROTONOSUPPORT,
 * -ESOCKTNOSUPPORT, -ENFILE (the stack's own limit). */
int sock_open(struct stack *st, uint32_t proc, int family, int type, int protocol, uint64_t ino,
              struct sock **out);
void sock_set_ino(struct stack *st, struct sock *so, uint64_t ino);
struct sock *sock_find_ino(struct stack *st, uint64_t ino);
/* One more or one fewer descriptor of `proc` for it. The last put of all processes closes it. */
int sock_get(struct stack *st, struct sock *so, uint32_t proc); /* -ENOBUFS */
void sock_put(struct stack *st, struct sock *so, uint32_t proc);
/* References that `proc` holds. */
uint32_t sock_refs(struct stack *st, const struct sock *so, uint32_t proc);

/* Socks in use on the whole host. */
uint32_t sock_count(struct stack *st);

/* ---- the calls, as their man pages say ---- */

int sock_bind(struct stack *st, struct sock *so, const struct sockaddr *sa, socklen_t len);
int sock_listen(struct stack *st, struct sock *so, int backlog);
/* -EINPROGRESS when the SYN is out; called again: 0 once established, -EALREADY, -EISCONN, or the
 * error that ended it. */
int sock_connect(struct stack *st, struct sock *so, const struct sockaddr *sa, socklen_t len);
/* A new sock with one reference for proc; sa may be NULL. */
int sock_accept(struct stack *st, struct sock *so, uint32_t proc, uint64_t ino, struct sockaddr *sa,
                socklen_t *len, struct sock **out);
/* flags: the MSG_ ones; MSG_DONTWAIT, MSG_NOSIGNAL are the caller's. SIGPIPE is the caller's to
 * raise on -EPIPE. A partial send returns what was taken. SOCK_SEND_PART: a part of a call, the
 * last part will come; what is timestamped is the whole (the kernel's own MSG_BATCH, which programs
 * cannot mean). */
#define SOCK_SEND_PART 0x40000
/* MSG_FASTOPEN on a stream that is not connected begins the connection: the bytes that its SYN
 * carries are returned, or -EINPROGRESS if it carries none. So does any send where connect(2) has
 * been deferred (TCP_FASTOPEN_CONNECT). Who may block waits for the connection then. */
bool sock_is_deferred(const struct sock *so);
ssize_t sock_send(struct stack *st, struct sock *so, const struct msghdr *msg, int flags);
/* Sets msg_flags, msg_namelen, msg_controllen. */
ssize_t sock_recv(struct stack *st, struct sock *so, struct msghdr *msg, int flags);
int sock_shutdown(struct stack *st, struct sock *so, int how);
int sock_getname(struct stack *st, struct sock *so, bool peer, struct sockaddr *sa, socklen_t *len);
int sock_setopt(struct stack *st, struct sock *so, int level, int name, const void *val,
                socklen_t len);
int sock_getopt(struct stack *st, struct sock *so, int level, int name, void *val, socklen_t *len);
/* FIONREAD/SIOCINQ, SIOCOUTQ, SIOCATMARK; -ENOTTY for what is not a socket's; interface requests
 * (SIOCGIFCONF …) are not answered here. FIONBIO is the caller's. */
int sock_ioctl(struct stack *st, struct sock *so, unsigned long req, void *arg);

/* Current POLL bits. */
uint32_t sock_ready(struct stack *st, struct sock *so);
/* The same for a call that waits: without what only the error queue is the reason for. */
uint32_t sock_call_ready(struct stack *st, struct sock *so);
/* Its recvmsg may tell times: the caller sees to stack_set_wall before. */
bool sock_wants_times(const struct sock *so);

/* ---- what the waiting code asks ---- */

/* File status flags belong to the open file description, hence to the sock: all descriptors and
 * processes share them. */
bool sock_nonblocking(const struct sock *so);
void sock_set_nonblocking(struct sock *so, bool on);
/* SO_RCVTIMEO, SO_SNDTIMEO; 0: none. */
uint64_t sock_rcvtimeo_ns(const struct sock *so);
uint64_t sock_sndtimeo_ns(const struct sock *so);
/* Bytes that make a blocking recv return (SO_RCVLOWAT). */
uint32_t sock_rcvlowat(const struct sock *so);
int sock_type(const struct sock *so); /* SOCK_STREAM, SOCK_DGRAM */
/* SO_LINGER with a time: how long close() waits for sock_is_flushed; 0: not. */
uint64_t sock_linger_ns(const struct sock *so);
bool sock_is_flushed(struct stack *st, struct sock *so);
/* For direct reception: the tcb behind it if a reader of it may lend its buffer now (a stream,
 * established, nothing queued), else NULL. */
struct tcb *sock_direct(struct stack *st, struct sock *so);

/* ---- waiting ---- */

/* Whoever sleeps without the lock keeps a reference (sock_get) of the sock it will look at again,
 * as the kernel keeps the file for the length of a system call; else another thread's close frees
 * it.
 *
 * A watch set is somebody who waits: a sleeping thread, or an epoll instance. It has a bell, a
 * number that means something to the shim. Watches tie it to socks. When something happens to a
 * sock, each watch that asked for it becomes ready, and the set's bell is put on the list of bells
 * to be rung, if the set says that it sleeps. */
struct watchset;
struct watch;

struct watchset *watchset_new(struct stack *st, uint32_t proc); /* NULL: none left */
/* Deletes all its watches, those whose sock is gone included, without touching the caller's idea of
 * the socks: the safe way for whoever does not hold references of what it watched. */
void watchset_clear(struct stack *st, struct watchset *ws);
void watchset_free(struct stack *st, struct watchset *ws);
/* `bell` rings once per sleep; PROC-wide unique number chosen by the shim. */
void watchset_sleep(struct watchset *ws, uint32_t bell);
void watchset_wake(struct watchset *ws);
/* events: POLL bits, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE; data comes back with the event. NULL:
 * none left. A new watch whose sock is ready already is ready at once. */
struct watch *watch_add(struct stack *st, struct watchset *ws, struct sock *so, uint32_t events,
                        uint64_t data);
/* A watch outlives its sock: when the last descriptor of all processes is closed, the watch reports
 * POLLNVAL once, and stays, tied to nothing, until watch_del. */
void watch_mod(struct stack *st, struct watch *w, uint32_t events, uint64_t data);
void watch_del(struct stack *st, struct watch *w);
/* NULL when ws has no such watch. */
struct watch *watch_find(struct watchset *ws, const struct sock *so, uint64_t data);
struct sock_event {
    uint32_t events;
    uint64_t data;
};
/* Up to `max` ready watches, by epoll_wait's rules: level-triggered ones stay ready as long as the
 * sock is, edge-triggered ones until something new happens, one-shot ones are disarmed. Fair: those
 * given go to the end. */
int watchset_collect(struct stack *st, struct watchset *ws, struct sock_event *ev, int max);
bool watchset_any_ready(struct stack *st, struct watchset *ws);
/* Passes the events of tcp and udp on to the watches. Called at the end of every stack entry. */
void sock_dispatch(struct stack *st);
/* The next bell to be rung, by the shim, after it has released the lock; 0: none. Bells are > 0. */
uint32_t sock_next_bell(struct stack *st);

/* ---- signal-driven I/O ---- */

/* Who is told by a signal: F_SETOWN_EX's kinds and ids (0: nobody); `sig`: F_SETSIG (0: SIGIO). */
struct sock_owner {
    int32_t kind, id, sig;
    bool async; /* O_ASYNC */
    bool may;   /* who set it may signal him: another process, the keeper, will do the sending */
};
/* To be read and changed under the lock. */
struct sock_owner *sock_owner(struct sock *so);
/* The next signal to be sent, by whoever drives the stack. False: none. */
bool sock_next_signal(struct stack *st, struct sock_owner *to, int *sig);

void sock_repair(struct stack *st);

/* As `ss -tuna` writes them, one line a socket. Returns the length as snprintf does. */
int sock_describe(struct stack *st, char *buf, size_t len);

#endif

/* TCP's face to the layers above (stack/sock, stack.c). One struct tcb per connection or listener;
 * its fields are in tcp/tcb.h, for stack/tcp only. */
#ifndef STACK_TCP_TCP_H
#define STACK_TCP_TCP_H

#include <sys/socket.h> /* MSG_ flags */
#include <sys/types.h>
#include <sys/uio.h>

#include "stack/net/net.h"

struct tcb;

enum tcp_state { /* Linux's numbers, as TCP_INFO shows them */
                 TCPS_ESTABLISHED = 1,
                 TCPS_SYN_SENT,
                 TCPS_SYN_RCVD,
                 TCPS_FIN_WAIT_1,
                 TCPS_FIN_WAIT_2,
                 TCPS_TIME_WAIT,
                 TCPS_CLOSED,
                 TCPS_CLOSE_WAIT,
                 TCPS_LAST_ACK,
                 TCPS_LISTEN,
                 TCPS_CLOSING,
};

/* Linux's least SO_RCVBUF and SO_SNDBUF, bytes. */
#define SOCK_MIN_RCVBUF 2304u
#define SOCK_MIN_SNDBUF 4608u

/* Of a triple such as tcp_rmem. */
enum { MEM_LEAST, MEM_FIRST, MEM_MOST, MEM_N };

/* Per stack; each has the name and the default of the Linux sysctl in the comment. */
enum cc_id { CC_STACK_DEFAULT, CC_CUBIC, CC_RENO, CC_BBR, CC_DCTCP, CC_N };

struct tcp_config {
    uint32_t max_conns;      /* tcbs, listeners included */
    uint32_t syn_retries;    /* tcp_syn_retries 6 */
    uint32_t synack_retries; /* tcp_synack_retries 5 */
    uint32_t retries2;       /* tcp_retries2 15 */
    uint32_t orphan_retries; /* tcp_orphan_retries 0: TCP_ORPHAN_RETRIES */
    uint64_t fin_timeout_ns; /* tcp_fin_timeout 60 s; also the length of TIME-WAIT, as in Linux */
    uint64_t keepalive_time_ns;  /* tcp_keepalive_time 7200 s */
    uint64_t keepalive_intvl_ns; /* tcp_keepalive_intvl 75 s */
    uint32_t keepalive_probes;   /* tcp_keepalive_probes 9 */
    uint32_t rmem[MEM_N];        /* tcp_rmem 4096 131072 6 MiB */
    uint32_t wmem[MEM_N];        /* tcp_wmem 4096 16384 4 MiB */
    bool window_scaling, sack;   /* both on */
    uint32_t timestamps;         /* tcp_timestamps 1; 2: from 0, not from a secret start */
    uint32_t somaxconn;          /* net.core.somaxconn 4096 */
    bool stdurg;         /* tcp_stdurg 0: the pointer points behind the urgent byte (MUST-62) */
    uint64_t rto_min_ns; /* 200 ms */
    uint8_t cc;          /* tcp_congestion_control cubic: enum cc_id */
    bool dsack;          /* tcp_dsack 1 */
    uint64_t invalid_ratelimit_ns; /* tcp_invalid_ratelimit 500 ms */
    uint32_t ecn;                  /* tcp_ecn 2: enum ecn_mode */
    bool ecn_fallback;             /* tcp_ecn_fallback 1 */
    uint32_t syncookies;           /* tcp_syncookies 1: enum syncookies */
    bool slow_start_after_idle;    /* tcp_slow_start_after_idle 1 */
    uint32_t recovery;        /* tcp_recovery 1: enum recovery_bit; RACK itself cannot be off */
    uint32_t early_retrans;   /* tcp_early_retrans 3: tail loss probes; 0: none */
    bool thin_linear;         /* tcp_thin_linear_timeouts 0 */
    uint32_t frto;            /* tcp_frto 2 */
    uint32_t reordering;      /* tcp_reordering 3, segments */
    uint32_t max_reordering;  /* tcp_max_reordering 300 */
    uint64_t msl_timewait_ns; /* 60 s */
    uint32_t fastopen;        /* tcp_fastopen 1: enum fastopen_bit */
    uint8_t fastopen_keys;    /* tcp_fastopen_key: how many; 0: a random one */
    uint8_t fastopen_key[32];
    uint32_t fastopen_blackhole_s;  /* tcp_fastopen_blackhole_timeout_sec 0 */
    uint32_t pacing_ss_ratio;       /* tcp_pacing_ss_ratio 200, percent of cwnd a round trip */
    uint32_t pacing_ca_ratio;       /* tcp_pacing_ca_ratio 120 */
    uint32_t min_tso_segs;          /* tcp_min_tso_segs 2 */
    uint32_t tso_rtt_log;           /* tcp_tso_rtt_log 9 */
    uint32_t retries1;              /* tcp_retries1 3 */
    uint32_t mtu_probing;           /* tcp_mtu_probing 0: enum mtu_probing */
    uint32_t base_mss;              /* tcp_base_mss 1024 */
    uint32_t min_snd_mss;           /* tcp_min_snd_mss 48 */
    uint32_t mtu_probe_floor;       /* tcp_mtu_probe_floor 48 */
    uint64_t mtu_probe_interval_ns; /* tcp_probe_interval 600 s */
    uint32_t mtu_probe_threshold;   /* tcp_probe_threshold 8 bytes */
    uint32_t max_syn_backlog;       /* tcp_max_syn_backlog 2048 */
    bool abort_on_overflow;         /* tcp_abort_on_overflow 0 */
    uint32_t max_orphans;           /* tcp_max_orphans 131072 */
    uint32_t max_tw_buckets;        /* tcp_max_tw_buckets 131072 */
    uint32_t tw_reuse;              /* tcp_tw_reuse 2: enum tw_reuse */
    uint64_t tw_reuse_delay_ns;     /* tcp_tw_reuse_delay 1 s */
    bool rfc1337;                   /* tcp_rfc1337 0: a RST ends TIME-WAIT */
    uint32_t syn_linear;            /* tcp_syn_linear_timeouts 4 */
    uint64_t rto_max_ns;            /* tcp_rto_max_ms 120,000 */
    uint32_t port_range[2];         /* ip_local_port_range 32768 60999 */
    struct ports reserved_ports;    /* ip_local_reserved_ports: none */
    uint32_t default_ttl;           /* ip_default_ttl 64 */
    bool reflect_tos;               /* tcp_reflect_tos 0 */
    uint32_t pingpong_thresh;       /* tcp_pingpong_thresh 1 */
    uint32_t no_pmtu_disc;          /* ip_no_pmtu_disc 0; else IP_MTU_DISCOVER begins as DONT */
    uint64_t min_rtt_wlen_ns;       /* tcp_min_rtt_wlen 300 s */
    uint64_t comp_sack_delay_ns;    /* tcp_comp_sack_delay_ns 1 ms */
    uint32_t comp_sack_nr;          /* tcp_comp_sack_nr 44; 0: no ACK waits */
    uint32_t mem[MEM_N];            /* tcp_mem, pages: least, pressure, most */
    bool moderate_rcvbuf;           /* tcp_moderate_rcvbuf 1 */
    uint32_t notsent_lowat;         /* tcp_notsent_lowat: no bound */
    uint32_t core_rmem_max, core_wmem_max; /* net.core.rmem_max, wmem_max 212992 */
    uint32_t core_rmem_default;            /* net.core.rmem_default 212992: of UDP */
};
enum tw_reuse { TW_REUSE_NEVER, TW_REUSE_ALWAYS, TW_REUSE_LOOPBACK };
enum syncookies { SYNCOOKIES_NEVER, SYNCOOKIES_WHEN_FULL, SYNCOOKIES_ALWAYS };
enum recovery_bit { RACK_NO_DUPTHRESH = 4 };
void tcp_config_default(struct tcp_config *cfg);

/* Options that a program can set; the sock layer translates setsockopt into these. Copied from a
 * listener to what it accepts. */
struct tcp_sockopts {
    bool nodelay, cork, keepalive, reuse_addr, reuse_port;
    bool linger, oobinline;
    uint32_t linger_s;
    uint32_t keepidle_s, keepintvl_s, keepcnt; /* 0: the stack's default */
    uint32_t user_timeout_ms, maxseg, syncnt;
    uint32_t thin_linear;    /* TCP_THIN_LINEAR_TIMEOUTS */
    int32_t linger2_s;       /* TCP_LINGER2; 0: default */
    uint32_t rcvbuf, sndbuf; /* 0: default, may grow; else fixed as Linux does (doubled already) */
    uint32_t rcvlowat;
    uint32_t rto_max_ms;    /* TCP_RTO_MAX_MS; 0: the stack's */
    uint32_t rto_min_us;    /* TCP_RTO_MIN_US; 0: the stack's */
    uint32_t delack_max_us; /* TCP_DELACK_MAX_US; 0: TCP_DELACK_MAX_NS */
    uint32_t window_clamp;  /* TCP_WINDOW_CLAMP; 0: none */
    uint32_t notsent_lowat; /* TCP_NOTSENT_LOWAT; 0: the stack's */
    uint32_t defer_accept_s;
    uint32_t tsflags;  /* SO_TIMESTAMPING */
    int minttl;        /* IP_MINTTL: segments of a smaller TTL are dropped (RFC 5082) */
    bool recverr;      /* IP_RECVERR: soft errors are told at once */
    bool may_fragment; /* IP_MTU_DISCOVER: segments without DF */
    bool pmtu_deaf;    /* … and routers that call them too large are not heard */
    uint8_t tos, ttl;
    uint32_t fastopen_qlen; /* TCP_FASTOPEN */
    bool fastopen_connect, fastopen_no_cookie;
    uint8_t fastopen_keys; /* TCP_FASTOPEN_KEY: how many */
    uint8_t fastopen_key[32];
    bool paced;               /* SO_MAX_PACING_RATE has been set: */
    uint64_t max_pacing_rate; /* bytes per second; 0 paces nothing, as in Linux */
    uint8_t cc;               /* enum cc_id; CC_STACK_DEFAULT: the stack's */
};

int tcp_init(struct stack *st, const struct tcp_config *cfg); /* -ENOMEM */
/* The configuration is another from now on (--live-sysctl): for what is opened, connected or
 * accepted later, and for what every connection asks when it needs it, such as the numbers of
 * retries. */
void tcp_set_config(struct stack *st, const struct tcp_config *cfg);
/* What tcp_init was given: the defaults that getsockopt shows for an option that nobody has set. */
const struct tcp_config *tcp_get_config(const struct stack *st);
/* A congestion control by its name (`len` bytes): enum cc_id, or -ENOENT. And its name. */
int tcp_cc_find(const char *name, size_t len);
const char *tcp_cc_name(uint8_t id);

/* ---- calls of a user (RFC 9293 §3.10.1 – 3.10.5). None blocks. ---- */

struct tcb *tcp_open(struct stack *st); /* CLOSED; NULL: none left (counted) */
struct tcp_sockopts *tcp_opts(struct tcb *t);
/* TCP_MD5SIG (RFC 2385): a key of `len` bytes for the segments to and from `peers`, instead of the
 * one that there is for just these; in any state, from the next segment on. len 0 deletes it.
 * ifindex: TCP_MD5SIG_FLAG_IFINDEX. -ENOENT: there is none to delete; -ENOMEM: too many keys
 * (counted). */
struct prefix;
int tcp_md5_set(struct stack *st, struct tcb *t, const struct prefix *peers, bool ifindex,
                const uint8_t *bytes, size_t len);
/* All keys of `from` become those of `to`, which has none. */
void tcp_md5_move(struct stack *st, struct tcb *to, struct tcb *from);
/* To be called after a change of the options, to act on it (Nagle off, cork off, keepalive on …).
 */
void tcp_opts_changed(struct stack *st, struct tcb *t);
/* TCP_NODELAY was set, or TCP_CORK taken off: what waits goes, with TCP_NODELAY even under
 * TCP_CORK (as Linux). */
void tcp_push(struct stack *st, struct tcb *t);

/* Reserves a local endpoint. Port 0: one is picked. -EADDRINUSE, -EADDRNOTAVAIL, -EINVAL (bound).
 */
int tcp_bind(struct stack *st, struct tcb *t, const struct endpoint *local);
/* Active OPEN: sends the SYN. 0 (in progress); -EISCONN, -EALREADY, -ENETUNREACH (no route;
 * broadcast or multicast: MUST-46), -EHOSTUNREACH (ARP has just failed), -EADDRNOTAVAIL (no port),
 * -EINVAL (listener). What goes wrong later, tcp_take_error tells. */
int tcp_connect(struct stack *st, struct tcb *t, const struct endpoint *remote);
/* The same with the first data (RFC 7413), as much of it as the SYN may carry, which is nothing
 * without a cookie: returns how much. iov NULL: none; then TCP_FASTOPEN_CONNECT has the SYN wait
 * for the first tcp_send, if it may carry data (tcp_is_deferred). Of what `ask` (may be NULL) asks
 * for, a SYN's data has the completion of MSG_ZEROCOPY only, as in Linux; -ENOBUFS: no room for
 * it. */
struct tcp_send_ask; /* tcp/marks.h */
ssize_t tcp_connect_with(struct stack *st, struct tcb *t, const struct endpoint *remote,
                         const struct iovec *iov, int niov, const struct tcp_send_ask *ask);
bool tcp_is_deferred(const struct tcb *t);
/* Passive OPEN, or a change of the backlog. -EADDRINUSE, -EINVAL (connected). */
int tcp_listen(struct stack *st, struct tcb *t, uint32_t backlog);
/* The next established connection of a listener; NULL: none. */
struct tcb *tcp_accept(struct stack *st, struct tcb *listener);

/* Queues up to all the bytes and sends what may go. Returns how many were taken, or -EAGAIN (the
 * send buffer is full), -EPIPE (shut down, reset, or never connected, as in Linux: the caller
 * raises SIGPIPE), -EINPROGRESS (this has begun a connection that was deferred, and nothing was
 * taken), or the pending error. flags: MSG_MORE, MSG_OOB (the last byte is urgent),
 * MSG_EOR (it ends a record). ask may be NULL. -ENOBUFS: no room for what is asked. */
ssize_t tcp_send(struct stack *st, struct tcb *t, const struct iovec *iov, int niov, int flags,
                 const struct tcp_send_ask *ask);
/* Bytes received in order; 0: end of stream; -EAGAIN, -ENOTCONN, the pending error. iov NULL:
 * MSG_TRUNC, bytes are dropped. peek_off: bytes to skip (with peek only). */
ssize_t tcp_recv(struct stack *st, struct tcb *t, const struct iovec *iov, int niov, size_t len,
                 bool peek, size_t peek_off);
/* MSG_OOB: the urgent byte, if it is not in line. 1; 0: the end; -EAGAIN: announced only; -EINVAL:
 * there is none, it was read, or it is in line (as Linux); -ENOTCONN. */
ssize_t tcp_recv_urgent(struct stack *st, struct tcb *t, uint8_t *byte, bool peek);
bool tcp_at_mark(const struct tcb *t); /* SIOCATMARK */
/* SHUT_RD, SHUT_WR, SHUT_RDWR. -ENOTCONN. */
int tcp_shutdown(struct stack *st, struct tcb *t, int how);
/* The user lets go: the tcb lives on until TCP is done with it (unsent data, FIN, TIME-WAIT), then
 * frees itself. Unread data or linger 0: RST. A listener resets what nobody accepted. The caller
 * must not touch t afterwards. */
void tcp_close(struct stack *st, struct tcb *t);
/* ABORT: RST if synchronized; `error` for whoever still holds it (0 none). The tcb stays the
 * user's, CLOSED. */
void tcp_abort(struct stack *st, struct tcb *t, int error);

/* ---- what is to be known of it ---- */

/* POLLIN, POLLOUT, POLLERR, POLLHUP, POLLRDHUP, POLLPRI as Linux's tcp_poll gives them. */
uint32_t tcp_ready(struct stack *st, struct tcb *t);
enum tcp_state tcp_get_state(const struct tcb *t);
const char *tcp_state_name(enum tcp_state s); /* as ss(8) writes it: "ESTAB", "SYN-SENT" … */
void tcp_get_endpoints(const struct tcb *t, struct endpoint *local, struct endpoint *remote);
int tcp_take_error(struct tcb *t); /* positive errno, 0: none; cleared */
/* TCP_QUICKACK: ACKs go out at once, or may wait for an answer to ride on; for the present only, as
 * in Linux. */
void tcp_set_quickack(struct stack *st, struct tcb *t, int v);
bool tcp_get_quickack(const struct stack *st, const struct tcb *t);
uint32_t tcp_get_timestamp(struct stack *st, const struct tcb *t); /* TCP_TIMESTAMP */
bool tcp_has_error(const struct tcb *t);                           /* … without taking it */
struct errq *tcp_errq(struct tcb *t);                              /* MSG_ERRQUEUE */
/* SOF_TIMESTAMPING_OPT_ID: bytes are counted from the first unacknowledged one on, or from what
 * has been written so far (OPT_ID_TCP). */
void tcp_count_tx_ids(struct tcb *t, bool from_written);
uint64_t tcp_last_data_ns(const struct tcb *t); /* when the newest byte received came */
int tcp_peek_soft_error(const struct tcb *t);   /* the last soft error (RFC 9293 MUST-47) */
uint32_t tcp_inq(const struct tcb *t);          /* SIOCINQ */
/* TCP_INQ's: all that is queued; not 0 while the end is still to be read. */
int tcp_inq_hint(const struct tcb *t);
uint32_t tcp_get_sndbuf(const struct stack *st, const struct tcb *t); /* SO_SNDBUF */
uint32_t tcp_get_wmem(const struct tcb *t); /* what is in it, at its true size */
uint32_t tcp_outq(const struct tcb *t);     /* SIOCOUTQ: not acknowledged */
uint32_t tcp_outq_nsd(const struct tcb *t);
bool tcp_is_bound(const struct tcb *t);
/* Nothing is left to be done for it: linger's wait is over. */
bool tcp_is_flushed(const struct tcb *t);
/* struct tcp_info as Linux 6.18 has it, of which Debian's <linux/tcp.h> knows the first part. */
struct tcp_info_full {
    uint8_t head[232]; /* struct tcp_info up to tcpi_snd_wnd */
    uint32_t rcv_wnd, rehash;
    uint16_t total_rto, total_rto_recoveries;
    uint32_t total_rto_time_ms;
    uint32_t received_ce, delivered_e1_bytes, delivered_e0_bytes, delivered_ce_bytes;
    uint32_t received_e1_bytes, received_e0_bytes, received_ce_bytes;
    uint16_t accecn_fail_mode, accecn_opt_seen;
};
/* Fills what there is; the size that the caller gave is its own affair. */
struct tcp_info; /* <linux/tcp.h> */
void tcp_get_info(struct stack *st, const struct tcb *t, struct tcp_info *out);
void tcp_get_info_full(struct stack *st, const struct tcb *t, struct tcp_info_full *out);
uint32_t tcp_get_mss(const struct tcb *t);
/* The congestion control in use, or that would be: enum cc_id. The user's choice (opts.cc) goes
 * before the route's, that before the stack's, unless the route has locked it. */
uint8_t tcp_get_cc(const struct stack *st, const struct tcb *t);
bool tcp_cc_is_locked(const struct tcb *t);
/* TCP_CC_INFO (<linux/inet_diag.h>): bytes filled; 0: the algorithm tells nothing of itself. */
union tcp_cc_info;
size_t tcp_get_cc_info(const struct tcb *t, union tcp_cc_info *out);
/* All tcbs that nobody has closed or that TCP still works for: keeper asks before it leaves.
 * TIME-WAIT counts as *timewait only. */
void tcp_count(struct stack *st, uint32_t *live, uint32_t *timewait);
/* For listings and for the sock layer's crash repair: calls fn on every tcb. fn may close it. */
void tcp_foreach(struct stack *st, void (*fn)(struct stack *st, struct tcb *t, void *arg),
                 void *arg);

/* The sock layer's mark: which sock holds it. NULL: orphan. */
void tcp_set_user(struct tcb *t, void *user);
void *tcp_get_user(const struct tcb *t);
/* The next tcb with a user for which tcp_ready may have changed (each once), or NULL. `rose` gets
 * the POLL bits for which something new happened, for edge-triggered waiters: more data came,
 * more room was made, a connection waits. TCP_ROSE_URGENT among them: urgent data was announced
 * (SIGURG; POLLPRI follows when it is here). */
#define TCP_ROSE_URGENT (1u << 16)
struct tcb *tcp_next_event(struct stack *st, uint32_t *rose);

/* ---- direct reception: frame → application ---- */

/* A reader that waits with nothing queued lends its buffer for the length of one poll. In-order
 * payload for that tcb is then read straight into it; `got` says how much was. Process-local. */
struct direct_recv {
    struct tcb *t;
    const struct iovec *iov;
    int niov;
    size_t got;
};

/* ---- calls of the stack ---- */

/* A segment for us (RFC 9293 §3.10.7). */
void tcp_input(struct stack *st, struct ip_in *in);
void tcp_icmp(struct stack *st, const struct icmp_err *err);
/* A neighbour did not resolve: soft EHOSTUNREACH for connections towards it. */
void tcp_host_unreach(struct stack *st, const struct addr *dst);
/* True when the kind is TCP's, which it then handles. */
bool tcp_timer(struct stack *st, struct timer *t);
/* After a batch of input: sends the ACKs and the data that the batch has made due (MUST-58/59). */
void tcp_flush(struct stack *st);

/* Crash repair, in this order: aborts the dirty ones, marks buffers, relinks flows, timers and
 * queues. A tcb that a user holds (not an orphan, not in a listener's queue) but whose user is NULL
 * is closed at the end of relink: the process died between tcp_open or tcp_accept and tcp_set_user,
 * or between tcp_set_user(NULL) and tcp_close. */
void tcp_repair_mark(struct stack *st);
void tcp_repair_relink(struct stack *st);
/* Invariants of one tcb; returns NULL, or what is wrong (static text). For tests. */
const char *tcp_check(struct stack *st, const struct tcb *t);

#endif

/* The transmission control block and what the files of stack/tcp know of each other.
 *
 * One struct tcb per connection or listener. Its own fields are the truth; the lists it stands in
 * (a listener's queues, the flush and event lists, the flow table, the timer heap) are derived from
 * them and can be made anew by repair.c after a process died inside the stack (DESIGN.md D8).
 *
 * Life. tcb_alloc → CLOSED → … → CLOSED → tcb_leave frees it, once nobody holds it. `holder` says
 * who does: a user, a listener's queue, or nobody (TCP_ORPHAN: TCP finishes alone). A tcb is freed
 * in tcb_leave only, at the end of each entry, so code in between never meets a freed one.
 *
 * Files, in the order in which a segment passes them:
 *   input.c    §3.10.7 of RFC 9293, a function per step      listen.c   passive opens, the queues
 *   synsent.c  segments for SYN-SENT                         timewait.c segments for TIME-WAIT
 *   opts.c     negotiation, timestamps, PAWS                 challenge.c RFC 5961, rate limit
 *   ack.c      the ACK field                                 sent.c     what is outstanding
 *   scoreboard.c SACK, pipe                                  rack.c     what is lost
 *   loss.c     recovery; prr.c, undo.c, tlp.c                cc.c, cc_*.c congestion control
 *   rate.c     delivery rate                             pace.c     when data may leave
 *   recv.c     the receive queue and the window              gaps.c     out-of-order data
 *   ackpolicy.c when an ACK is due                           output.c   what may be sent
 *   segment.c  headers                                       reset.c    RSTs
 *   timer.c    all deadlines                                 rtt.c      RTT and RTO
 *   user.c, bind.c, close.c the calls                        isn.c      keyed numbers
 *   fastopen.c data in the SYN: server; fastopen_client.c, fastopen_cache.c
 *   urgent.c   urgent data, both ways                        marks.c    records, times, copies
 *   sndbuf.c   how much may be written ahead                 mtu.c      path MTU by probes
 *   rcvrtt.c   the round trip as a receiver sees it           md5.c      signatures
 *   info.c, account.c, icmp.c, repair.c, check.c */
#ifndef STACK_TCP_TCB_H
#define STACK_TCP_TCB_H

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/queue.h>

#include "stack/net/errq.h"
#include "stack/net/flow.h"
#include "stack/tcp/accecn.h"
#include "stack/tcp/account.h"
#include "stack/tcp/bbr.h"
#include "stack/tcp/cubic.h"
#include "stack/tcp/dctcp.h"
#include "stack/tcp/ecn.h"
#include "stack/tcp/fastopen.h"
#include "stack/tcp/loss.h"
#include "stack/tcp/marks.h"
#include "stack/tcp/md5.h"
#include "stack/tcp/memory.h"
#include "stack/tcp/mtu.h"
#include "stack/tcp/pace.h"
#include "stack/tcp/prr.h"
#include "stack/tcp/rack.h"
#include "stack/tcp/rcvrtt.h"
#include "stack/tcp/sent.h"
#include "stack/tcp/sndbuf.h"
#include "stack/tcp/syncookie.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tlp.h"
#include "stack/tcp/undo.h"
#include "stack/tcp/urgent.h"
#include "stack/tcp/winmin.h"
#include "stack/wire/tcp.h"

#define US_NS 1000ull
#define MS_NS 1000000ull
#define S_NS  1000000000ull

#define TCP_MSS_DEFAULT     536u /* RFC 9293 MUST-15 */
#define TCP_MSS_FLOOR       48u /* a peer's smaller MSS counts as this (V14; Linux: tcp_min_snd_mss) */
#define TCP_WSCALE_MAX      14u        /* RFC 7323 §2.3 */
#define TCP_INIT_CWND       10u        /* segments, RFC 6928 */
#define TCP_RTO_INIT_NS     (1 * S_NS) /* RFC 6298 (2.1) */
#define TCP_RTO_MAX_NS      (120 * S_NS)
#define TCP_DELACK_NS       (40 * MS_NS) /* Linux's TCP_DELACK_MIN and TCP_ATO_MIN */
#define TCP_DELACK_MAX_NS   (200 * MS_NS)
#define TCP_DELACK_MOST_NS  (500 * MS_NS) /* MUST-40 */
#define TCP_QUICKACKS       16u /* segments that are ACKed at once at the start, as in Linux */
#define TCP_ORPHAN_RETRIES  8u  /* Linux's, where tcp_orphan_retries is 0 */
#define TCP_CORK_NS         (200 * MS_NS) /* tcp(7): a corked partial segment waits this long */
#define TCP_NOMEM_RETRY_NS  (2 * MS_NS)
#define TCP_SYN_RTO_LOST_NS (3 * S_NS) /* RFC 6298 (5.7) */
#define TCP_GAP_RUNS_MAX    256u       /* runs of out-of-order data a connection may hold */
#define TCP_SUPER_MAX       65535u     /* an IP packet's total length */
#define TCP_RCVBUF_MIN      2048u
#define TCP_TIMEWAIT_SHARE                                                                         \
    2u /* at most 1/2 of the tcbs wait in TIME-WAIT (Linux: tcp_max_tw_buckets) */
#define TCP_ALLOC_RESERVE 16u /* tcp_send leaves 1/16 of the chunks to what is received */

enum tcb_holder {
    TCB_USER,    /* tcp_close will be called */
    TCB_SYNQ,    /* in its listener's SYN queue */
    TCB_ACCEPTQ, /* in its listener's accept queue */
    TCB_ORPHAN,  /* nobody: freed when CLOSED */
};

/* Shutdown bits. */
enum { SHUT_BIT_RD = 1, SHUT_BIT_WR = 2 };

TAILQ_HEAD(tcb_queue, tcb);

/* A run of out-of-order bytes, a pool object; disjoint and not adjacent to other runs. */
struct gap_run {
    TAILQ_ENTRY(gap_run) link;
    struct tcb *owner;
    seq_t lo;
    struct stream data;
};
TAILQ_HEAD(gap_list, gap_run);

struct tcb {
    /* ---- identity ---- */
    uint8_t state;               /* enum tcp_state, written by tcb_set_state only */
    uint8_t holder;              /* enum tcb_holder */
    bool passive;                /* came from a listener (MUST-11) */
    bool done;                   /* was connected (or tried to be) and is CLOSED for good */
    bool bound;                  /* has a local port */
    bool bound_addr, bound_port; /* … that the user named */
    uint8_t shut;                /* SHUT_BIT_*, what the user has shut down */
    struct endpoint local, remote;
    const struct route_metrics *path; /* of the route to the peer, when the connection began */
    struct endpoint bind_to; /* what tcp_bind reserved; stays reserved when a connection is over */
    struct flow_node flow;
    struct tcp_sockopts opts;
    void *user;
    int error; /* pending, positive errno */
    int soft_error;
    uint64_t created_ns, established_ns, timewait_ns; /* when it became what it says */

    /* ---- passive opens ---- */
    struct tcb *listener; /* of an unaccepted child */
    uint64_t queued_no;   /* order in the accept queue */
    TAILQ_ENTRY(tcb) queue_link;
    struct tcb_queue syn_queue, accept_queue; /* of a listener */
    uint32_t n_syn, n_accept, backlog;
    struct fastopen fo;
    uint64_t cookie_ns; /* a listener's: when it last answered by a cookie */

    /* ---- send sequence space (RFC 9293 §3.3.1) ---- */
    struct {
        seq_t iss, una, nxt;
        uint32_t wnd, max_wnd; /* bytes */
        seq_t wl1, wl2;
        uint8_t wscale; /* of the peer's windows */
        uint32_t mss;   /* effective, without the timestamp option (RFC 6691) */
        uint16_t peer_mss;
        struct stream buf; /* unacknowledged and unsent bytes; the first is buf_seq */
        seq_t buf_seq;
        bool fin_queued; /* the user has no more; the FIN stands behind buf */
        bool more;       /* the last send had MSG_MORE: its end is not to be pushed */
        bool hold;       /* … and what is left of a segment waits for the next send, or an ACK */
        bool nospace;    /* someone wants POLLOUT */
        bool override;   /* the cork or SWS delay is over: send what there is */
        seq_t small_end; /* end of the last segment sent that was not full (Minshall) */
        uint64_t bytes_sent, bytes_acked, bytes_retrans;
        uint64_t last_send_ns, last_data_ns; /* any segment; one with data */
        uint64_t last_ack_ns;                /* an acceptable ACK came */
        uint64_t una_ns; /* una moved last, or what stands there was sent first */
        bool confirmed;  /* news of the peer's life for the neighbour cache */
        uint32_t segs_out, data_segs_out;
    } snd;

    /* ---- receive sequence space ---- */
    struct {
        seq_t irs, nxt;
        seq_t adv;      /* right edge advertised: nxt + RCV.WND; never moves left (SHLD-14) */
        seq_t acked;    /* Last.ACK.sent */
        uint8_t wscale; /* of ours */
        uint32_t limit; /* bytes of payload that the window offers at most */
        uint32_t open;  /* … so far, where the route has it begin smaller (initrwnd) */
        uint32_t mss;   /* estimate of the peer's full segment */
        uint16_t adv_mss;
        struct stream queue;
        bool fin_known; /* a FIN has been seen; it stands at fin_seq */
        bool fin_seen;  /* … and RCV.NXT has passed it */
        seq_t fin_seq;
        seq_t copied; /* sequence number of the first byte not yet read by the user */
        uint64_t bytes;
        uint64_t last_ns, last_data_ns;
        uint32_t segs_in, data_segs_in;
        struct rcvrtt rtt; /* rcvrtt.c */
        /* Growth of the window: bytes read by the user since grow_start_ns. */
        uint64_t grow_start_ns;
        uint32_t grow_copied;
        uint32_t grow_space; /* what a round trip brought him at most */
        /* Out of order. */
        struct gap_list gaps;
        uint32_t n_gaps, gap_bytes, gap_true_size;
        struct range sack[TCP_SACK_MAX]; /* newest first (RFC 2018 §4) */
        uint8_t n_sack;
        struct range dsack; /* to be reported once, before sack[] (RFC 2883); lo == hi: none */
    } rcv;

    struct tcp_urgent urgent; /* urgent.c */
    struct send_marks marks;  /* marks.c */
    struct mtu_search mtu;    /* mtu.c */
    struct sndbuf sndbuf;     /* sndbuf.c */
    struct errq errq;
    struct tcp_account account; /* account.c */
    struct md5_keys md5;        /* md5.c */

    /* ---- options in use ---- */
    bool use_ts, use_wscale, use_sack;
    uint32_t ts_offset;
    uint32_t ts_recent;
    uint64_t ts_recent_ns; /* when ts_recent was set */

    /* ---- ACKs that we owe ---- */
    struct {
        bool now;              /* due at the next flush */
        bool owed;             /* something unacknowledged has come */
        uint8_t quick;         /* segments still to be ACKed at once */
        uint32_t held;         /* duplicate ACKs that wait to become one */
        seq_t dup_nxt;         /* RCV.NXT of the last duplicate ACKs, … */
        uint8_t dups;          /* … and how many there were, up to those that the peer counts */
        uint64_t ato_ns;       /* estimate of the time between segments (Linux: ato) */
        uint8_t pingpong;      /* answers so far; from tcp_pingpong_thresh on ACKs ride on them */
        uint64_t asked_ns;     /* what is sent soon after this is an answer; 0: nobody has asked */
        uint64_t oow_ns;       /* last answer to an unacceptable segment */
        uint64_t challenge_ns; /* last challenge ACK */
    } ack;

    /* ---- round-trip time (rtt.c) ---- */
    struct {
        uint64_t srtt_ns, rttvar_ns, rto_ns;
        uint64_t max_ns;             /* of rto_ns */
        struct winmin min;           /* for tcp_min_rtt_wlen, … */
        uint64_t min_ns;             /* … and what it says; UINT64_MAX: none yet */
        uint64_t dev_ns, dev_max_ns; /* mean deviation; the largest in this round trip */
        seq_t round_end;
        bool timing; /* the SYN is being timed */
        uint64_t timed_ns;
    } rtt;

    /* ---- loss and congestion ---- */
    struct sent_queue sent;
    struct loss loss;
    struct rack rack;
    struct tlp tlp;
    struct prr prr;
    struct undo undo;
    struct ecn ecn;
    struct accecn accecn;
    struct rate rate;
    struct pace pace;
    struct {
        uint8_t id; /* enum cc_id */
        uint32_t cwnd_bytes, ssthresh_bytes;
        uint32_t acked_bytes; /* byte counting in congestion avoidance */
        bool limited;         /* cwnd was what stopped us in the present window */
        bool limited_now;
        uint32_t max_pipe_bytes;
        seq_t usage_end;
        seq_t small_end;        /* the end of a small segment under way … */
        uint32_t small_missing; /* … and what it lacks of a whole one */
        union {                 /* of the algorithm `id` only */
            struct cubic cubic;
            struct bbr bbr;
            struct dctcp dctcp;
        } u;
    } cc;

    /* ---- timers (timer.c) ---- */
    struct timer t_rtx, t_persist, t_delack, t_keepalive, t_linger;
    uint8_t rtx_kind;       /* enum rtx_kind: what t_rtx is set for */
    uint32_t probes;        /* window probes since the last ACK */
    uint32_t probe_backoff; /* … since the window closed */
    uint32_t keepalive_probes;
    uint64_t persist_since_ns;
    bool nomem; /* memory was out: try again when t_delack expires */

    /* ---- derived lists ---- */
    bool want_flush, want_event;
    bool orphan_counted;
    bool on_timewait; /* stands in tcp.timewait, by queue_link */
    bool damaged;     /* its process died while changing it: to be aborted (repair.c) */
    uint32_t rose;    /* POLL bits */
    TAILQ_ENTRY(tcb) flush_link, event_link;
};

struct tcp {
    struct tcp_config cfg;
    struct pool tcbs, gaps, sents, marks, md5_keys;
    struct siphash_key isn_key, ts_key, cookie_key;
    struct fastopen_cache fastopen_cache;
    struct fastopen_blackhole blackhole;
    struct memory memory;
    uint8_t fastopen_key[FASTOPEN_KEY_LEN]; /* where none is configured */
    uint64_t accept_no;                     /* next queued_no */
    struct tcb_queue flush, events;
    struct tcb_queue timewait; /* those without a user, the oldest first */
    uint32_t n_timewait, n_orphans;
};

/* A segment being processed; lives on the C stack. */
struct seg {
    struct ip_in *in;
    struct tcp_hdr h;
    seq_t seq;         /* of what is left of it: a SYN, else the first payload byte */
    uint32_t skip;     /* payload bytes cut off in front */
    uint32_t len;      /* payload bytes left */
    uint32_t wire_len; /* payload bytes as it came */
    bool syn, fin;
    uint32_t wnd; /* scaled */
    /* The whole L4 packet, where it had to be fetched to verify its checksum; NULL: still in the
     * frame. The segment owns the reference. */
    struct chunk *chunk;
};

static inline bool seg_has(const struct seg *s, unsigned flag) {
    return s->h.flags & flag;
}
static inline seq_t seg_end(const struct seg *s) {
    return seq_add(s->seq, s->syn + s->len + s->fin);
}

static inline uint32_t u32_min(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}
static inline uint32_t u32_max(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

/* States in which both sides have each other's sequence numbers. */
static inline bool tcb_is_synchronized(const struct tcb *t) {
    return t->state != TCPS_CLOSED && t->state != TCPS_LISTEN && t->state != TCPS_SYN_SENT &&
           t->state != TCPS_SYN_RCVD;
}
static inline uint32_t tcb_outstanding(const struct tcb *t) {
    return (uint32_t)seq_diff(t->snd.nxt, t->snd.una);
}
/* Sequence number behind the last byte the user has given. */
static inline seq_t tcb_data_end(const struct tcb *t) {
    return seq_add(t->snd.buf_seq, (uint32_t)t->snd.buf.len);
}
static inline bool tcb_fin_sent(const struct tcb *t) {
    return t->snd.fin_queued && seq_gt(t->snd.nxt, tcb_data_end(t));
}
/* May data flow? From the handshake on, with Fast Open from its middle on. */
static inline bool tcb_has_data_phase(const struct tcb *t) {
    return tcb_is_synchronized(t) || (t->state == TCPS_SYN_RCVD && t->fo.pending);
}
/* Bytes given by the user that were never sent. */
static inline uint32_t tcb_unsent(const struct tcb *t) {
    int32_t n = seq_diff(tcb_data_end(t), t->snd.nxt);
    return n > 0 ? (uint32_t)n : 0;
}
/* How many segments `bytes` are, the last one perhaps short; 0 before there is an MSS. */
static inline uint32_t tcb_segments(const struct tcb *t, uint32_t bytes) {
    return t->snd.mss != 0 ? (bytes + t->snd.mss - 1) / t->snd.mss : 0;
}
static inline uint32_t tcb_rcv_wnd(const struct tcb *t) {
    return (uint32_t)seq_diff(t->rcv.adv, t->rcv.nxt);
}

/* ---- tcb.c ---- */
struct tcb *tcb_alloc(struct stack *st); /* CLOSED, TCB_USER; NULL: none left (counted) */
/* The only writer of t->state. Logs, and tells the timers. */
void tcb_set_state(struct stack *st, struct tcb *t, enum tcp_state state);
/* The end of an entry that began with stack_dirty(st, t): frees what is over. */
void tcb_leave(struct stack *st, struct tcb *t);
/* Ends the connection: CLOSED, nothing is sent any more, `error` for the user (0: none). What was
 * received stays readable, as in Linux. */
void tcb_finish(struct stack *st, struct tcb *t, int error);
void tcb_free_buffers(struct stack *st, struct tcb *t);
void tcb_raise(struct stack *st, struct tcb *t, uint32_t poll_bits);
void tcb_want_flush(struct stack *st, struct tcb *t);
/* Tells who waits for room to send, if there is some again. */
void tcb_check_space(struct stack *st, struct tcb *t);
/* Enters it among those that TCP works for without a user, or takes it off; true: it is one. */
bool tcb_count_orphan(struct stack *st, struct tcb *t);
void tcb_list_timewait(struct stack *st, struct tcb *t);
void tcb_insert_flow(struct stack *st, struct tcb *t);
struct tcb *tcb_from_flow(struct flow_node *n);
struct tcb *tcb_find(struct stack *st, const struct ip_in *in, const struct tcp_hdr *h);

/* ---- input.c ---- */
/* The steps from the sequence number check on, for a synchronized state or SYN-RCVD. */
void input_synchronized(struct stack *st, struct tcb *t, struct seg *s);
/* The steps behind the ACK: urgent pointer, text, FIN. */
void input_text(struct stack *st, struct tcb *t, struct seg *s);
/* min_iss: our ISN must lie above it (a TIME-WAIT reopened); NULL: any. */
void input_listen(struct stack *st, struct tcb *listener, struct seg *s, const seq_t *min_iss);
void input_syn_sent(struct stack *st, struct tcb *t, struct seg *s);
void input_timewait(struct stack *st, struct tcb *t, struct seg *s);
/* The segment as it came, header and payload in one piece of memory, which is the frame's or
 * s->chunk's. NULL: memory is out (counted), or the frame was lost. */
const uint8_t *seg_bytes(struct stack *st, struct seg *s);

/* ---- listen.c ---- */
/* The handshake's ACK came for a child in SYN-RCVD: false when the accept queue is full, or the
 * listener wants data first (TCP_DEFER_ACCEPT). */
bool listen_may_establish(struct stack *st, struct tcb *child, const struct seg *s);
/* The tcb for a SYN, its sequence numbers and options settled; in no queue and no table yet, and
 * dirty. NULL: none left. */
struct tcb *listen_make_child(struct stack *st, struct tcb *l, const struct seg *s);
void listen_established(struct stack *st, struct tcb *child);
/* The child leaves its listener's queue, whichever it stands in. */
void listen_forget(struct tcb *child);
void listen_enqueue(struct tcb *listener, struct tcb *child);
void listen_close(struct stack *st, struct tcb *listener);

/* ---- opts.c ---- */
/* Timestamp clock: 1 ms, as Linux's, plus the connection's offset (RFC 7323 §5.4). */
uint32_t ts_now(struct stack *st, const struct tcb *t);
void opts_on_syn(struct stack *st, struct tcb *t, const struct tcp_opts *o);
void opts_for_syn(struct stack *st, const struct tcb *t, struct tcp_opts *o);
void opts_update_mss(struct stack *st, struct tcb *t);
/* What the route, the peer and TCP_MAXSEG allow, options included (MUST-16). */
uint32_t opts_largest_mss(struct stack *st, const struct tcb *t);
/* Bytes of options that every segment bears: timestamp and signature. */
uint32_t opts_len(const struct tcb *t);
/* With a signature there is room for timestamps or SACK blocks: as Linux, the latter (passive opens
 * but by cookie, whose timestamp holds the options). */
void opts_make_room(struct stack *st, struct tcb *t);
/* False: the path takes less than it did when snd.mss was settled. */
bool opts_mss_fits(struct stack *st, const struct tcb *t);
uint16_t opts_advertised_mss(struct stack *st, const struct tcb *t);
uint8_t opts_window_scale(const struct stack *st, const struct tcb *t);
bool paws_rejects(struct stack *st, const struct tcb *t, const struct seg *s);
void paws_update(struct stack *st, struct tcb *t, const struct seg *s);

/* ---- ack.c ---- */
/* False: drop the segment. */
bool ack_process(struct stack *st, struct tcb *t, struct seg *s);
void ack_window_init(struct tcb *t, const struct seg *s);
/* All that an ACK at or above SND.UNA may tell of data outstanding. */
void ack_learn(struct stack *st, struct tcb *t, const struct seg *s);

/* ---- scoreboard.c ---- */
/* Enters the SACK blocks of a segment, and tells of them in n. */
void scoreboard_update(struct stack *st, struct tcb *t, const struct seg *s, struct ack_news *n);
/* snd.una has moved: what is below it is delivered and forgotten. */
void scoreboard_on_ack(struct stack *st, struct tcb *t, struct ack_news *n);
/* Bytes at the receiver out of order, by SACK or, without it, by counting duplicates. */
uint32_t scoreboard_sacked(const struct tcb *t);
uint32_t scoreboard_pipe(const struct tcb *t);
/* `bytes` of r, which was not SACKed, have arrived. */
void scoreboard_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, uint32_t bytes,
                             struct ack_news *n);

/* ---- rtt.c ---- */
void rtt_init(struct tcb *t);
void rtt_sample(struct tcb *t, uint64_t rtt_ns, uint64_t rto_min_ns);
/* Only the handshake is timed by hand; data by its records. */
void rtt_on_syn(struct tcb *t, uint64_t now_ns);
void rtt_on_syn_again(struct tcb *t);
void rtt_on_syn_acked(struct stack *st, struct tcb *t, const struct tcp_opts *o);
/* May take a sample from what an ACK tells (RFC 6298, 7323 §4.1). */
void rtt_on_ack(struct stack *st, struct tcb *t, struct ack_news *n);
/* Bounds of the timeout: the program's, else the stack's. */
uint64_t rtt_min_rto(const struct stack *st, const struct tcb *t);
void rtt_on_opts(const struct stack *st, struct tcb *t);
void rtt_backoff(struct tcb *t);

/* ---- recv.c ---- */
void recv_init(struct stack *st, struct tcb *t);
/* `limit`, but not beyond TCP_WINDOW_CLAMP. */
uint32_t recv_clamped(const struct tcb *t, uint32_t limit);
/* Bytes of payload that the window may offer at present: rcv.limit, or rcv.open if that is less. */
uint32_t recv_offered(const struct tcb *t);
void recv_segment(struct stack *st, struct tcb *t, struct seg *s);
/* The window to be advertised now, in bytes; moves rcv.adv. */
uint32_t recv_advance_window(struct stack *st, struct tcb *t);
/* What recv_advance_window would offer. */
uint32_t recv_new_window(const struct tcb *t);
void recv_after_read(struct stack *st, struct tcb *t, uint32_t n);
/* The window that our SYN offers: unscaled, whole segments. */
uint32_t recv_syn_window(const struct tcb *t);
/* Reads the payload of s behind a stream, the first bytes into `user`, if given; *to_user gets how
 * many those were. 0; -ENOMEM (counted; may be called again), -EIO (the frame was lost): nothing
 * has changed. */
int recv_read(struct stack *st, struct seg *s, struct stream *to, const struct iovec *user,
              int nuser, size_t *to_user);

/* ---- gaps.c ---- */
/* Stores an out-of-order segment. False: no room (counted), nothing was kept. */
bool gaps_store(struct stack *st, struct tcb *t, struct seg *s);
/* Moves to the receive queue what has become in order; returns whether anything did. */
bool gaps_drain(struct stack *st, struct tcb *t);
void gaps_clear(struct stack *st, struct tcb *t);
/* Behind the last byte that came out of order; rcv.nxt: none did. */
seq_t gaps_end(const struct tcb *t);
/* Gives up out-of-order data, outermost first, to make room. False: there was none. */
bool gaps_drop_last(struct stack *st, struct tcb *t);
void gaps_insert(struct tcb *t, struct gap_run *run);
/* [lo, hi) is a duplicate: report it (RFC 2883). */
void sack_report_dup(struct stack *st, struct tcb *t, seq_t lo, seq_t hi);
/* There is one that no ACK has reported yet. */
bool sack_has_dup(const struct tcb *t);
void sack_report_new(struct tcb *t, seq_t lo, seq_t hi);
/* Blocks for the next segment. */
void sack_fill(struct tcb *t, struct tcp_opts *o, bool pure_ack);

/* ---- ackpolicy.c ---- */
void ackpolicy_init(struct tcb *t);
void ackpolicy_on_data(struct stack *st, struct tcb *t, const struct seg *s, bool in_order,
                       bool filled_gap);
void ackpolicy_now(struct stack *st, struct tcb *t);
void ackpolicy_on_timeout(struct stack *st, struct tcb *t); /* what was delayed is due now */
/* A duplicate ACK that is held back goes now, if there is one. */
void ackpolicy_release(struct stack *st, struct tcb *t);
void ackpolicy_on_read(struct stack *st, struct tcb *t);
void ackpolicy_on_sent(struct stack *st, struct tcb *t, bool data);

/* ---- output.c ---- */
/* Sends what may be sent, and an ACK if one is due. */
void tcp_output(struct stack *st, struct tcb *t);
/* A tail loss probe: a segment of new data, or the last one again. False: there is none to send. */
bool output_probe_new(struct stack *st, struct tcb *t);
bool output_probe_last(struct stack *st, struct tcb *t);
/* Payload bytes of a full segment sent now: snd.mss less the SACK blocks that go with it. */
uint32_t output_mss(const struct tcb *t);

/* ---- segment.c ---- */
/* Puts a TCP header before the payload, signed if there is a key, its checksum left to the link. */
void segment_push_header(struct pkt *p, struct tcp_hdr *h, const struct addr *src,
                         const struct addr *dst, const struct md5_key *key);
/* Sends [seq, seq+len) of the stream with `flags` (TH_ACK is added by itself). Returns the payload
 * bytes that went, or -ENOBUFS when memory is out: nothing was sent, and a timer will try again. */
int32_t segment_send(struct stack *st, struct tcb *t, seq_t seq, uint32_t len, uint16_t flags);
void segment_send_ack(struct stack *st, struct tcb *t);
/* SYN, or in SYN-RCVD SYN-ACK. 0 or what net_output said. */
int segment_send_syn(struct stack *st, struct tcb *t);
/* An ACK with an old sequence number: it draws an ACK (keepalive, window probe). */
void segment_send_probe(struct stack *st, struct tcb *t, seq_t seq);
/* The sequence number for a segment without data: within the peer's window, even if he shrank it.
 */
seq_t segment_ack_seq(const struct tcb *t);

/* ---- reset.c ---- */
/* The answer to a segment that belongs to no connection (RFC 9293 §3.10.7.1), or that t refuses;
 * NULL: nobody is there. */
void reset_reply(struct stack *st, const struct tcb *t, struct seg *s);
/* RST of a connection of ours. */
void reset_send(struct stack *st, struct tcb *t);

/* ---- challenge.c ---- */
/* At most one of each per tcp_invalid_ratelimit and connection (V20, V21). */
bool challenge_may(const struct stack *st, uint64_t *last_ns);
void challenge_ack(struct stack *st, struct tcb *t);
void challenge_oow_ack(struct stack *st, struct tcb *t, const struct seg *s);

/* ---- timer.c: events, not deadlines ---- */
enum rtx_kind { RTX_TIMEOUT, RTX_PROBE, RTX_REORDER };
void timers_init_tcb(struct tcb *t);
void tcp_on_state(struct stack *st, struct tcb *t);
void tcp_on_sent(struct stack *st, struct tcb *t);  /* something that is to be acknowledged */
void tcp_on_acked(struct stack *st, struct tcb *t); /* SND.UNA moved */
/* Nothing more may be sent now. fresh: new data has been. */
void tcp_on_output_done(struct stack *st, struct tcb *t, bool fresh);
/* RACK waits for `ns` until it calls something lost; 0: it does not wait. */
void tcp_on_reordering(struct stack *st, struct tcb *t, uint64_t ns);
void tcp_on_segment(struct stack *st, struct tcb *t); /* any acceptable segment came */
void tcp_on_ack_delayed(struct stack *st, struct tcb *t, uint64_t ns);
void tcp_on_ack_sent(struct stack *st, struct tcb *t);
void tcp_on_no_memory(struct stack *st, struct tcb *t);
void tcp_on_opts(struct stack *st, struct tcb *t);
void tcp_on_orphaned(struct stack *st, struct tcb *t);
void tcp_on_fin_again(struct stack *st, struct tcb *t); /* TIME-WAIT begins anew */
uint64_t tcp_timeout_model(uint64_t rto_min_ns, uint64_t rto_max_ns, uint32_t n);

/* ---- timewait.c ---- */
/* What a connection leaves to the next one between its endpoints. */
struct timewait_past {
    seq_t min_iss;
    uint32_t ts_recent;
    uint64_t ts_recent_ns;
};
/* t waits in TIME-WAIT, and timestamps will tell its segments from a new connection's. */
bool timewait_has_timestamps(const struct stack *st, const struct tcb *t);
/* … and tcp_tw_reuse lets connect pick its port (RFC 6191). A flow_gives_way. */
bool timewait_gives_way(struct stack *st, struct flow_node *n);
/* Ends the TIME-WAIT between these endpoints, which the caller has found to give way. False: there
 * is none. */
bool timewait_take(struct stack *st, const struct endpoint *local, const struct endpoint *remote,
                   struct timewait_past *past);
/* t has just been started: it goes on where that one ended. */
void timewait_follow(struct tcb *t, const struct timewait_past *past);
/* … with initial sequence numbers of at least min_iss. */
void tcb_begin_above(struct tcb *t, seq_t min_iss);

/* ---- isn.c ---- */
seq_t isn_choose(struct stack *st, const struct tcb *t);
uint32_t isn_ts_offset(struct stack *st, const struct tcb *t);

/* ---- bind.c ---- */
int bind_check(struct stack *st, const struct tcb *t, const struct endpoint *local);

/* ---- user.c ---- */
/* `s` acknowledges our SYN. */
void tcb_establish(struct stack *st, struct tcb *t, const struct seg *s);
/* What sending data takes: congestion control, loss recovery. mss is settled. */
void tcb_begin_data(struct stack *st, struct tcb *t);
/* What a connection starts with, before its first SYN. */
void tcb_start(struct stack *st, struct tcb *t);
/* Nothing has been sent, and our numbers begin at `iss`: tcb_start's choice, or what takes its
 * place. */
void tcb_begin_at(struct tcb *t, seq_t iss);

#endif

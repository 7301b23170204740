/* TCP Fast Open (RFC 7413): data in the SYN, for a client that has shown before that it is
 * reachable at its address. That it is, a cookie proves, which the server makes from both addresses
 * by a key and keeps no memory of; the client keeps the cookies of its servers (fastopen_cache.c).
 *
 * Server: a SYN with a good cookie makes a connection that is accepted, read and written to before
 * the handshake is over (`pending`); a listener bounds how many of them there may be. Client: the
 * SYN carries data if there is a cookie; what it carried and the SYN-ACK does not acknowledge is
 * sent again as if it were new. */
#ifndef STACK_TCP_FASTOPEN_H
#define STACK_TCP_FASTOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "stack/base/rand.h"
#include "stack/tcp/fastopen_cache.h"
#include "stack/wire/tcp.h"

struct stack;
struct tcb;
struct seg;
struct endpoint;

#define FASTOPEN_KEY_LEN                                                                           \
    16u                       /* bytes; words of 32 bits, as the sysctl writes them, little-endian \
                               */
#define FASTOPEN_KEYS       2 /* the one in use, and the one before it */
#define FASTOPEN_COOKIE_LEN 8u                   /* of ours */
#define FASTOPEN_RESET_NS   (60 * 1000000000ull) /* a request that was reset counts for so long */

/* Bits of net.ipv4.tcp_fastopen. */
enum fastopen_bit {
    FASTOPEN_CLIENT = 0x1,
    FASTOPEN_SERVER = 0x2,
    FASTOPEN_CLIENT_NO_COOKIE = 0x4,
    FASTOPEN_SERVER_NO_COOKIE = 0x200,
    FASTOPEN_SERVER_ANY = 0x400, /* listeners that have not asked for it by TCP_FASTOPEN, too */
};

/* tcpi_fastopen_client_fail, Linux's numbers. */
enum fastopen_fail {
    FASTOPEN_OK,
    FASTOPEN_NO_COOKIE_YET,
    FASTOPEN_DATA_NOT_ACKED,
    FASTOPEN_SYN_RETRANSMITTED,
};

TAILQ_HEAD(fastopen_queue, tcb);

struct fastopen {
    /* A listener's. */
    struct fastopen_queue queue; /* of those pending; derived from their `listener` */
    uint32_t n_pending;
    uint32_t n_reset; /* pending ones that were reset: they count on, lest a flood of spoofed SYNs
                         frees its own way by RSTs (RFC 7413 §5.1) */
    uint64_t reset_ns;
    /* A connection's. */
    struct tcb *listener; /* of one pending, accepted or not; NULL: it has closed */
    TAILQ_ENTRY(tcb) link;
    bool pending;             /* begun by a SYN with data or a cookie; the handshake is not over */
    bool data;                /* data in the SYN has arrived: the peer's here, or ours there */
    bool asked;               /* our SYN had the option */
    bool with_data;           /* … and data */
    bool exp;                 /* … in its experimental form */
    bool deferred;            /* TCP_FASTOPEN_CONNECT: the SYN waits for the first data */
    uint8_t fail;             /* enum fastopen_fail */
    seq_t data_end;           /* of what it carried */
    uint32_t syn_data;        /* bytes that the next SYN carries */
    struct tcp_fo_opt option; /* for the next SYN or SYN-ACK */
};

void fastopen_init(struct tcb *t);

/* ---- server ---- */

/* May `s`, a SYN for the listener l, open its child t at once? What the SYN-ACK is to say goes into
 * t->fo.option. */
bool fastopen_may(struct stack *st, struct tcb *l, struct tcb *t, const struct seg *s);
/* The child t, in its listener's accept queue, takes the data of its SYN. */
void fastopen_begin(struct stack *st, struct tcb *l, struct tcb *t, struct seg *s);
/* Not pending any more: the handshake is over, or the connection is. reset: by a RST. */
void fastopen_settle(struct stack *st, struct tcb *t, bool reset);
/* The listener closes; what is pending goes on without it. */
void fastopen_listener_closed(struct tcb *l);
/* Crash repair: back into its listener's queue. */
void fastopen_relink(struct tcb *t);
/* A key's 16 bytes as SipHash takes them; the cookie for an address pair. */
void fastopen_cookie(const uint8_t key[static FASTOPEN_KEY_LEN], const struct endpoint *client,
                     const struct endpoint *server, uint8_t cookie[static FASTOPEN_COOKIE_LEN]);

/* ---- client (fastopen_client.c) ---- */

/* Of the stack: Fast Open seems to be filtered on the way. */
struct fastopen_blackhole {
    uint32_t times; /* in a row */
    uint64_t since_ns;
};

/* Could a SYN to t->remote carry data now? */
bool fastopen_is_ready(struct stack *st, struct tcb *t);
/* Before the first SYN: chooses its option, and takes as much of the data as it may carry. Returns
 * how much. */
size_t fastopen_fill_syn(struct stack *st, struct tcb *t, const struct iovec *iov, int niov);
/* The connection begins by `s`: what the SYN carried becomes a record, timed with the SYN. */
void fastopen_record_syn(struct stack *st, struct tcb *t, const struct seg *s);
/* The SYN-ACK `s` has made the connection, and what it acknowledges is worked through. */
void fastopen_on_syn_ack(struct stack *st, struct tcb *t, const struct seg *s);
/* A router has dropped our SYN for its size: another goes at once, without data. */
void fastopen_on_too_big(struct stack *st, struct tcb *t);
/* Does a segment that ends at `end` end the data of the SYN? Linux pushes that when it goes again.
 */
bool fastopen_ends_at(const struct tcb *t, seq_t end);
/* Another timeout of the SYN. */
void fastopen_suspect(struct stack *st, const struct tcb *t);

#endif

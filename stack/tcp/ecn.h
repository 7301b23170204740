/* Explicit congestion notification (RFC 3168): a router marks a packet (CE) instead of dropping it,
 * the receiver echoes that (ECE) until the sender says that it has reacted (CWR). Where both sides
 * know accurate ECN, accecn.c does it. */
#ifndef STACK_TCP_ECN_H
#define STACK_TCP_ECN_H

#include <stdbool.h>
#include <stdint.h>

struct stack;
struct tcb;
struct seg;

#define ECN_ECT0 2u /* in the IP header's two bits (RFC 3168 §5) */
#define ECN_CE   3u
#define ECN_MASK 3u

/* tcp_ecn 0 to 5, as in Linux 6.18. */
enum ecn_mode {
    ECN_OFF,
    ECN_ASK,
    ECN_IF_ASKED,
    ACCECN_ASK,         /* accurate ECN, or less where the peer knows only that */
    ACCECN_ASK_CLASSIC, /* does accurate ECN if asked, itself asks for the classic one */
    ACCECN_IF_ASKED,
};

struct ecn {
    bool asked;      /* our SYN offered it */
    uint8_t syn_ecn; /* the IP header's bits that our SYN went with */
    bool on;         /* both sides do it */
    bool seen;       /* a packet has come that may be marked, or is */
    bool echo;       /* CE has come: ECE on every ACK until the peer's CWR */
    bool cwr_due;    /* cwnd has come down: CWR goes with the next new data */
};

/* Flags for a SYN or SYN-ACK. */
uint16_t ecn_syn_flags(struct stack *st, struct tcb *t);
/* … and the IP header's bits for it. */
uint8_t ecn_syn_mark(const struct stack *st, struct tcb *t);
/* The peer's SYN, or SYN-ACK. */
void ecn_on_syn(struct stack *st, struct tcb *t, const struct seg *s);
/* What goes with a segment: header flags, and the IP header's bits in *ip. fresh: new data. */
uint16_t ecn_on_send(struct tcb *t, bool data, bool fresh, uint8_t *ip);
/* Does the next segment carry CWR (as a flag of its own, or as a bit of ACE)? Then it must be one
 * segment, not a super-segment whose flags would be repeated. */
bool ecn_cwr_is_due(const struct tcb *t);
/* An acceptable segment. */
void ecn_on_segment(struct stack *st, struct tcb *t, const struct seg *s);
/* An ACK that tells of `delivered` bytes: how many of them were marked. Any: a smaller window is
 * asked for. */
uint32_t ecn_marked_bytes(struct tcb *t, const struct seg *s, uint32_t delivered);
/* cwnd has come down, for whatever reason. */
void ecn_on_reduced(struct tcb *t);

#endif

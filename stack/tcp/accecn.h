/* Accurate ECN (RFC 9768): the three flags AE, CWR and ECE, taken together as the ACE field, count
 * the packets that arrived marked, modulo 8, instead of saying that some did. The handshake agrees
 * on it, and tells each side what became of the IP header's two bits on the way.
 *
 * The AccECN option, which counts bytes, is not sent and not read: §3.2.3 leaves it free. */
#ifndef STACK_TCP_ACCECN_H
#define STACK_TCP_ACCECN_H

#include <stdbool.h>
#include <stdint.h>

struct stack;
struct tcb;
struct seg;

struct accecn {
    bool asked, on;
    bool handshake;       /* the next segment is the client's first: its ACE tells of the SYN-ACK */
    bool mangled;         /* the path changes or wipes what it should not: nothing is sent as ECT */
    uint8_t peer_ecn;     /* the IP header's bits of the peer's SYN or SYN-ACK */
    uint8_t untold;       /* marks that no ACK has told of yet */
    uint32_t received_ce; /* packets that came marked: r.cep - 5, §3.2.1 */
    uint32_t delivered_ce; /* what the peer has told: s.cep - 5 */
};

/* Flags of a SYN that asks. */
uint16_t accecn_ask(void);
/* True: the peer's SYN asks for it. */
bool accecn_is_asked(const struct seg *s);
/* The peer's SYN, which asked, is taken up. */
void accecn_on_syn(struct tcb *t, const struct seg *s);
/* The answer to our SYN that asked. True: it agrees; false: classic ECN may be what it says. */
bool accecn_on_syn_ack(struct tcb *t, const struct seg *s);
/* ACE for the next segment, SYN-ACK or not. */
uint16_t accecn_flags(struct tcb *t, bool syn);
/* Would a segment sent now have CWR among its bits? */
bool accecn_has_cwr(const struct tcb *t);
/* The client's first segment behind the SYN-ACK. */
void accecn_on_handshake_ack(struct tcb *t, const struct seg *s);
/* An acceptable segment: counts its mark, and sees to it that this is told in time. */
void accecn_on_arrival(struct stack *st, struct tcb *t, const struct seg *s);
/* An ACK that brought something new: packets newly told to have been marked. */
uint32_t accecn_marks(struct tcb *t, const struct seg *s);

#endif

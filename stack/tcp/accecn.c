#include "stack/tcp/accecn.h"

#include "stack/tcp/tcb.h"

#define ACE_BITS    (TH_AE | TH_CWR | TH_ECE)
#define ACE_SHIFT   6u
#define ACE_MODULUS 8u
#define COUNT_START                                                                                \
    5u                 /* §3.2.1: so that neither a wiped field nor a classic peer looks like it  \
                        */
#define UNTOLD_MAX  2u /* §3.2.2.5.1: n, marks after which an ACK is due */
#define ACE_NOT_ECT 2u /* §3.1.1, table 2: what the SYN (or SYN-ACK) arrived as */
#define ACE_ECT1    3u
#define ACE_ECT0    4u
#define ACE_CE      6u

static uint32_t ace_of(const struct seg *s) {
    return (uint32_t)(s->h.flags & ACE_BITS) >> ACE_SHIFT;
}

static uint16_t to_flags(uint32_t ace) {
    return (uint16_t)((ace % ACE_MODULUS) << ACE_SHIFT);
}

static uint32_t handshake_ace(uint8_t ecn) {
    static const uint8_t ace[] = {ACE_NOT_ECT, ACE_ECT1, ACE_ECT0, ACE_CE};
    return ace[ecn & ECN_MASK];
}

static void begin(struct tcb *t, const struct seg *s) {
    t->accecn.on = true;
    t->accecn.peer_ecn = s->in->tos & ECN_MASK;
    t->accecn.received_ce = t->accecn.delivered_ce = 0;
}

uint16_t accecn_ask(void) {
    return ACE_BITS;
}

bool accecn_is_asked(const struct seg *s) {
    return (s->h.flags & ACE_BITS) == ACE_BITS;
}

void accecn_on_syn(struct tcb *t, const struct seg *s) {
    begin(t, s);
}

/* Our SYN goes as Not-ECT, or by DCTCP as ECT(0): anything else but a mark on the latter shows a
 * path that rewrites these bits (§3.2.2.3). */
static bool is_mangled(const struct tcb *t, uint32_t ace) {
    return ace != handshake_ace(t->ecn.syn_ecn) && !(ace == ACE_CE && t->ecn.syn_ecn != 0);
}

bool accecn_on_syn_ack(struct tcb *t, const struct seg *s) {
    uint32_t ace = ace_of(s);
    if (ace != ACE_NOT_ECT && ace != ACE_ECT1 && ace != ACE_ECT0 && ace != ACE_CE)
        return false;
    begin(t, s);
    t->accecn.mangled = is_mangled(t, ace);
    t->accecn.handshake = true;
    return true;
}

static uint32_t next_ace(const struct tcb *t) {
    return t->accecn.handshake ? handshake_ace(t->accecn.peer_ecn)
                               : (t->accecn.received_ce + COUNT_START) % ACE_MODULUS;
}

bool accecn_has_cwr(const struct tcb *t) {
    return to_flags(next_ace(t)) & TH_CWR;
}

uint16_t accecn_flags(struct tcb *t, bool syn) {
    if (syn)
        return to_flags(handshake_ace(t->accecn.peer_ecn));
    uint32_t ace = next_ace(t);
    t->accecn.untold = 0;
    t->accecn.handshake = false;
    return to_flags(ace);
}

/* §3.2.2.1, table 4. */
void accecn_on_handshake_ack(struct tcb *t, const struct seg *s) {
    uint32_t ace = ace_of(s);
    if (!t->accecn.on)
        return;
    if (ace == 0) /* wiped on the way */
        t->accecn.mangled = true;
    else if (ace == ACE_CE) /* the SYN-ACK was marked */
        t->accecn.delivered_ce++;
}

/* A super-frame stands for the segments that it was made of, all with the same mark. */
static uint32_t packets(const struct seg *s) {
    uint32_t size = s->in->f.gso_size;
    return size > 0 && s->wire_len > size ? (s->wire_len + size - 1) / size : 1;
}

void accecn_on_arrival(struct stack *st, struct tcb *t, const struct seg *s) {
    if ((s->in->tos & ECN_MASK) != ECN_CE)
        return;
    uint32_t n = packets(s);
    st->ctr.TcpInCE += n;
    t->accecn.received_ce += n;
    t->accecn.untold = (uint8_t)u32_min(t->accecn.untold + n, UINT8_MAX);
    /* An ACK of an ACK only where there is something that it can tell of (§3.2.2.5.1). */
    if (t->accecn.untold >= UNTOLD_MAX && (s->len > 0 || s->fin))
        ackpolicy_now(st, t);
}

uint32_t accecn_marks(struct tcb *t, const struct seg *s) {
    uint32_t more = (ace_of(s) - t->accecn.delivered_ce - COUNT_START) % ACE_MODULUS;
    t->accecn.delivered_ce += more;
    return more;
}

/* ACKs in answer to segments that an attacker, or a peer that lost its state, may have sent. Each
 * connection has limits of its own: a counter shared by all would be a side channel (V20,
 * CVE-2016-5696), and without a limit two desynchronised ends ACK each other for ever (V21). */
#include "stack/tcp/tcb.h"

bool challenge_may(const struct stack *st, uint64_t *last_ns) {
    if (*last_ns != 0 && st->now_ns - *last_ns < st->tcp->cfg.invalid_ratelimit_ns)
        return false;
    *last_ns = st->now_ns;
    return true;
}

void challenge_ack(struct stack *st, struct tcb *t) { /* RFC 5961 §3.2, §4.2, §5.2 */
    if (!challenge_may(st, &t->ack.challenge_ns))
        return;
    st->ctr.TcpExtTCPChallengeACK++;
    segment_send_ack(st, t);
}

/* An unacceptable segment draws an ACK (RFC 9293 §3.10.7.4). One with data is no part of a storm of
 * ACKs and needs its answer at once. */
void challenge_oow_ack(struct stack *st, struct tcb *t, const struct seg *s) {
    if ((s->wire_len == 0 || s->syn) && !challenge_may(st, &t->ack.oow_ns))
        return;
    segment_send_ack(st, t);
}

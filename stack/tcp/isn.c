/* Numbers that an outsider must not be able to guess, yet that grow with time for one pair of
 * endpoints: initial sequence numbers and timestamp offsets. */
#include "stack/tcp/tcb.h"

#define ISN_TICK_NS 4000u /* RFC 9293 §3.4.1: about every 4 microseconds */

/* ISN = M + F(localip, localport, remoteip, remoteport, secretkey), RFC 6528 §3; RFC 9293 MUST-8,
 * MUST-9, SHLD-1. */
seq_t isn_choose(struct stack *st, const struct tcb *t) {
    struct {
        struct addr local, remote;
        uint64_t ports;
    } key = {t->local.addr, t->remote.addr,
             (uint64_t)t->local.port << 16 | (uint64_t)t->remote.port};
    uint64_t f = siphash(&st->tcp->isn_key, &key, sizeof(key));
    return seq((uint32_t)(st->now_ns / ISN_TICK_NS + f));
}

/* One offset for a pair of hosts, so that a later connection between the same endpoints carries
 * greater timestamps (RFC 6191 needs this), and none tells the uptime (RFC 7323 §5.4). */
uint32_t isn_ts_offset(struct stack *st, const struct tcb *t) {
    struct addr key[2] = {t->local.addr, t->remote.addr};
    return (uint32_t)siphash(&st->tcp->ts_key, key, sizeof(key));
}

#include "stack/tcp/tlp.h"

#include "stack/tcp/loss.h"
#include "stack/tcp/tcb.h"

#define PTO_SLACK_NS      (2 * MS_NS) /* for the peer's timers, as in Linux */
#define EARLY_RETRANS_TLP 3u          /* tcp_early_retrans: 3 and 4 have it on */

uint64_t tlp_timeout_ns(struct stack *st, const struct tcb *t, uint64_t rto_left_ns) {
    uint32_t on = st->tcp->cfg.early_retrans;
    if (on != EARLY_RETRANS_TLP && on != EARLY_RETRANS_TLP + 1)
        return 0;
    if (!t->use_sack || t->tlp.out || tcb_outstanding(t) == 0 ||
        (t->loss.state != LOSS_OPEN && t->loss.state != LOSS_CWR))
        return 0;
    uint64_t pto = TCP_RTO_INIT_NS;
    if (t->rtt.srtt_ns != 0) {
        pto = 2 * t->rtt.srtt_ns;
        /* A lone segment's ACK may be a delayed one. */
        pto += tcb_outstanding(t) <= t->snd.mss ? rtt_min_rto(st, t) : PTO_SLACK_NS;
    }
    return pto < rto_left_ns ? pto : rto_left_ns;
}

bool tlp_send(struct stack *st, struct tcb *t) {
    seq_t nxt = t->snd.nxt;
    if (t->tlp.out || tcb_outstanding(t) == 0)
        return false;
    bool fresh = output_probe_new(st, t), sent = fresh || output_probe_last(st, t);
    if (!sent)
        return false;
    st->ctr.TcpExtTCPLossProbes++;
    t->tlp = (struct tlp){.out = true, .is_rtx = !fresh, .end = fresh ? t->snd.nxt : nxt};
    return true;
}

bool tlp_on_ack(struct tcb *t, const struct ack_news *n) {
    if (!t->tlp.out || seq_lt(t->snd.una, t->tlp.end))
        return false;
    bool nothing_lost = !t->tlp.is_rtx || n->dsack;
    bool lost = !nothing_lost && seq_gt(t->snd.una, t->tlp.end);
    bool dup_ack = n->acked == 0 && n->sacked == 0; /* for the probe, so both came */
    if (nothing_lost || lost || dup_ack)
        t->tlp.out = false;
    return lost;
}

#include "stack/tcp/prr.h"

#include "stack/tcp/tcb.h"

void prr_begin(struct tcb *t, uint32_t recover_bytes) {
    t->prr = (struct prr){.recover_bytes = u32_max(recover_bytes, 1)};
}

void prr_on_sent(struct tcb *t, uint32_t bytes) {
    if (t->loss.state == LOSS_RECOVERY || t->loss.state == LOSS_CWR)
        t->prr.sent += bytes;
}

/* RFC 9937 §5. */
void prr_on_ack(struct tcb *t, uint32_t delivered, bool safe) {
    uint32_t pipe = scoreboard_pipe(t), ssthresh = t->cc.ssthresh_bytes, mss = t->snd.mss;
    uint64_t sndcnt;
    t->prr.delivered += delivered;
    if (pipe > ssthresh) { /* proportional */
        uint64_t want =
            (t->prr.delivered * ssthresh + t->prr.recover_bytes - 1) / t->prr.recover_bytes;
        sndcnt = want > t->prr.sent ? want - t->prr.sent : 0;
    } else { /* PRR-SSRB on a safe ACK, else conservation of packets */
        uint64_t owed = t->prr.delivered > t->prr.sent ? t->prr.delivered - t->prr.sent : 0;
        sndcnt = owed > delivered ? owed : delivered;
        if (safe)
            sndcnt += mss;
        if (sndcnt > ssthresh - pipe)
            sndcnt = ssthresh - pipe;
    }
    if (t->prr.sent == 0 && sndcnt < mss) /* the first retransmission goes in any case */
        sndcnt = mss;
    t->cc.cwnd_bytes = u32_max(pipe + (uint32_t)sndcnt, mss);
}

#include "stack/tcp/undo.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/loss.h"
#include "stack/tcp/tcb.h"

void undo_begin(struct tcb *t) {
    t->undo = (struct undo){.possible = true,
                            .marker = t->snd.una,
                            .cwnd_bytes = t->cc.cwnd_bytes,
                            .ssthresh_bytes = t->cc.ssthresh_bytes,
                            .resent_bytes = t->sent.rtx_bytes};
}

void undo_on_resent(struct stack *st, struct tcb *t, uint32_t bytes) {
    if (!t->undo.resent) {
        t->undo.resent = true;
        t->undo.resent_ts = ts_now(st, t);
    }
    t->undo.resent_bytes += bytes;
}

void undo_on_dsack(struct tcb *t, const struct ack_news *n, seq_t prior_una) {
    uint32_t bytes = (uint32_t)seq_diff(n->dsack_range.hi, n->dsack_range.lo);
    if (!n->dsack || !t->undo.possible || seq_le(n->dsack_range.hi, t->undo.marker))
        return;
    if (seq_gt(n->dsack_range.hi, seq_max(prior_una, t->sent.high_sacked)))
        return; /* it cannot have arrived once, let alone twice */
    t->undo.resent_bytes -= u32_min(t->undo.resent_bytes, bytes);
}

bool undo_is_delayed(const struct tcb *t, const struct ack_news *n) {
    return t->undo.resent && n->tsecr_ok && (int32_t)(n->tsecr - t->undo.resent_ts) < 0;
}

bool undo_all_duplicate(const struct tcb *t) {
    return t->undo.possible && t->undo.resent && t->undo.resent_bytes == 0;
}

bool undo_may(const struct tcb *t, const struct ack_news *n) {
    return t->undo.possible && (undo_all_duplicate(t) || undo_is_delayed(t, n));
}

void undo_do(struct stack *st, struct tcb *t, bool unmark) {
    if (unmark)
        sent_unmark_lost(t);
    cc_undo(st, t, t->undo.cwnd_bytes, t->undo.ssthresh_bytes);
    t->undo.possible = false;
    t->rack.advanced = true; /* look at the records again */
}

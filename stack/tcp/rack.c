#include "stack/tcp/rack.h"

#include "stack/tcp/loss.h"
#include "stack/tcp/tcb.h"

#define WINDOW_STEPS_MAX 255u
#define WINDOW_PERSIST   16u /* RFC 8985 §6.2 step 4 */

void rack_init(struct stack *st, struct tcb *t) {
    t->rack =
        (struct rack){.window_steps = 1, .reordering = st->tcp->cfg.reordering, .end = t->snd.una};
}

/* RFC 8985 §5.2, RACK_sent_after: a super-segment's parts share a time. */
static bool sent_after(uint64_t a_ns, seq_t a_end, uint64_t b_ns, seq_t b_end) {
    return a_ns > b_ns || (a_ns == b_ns && seq_gt(a_end, b_end));
}

void rack_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, bool tsecr_ok,
                       uint32_t tsecr) {
    uint64_t rtt = st->now_ns - r->sent_ns;
    if (r->flags & SENT_EVER_RTX) {
        /* Step 2: the ACK may be of the original. */
        if (rtt < t->rtt.min_ns)
            return;
        uint32_t resent = (uint32_t)(r->sent_ns / MS_NS) + t->ts_offset;
        if (tsecr_ok && (int32_t)(tsecr - resent) < 0)
            return;
    }
    t->rack.advanced = true;
    t->rack.rtt_ns = rtt;
    if (t->rack.sent_ns == 0 || sent_after(r->sent_ns, r->hi, t->rack.sent_ns, t->rack.end)) {
        t->rack.sent_ns = r->sent_ns;
        t->rack.end = r->hi;
    }
}

/* How far behind what had arrived did it come? As Linux, which raises its count of duplicates
 * that show a loss by that. */
static void on_reordering(struct stack *st, struct tcb *t, const struct ack_news *n) {
    uint32_t mss = t->snd.mss;
    uint32_t distance = (uint32_t)seq_diff(n->high_sacked, n->reordered);
    if (distance > t->rack.reordering * mss)
        t->rack.reordering = u32_min(tcb_segments(t, distance), st->tcp->cfg.max_reordering);
    t->rack.reordering_seen = true;
    t->rack.reordering_events++;
    if (t->use_sack)
        st->ctr.TcpExtTCPSACKReorder++;
}

void rack_on_ack(struct stack *st, struct tcb *t, const struct ack_news *n) {
    if (seq_lt(n->reordered, n->high_sacked))
        on_reordering(st, t, n);
    if (n->dsack)
        t->rack.dsack_seen = true;
    /* Step 4: at most once a round trip. */
    if (n->rs.prior.delivered_ns != 0 && n->rs.prior.delivered < t->rack.round_delivered)
        return;
    if (t->rack.dsack_seen) {
        t->rack.window_steps = (uint8_t)u32_min(WINDOW_STEPS_MAX, t->rack.window_steps + 1u);
        t->rack.dsack_seen = false;
        t->rack.round_delivered = t->rate.delivered;
        t->rack.window_persist = WINDOW_PERSIST;
    } else if (t->rack.window_persist == 0) {
        t->rack.window_steps = 1;
    }
}

void rack_on_recovery_end(struct tcb *t) {
    if (t->rack.window_persist > 0)
        t->rack.window_persist--;
}

/* RACK_update_reo_wnd. Where no reordering was ever seen, recovery and three SACKed segments
 * (RFC 6675's threshold) want none. */
uint64_t rack_window_ns(const struct stack *st, const struct tcb *t) {
    if (!t->rack.reordering_seen) {
        bool enough = scoreboard_sacked(t) >= t->rack.reordering * t->snd.mss;
        if (t->loss.state >= LOSS_RECOVERY ||
            (enough && !(st->tcp->cfg.recovery & RACK_NO_DUPTHRESH)))
            return 0;
    }
    if (t->rtt.min_ns == UINT64_MAX)
        return 0;
    uint64_t wnd = t->rtt.min_ns / 4 * t->rack.window_steps, max = t->rtt.srtt_ns;
    return wnd < max ? wnd : max;
}

bool rack_is_overdue(struct stack *st, const struct tcb *t, const struct sent *r) {
    return st->now_ns >= r->sent_ns + t->rack.rtt_ns;
}

uint64_t rack_detect(struct stack *st, struct tcb *t) {
    uint64_t wnd = rack_window_ns(st, t), longest = 0;
    struct sent *r, *next;
    if (!t->rack.advanced)
        return 0;
    t->rack.advanced = false;
    for (r = TAILQ_FIRST(&t->sent.times); r != NULL; r = next) {
        next = TAILQ_NEXT(r, by_time);
        if (!sent_after(t->rack.sent_ns, t->rack.end, r->sent_ns, r->hi))
            break;
        uint64_t due = r->sent_ns + t->rack.rtt_ns + wnd;
        if (st->now_ns >= due)
            sent_mark_lost(st, t, r);
        else if (due - st->now_ns > longest)
            longest = due - st->now_ns;
    }
    return longest;
}

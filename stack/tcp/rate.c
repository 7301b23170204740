#include "stack/tcp/rate.h"

#include "stack/tcp/tcb.h"

void rate_on_send(struct stack *st, struct tcb *t, struct sent *r, uint32_t pipe) {
    struct rate *rate = &t->rate;
    if (pipe == 0) /* a new flight: the time before it was no sending */
        rate->first_sent_ns = rate->delivered_ns = st->now_ns;
    r->rate = (struct rate_mark){.delivered = rate->delivered,
                                 .delivered_ns = rate->delivered_ns,
                                 .first_sent_ns = rate->first_sent_ns,
                                 .lost = rate->lost,
                                 .in_flight = pipe + sent_len(r),
                                 .app_limited = rate->app_limited != 0};
}

void rate_on_delivered(struct stack *st, struct tcb *t, const struct sent *r, uint32_t bytes,
                       struct rate_sample *rs) {
    t->rate.delivered += bytes;
    t->rate.delivered_ns = st->now_ns;
    rs->acked_sacked += bytes;
    bool newest = rs->prior.delivered_ns == 0 || r->rate.delivered > rs->prior.delivered ||
                  (r->rate.delivered == rs->prior.delivered && r->sent_ns >= rs->prior_sent_ns);
    if (r->rate.delivered_ns == 0 || !newest)
        return;
    rs->prior = r->rate;
    rs->prior_sent_ns = r->sent_ns;
    t->rate.first_sent_ns = r->sent_ns;
}

/* Is a over b (bytes over ns) at least c over d? */
static bool is_faster(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    return (unsigned __int128)a * d >= (unsigned __int128)c * b;
}

void rate_finish(struct stack *st, struct tcb *t, struct rate_sample *rs) {
    struct rate *rate = &t->rate;
    if (rate->app_limited != 0 && rate->delivered > rate->app_limited)
        rate->app_limited = 0;
    if (rs->prior.delivered_ns == 0)
        return;
    rs->is_app_limited = rs->prior.app_limited;
    rs->delivered = rate->delivered - rs->prior.delivered;
    uint64_t send_ns = rs->prior_sent_ns - rs->prior.first_sent_ns;
    uint64_t ack_ns = st->now_ns - rs->prior.delivered_ns;
    rs->interval_ns = send_ns > ack_ns ? send_ns : ack_ns;
    /* Shorter than any round trip seen: an ACK of a retransmission that was for the original. */
    if (rs->interval_ns < t->rtt.min_ns || rs->interval_ns == 0) {
        rs->interval_ns = 0;
        return;
    }
    if (!rs->is_app_limited || rate->last_interval_ns == 0 ||
        is_faster(rs->delivered, rs->interval_ns, rate->last_delivered, rate->last_interval_ns)) {
        rate->last_delivered = rs->delivered;
        rate->last_interval_ns = rs->interval_ns;
        rate->last_app_limited = rs->is_app_limited;
    }
}

void rate_mark_app_limited(struct tcb *t, uint32_t pipe) {
    uint64_t until = t->rate.delivered + pipe;
    t->rate.app_limited = until > 0 ? until : 1;
}

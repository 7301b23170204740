#include "stack/tcp/hystart.h"

#include "stack/tcp/tcb.h"

/* RFC 9406 §4.3 */
#define MIN_RTT_THRESH_NS  (4 * MS_NS)
#define MAX_RTT_THRESH_NS  (16 * MS_NS)
#define MIN_RTT_DIVISOR    8u
#define N_RTT_SAMPLE       8u
#define CSS_GROWTH_DIVISOR 4u
#define CSS_ROUNDS         5u

static void begin_round(const struct tcb *t, struct hystart *h) {
    h->last_min_ns = h->round_min_ns;
    h->round_min_ns = UINT64_MAX;
    h->samples = 0;
    h->round_end = t->snd.nxt;
}

void hystart_init(const struct tcb *t, struct hystart *h) {
    *h = (struct hystart){.last_min_ns = UINT64_MAX, .round_min_ns = UINT64_MAX};
    begin_round(t, h);
}

static uint64_t threshold_ns(uint64_t rtt_ns) {
    uint64_t ns = rtt_ns / MIN_RTT_DIVISOR;
    return ns < MIN_RTT_THRESH_NS   ? MIN_RTT_THRESH_NS
           : ns > MAX_RTT_THRESH_NS ? MAX_RTT_THRESH_NS
                                    : ns;
}

static void watch_for_rise(struct hystart *h) {
    if (h->samples < N_RTT_SAMPLE || h->last_min_ns == UINT64_MAX)
        return;
    if (!h->in_css && h->round_min_ns >= h->last_min_ns + threshold_ns(h->last_min_ns)) {
        h->in_css = true;
        h->css_rounds = 0;
        h->baseline_ns = h->round_min_ns;
    } else if (h->in_css && h->round_min_ns < h->baseline_ns) {
        h->in_css = false;
    }
}

bool hystart_on_ack(const struct tcb *t, struct hystart *h, uint64_t rtt_ns) {
    if (rtt_ns != 0) {
        h->samples++;
        if (rtt_ns < h->round_min_ns)
            h->round_min_ns = rtt_ns;
        watch_for_rise(h);
    }
    if (seq_lt(t->snd.una, h->round_end))
        return false;
    begin_round(t, h);
    return h->in_css && ++h->css_rounds >= CSS_ROUNDS;
}

uint32_t hystart_growth(const struct hystart *h, uint32_t acked) {
    return h->in_css ? acked / CSS_GROWTH_DIVISOR : acked;
}

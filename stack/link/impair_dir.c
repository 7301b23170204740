#include "stack/link/impair.h"

#include <string.h>

#include "stack/wire/eth.h"
#include "stack/wire/ip4.h"

#define MILLION  1000000u
#define ECN_BITS 3u

bool impair_dir_init(struct impair_dir *d, const struct impair *cfg, void *mem, size_t size) {
    uint8_t seed[16] = "shimstack impair"; /* makes the key differ from others of this seed */
    *d = (struct impair_dir){.cfg = *cfg};
    for (int i = 0; i < 8; i++)
        seed[i] ^= (uint8_t)(cfg->seed >> (8 * i));
    rand_init(&d->rnd, seed);
    if (d->cfg.queue_bytes == 0)
        d->cfg.queue_bytes = IMPAIR_QUEUE_DEFAULT;
    if (d->cfg.reorder_ns == 0)
        d->cfg.reorder_ns = IMPAIR_REORDER_DEFAULT_NS;
    return frameq_init(&d->q, mem, size);
}

bool impair_per_frame(const struct impair *c) {
    return c->loss_ppm != 0 || c->dup_ppm != 0 || c->reorder_ppm != 0 || c->corrupt_ppm != 0 ||
           c->rate_bps != 0;
}

bool impair_is_none(const struct impair *c) {
    return !impair_per_frame(c) && c->delay_ns == 0 && c->jitter_ns == 0 && c->far_ns == 0;
}

static bool chance(struct impair_dir *d, uint32_t ppm) {
    return ppm != 0 && rand_below(&d->rnd, MILLION) < ppm;
}

/* Loss of loss_ppm on the whole, whatever the length of the bursts: a burst ends with 1/burst, and
 * begins as often as that asks for. */
static bool is_lost(struct impair_dir *d) {
    const struct impair *c = &d->cfg;
    if (c->burst <= 1 || c->loss_ppm >= MILLION)
        return chance(d, c->loss_ppm);
    uint64_t begin_ppm =
        (uint64_t)c->loss_ppm * MILLION / ((uint64_t)c->burst * (MILLION - c->loss_ppm));
    uint32_t ppm = d->in_burst ? MILLION - MILLION / c->burst : (uint32_t)begin_ppm;
    d->in_burst = chance(d, ppm < MILLION ? ppm : MILLION);
    return d->in_burst;
}

static uint64_t tx_time_ns(const struct impair_dir *d, uint64_t bytes) {
    return (uint64_t)((unsigned __int128)bytes * 8 * 1000000000u / d->cfg.rate_bps);
}

static bool parse_ip4(const uint8_t *frame, uint32_t len, struct ip4_hdr *ip) {
    struct eth_hdr eth;
    return eth_parse(frame, len, &eth) >= 0 && eth.type == ETH_IPV4 &&
           ip4_parse(frame + ETH_HDR_LEN, len - ETH_HDR_LEN, ip) >= 0;
}

/* The ports stand first in TCP and in UDP; a later fragment has none, and is near. */
static bool is_far(const struct impair_dir *d, const uint8_t *frame, uint32_t len) {
    struct ip4_hdr ip;
    be16_t port[2];
    if (d->cfg.far_ns == 0 || !parse_ip4(frame, len, &ip) || ip.frag_off != 0 ||
        (ip.proto != PROTO_TCP && ip.proto != PROTO_UDP) ||
        len < ETH_HDR_LEN + ip.hdr_len + sizeof(port))
        return false;
    memcpy(port, frame + ETH_HDR_LEN + ip.hdr_len, sizeof(port));
    return be16_get(port[0]) == d->cfg.far_port || be16_get(port[1]) == d->cfg.far_port;
}

/* Congestion experienced (RFC 3168 §5): an IPv4 packet whose sender does ECN says so from here. */
static void mark(struct impair_dir *d, uint8_t *frame, uint32_t len) {
    struct ip4_hdr ip;
    if (!parse_ip4(frame, len, &ip) || (ip.tos & ECN_BITS) == 0 || ip.hdr_len != IP4_HDR_LEN)
        return;
    ip.tos |= ECN_BITS;
    ip4_build(frame + ETH_HDR_LEN, &ip);
    d->stats.marked++;
}

/* When the frame has left the bottleneck; false when its queue is full. */
static bool pass_bottleneck(struct impair_dir *d, uint8_t *frame, uint32_t len, uint64_t now,
                            uint64_t *left_ns) {
    *left_ns = now;
    if (d->cfg.rate_bps == 0)
        return true;
    uint64_t wait = d->busy_until_ns > now ? d->busy_until_ns - now : 0;
    /* The frame being sent right now does not count: an idle bottleneck takes any frame. */
    if (wait > 0 && wait + tx_time_ns(d, len) > tx_time_ns(d, d->cfg.queue_bytes))
        return false;
    if (d->cfg.mark_bytes != 0 && wait > tx_time_ns(d, d->cfg.mark_bytes))
        mark(d, frame, len);
    d->busy_until_ns = now + wait + tx_time_ns(d, len);
    *left_ns = d->busy_until_ns;
    return true;
}

/* One bit, anywhere behind the Ethernet header: it stands for damage that no frame check has
 * seen, such as a bad memory chip in a router. ARP is spared, since it has no checksum of its own:
 * nobody could tell, and the address learnt from it would be wrong for minutes. */
static void corrupt(struct impair_dir *d, uint8_t *frame, uint32_t len) {
    struct eth_hdr eth;
    if (eth_parse(frame, len, &eth) < 0 || eth.type == ETH_ARP || len <= ETH_HDR_LEN)
        return;
    uint32_t bit = rand_below(&d->rnd, (len - ETH_HDR_LEN) * 8);
    frame[ETH_HDR_LEN + bit / 8] ^= (uint8_t)(1u << (bit % 8));
    d->stats.corrupted++;
}

static uint64_t arrival_ns(struct impair_dir *d, uint64_t left_ns, bool far) {
    uint64_t due = left_ns + d->cfg.delay_ns + (far ? d->cfg.far_ns : 0);
    if (d->cfg.jitter_ns != 0)
        due += rand_u64(&d->rnd) % d->cfg.jitter_ns;
    if (chance(d, d->cfg.reorder_ppm)) {
        d->stats.reordered++;
        return due + d->cfg.reorder_ns;
    }
    if (due < d->last_due_ns[far])
        due = d->last_due_ns[far];
    d->last_due_ns[far] = due;
    return due;
}

static void enqueue(struct impair_dir *d, const struct frameq_meta *m, const uint8_t *frame) {
    if (!frameq_push(&d->q, m, frame))
        d->stats.queue_drops++;
}

void impair_dir_put(struct impair_dir *d, uint8_t *frame, uint32_t len, uint16_t gso_size,
                    enum frame_csum csum, uint64_t now_ns) {
    uint64_t left_ns;
    bool far = is_far(d, frame, len);

    d->stats.frames++;
    if (!pass_bottleneck(d, frame, len, now_ns, &left_ns)) {
        d->stats.queue_drops++;
        return;
    }
    if (is_lost(d)) {
        d->stats.lost++;
        return;
    }
    if (chance(d, d->cfg.corrupt_ppm))
        corrupt(d, frame, len);
    struct frameq_meta m = {.due_ns = arrival_ns(d, left_ns, far),
                            .len = len,
                            .gso_size = gso_size,
                            .csum = (uint8_t)csum};
    enqueue(d, &m, frame);
    if (chance(d, d->cfg.dup_ppm)) {
        d->stats.dupped++;
        enqueue(d, &m, frame);
    }
}

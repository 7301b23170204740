/* TCP MD5 signatures, RFC 2385: every segment of a connection carries an MD5 digest of itself and a
 * key that both ends know. What BGP sessions are guarded with; obsoleted by TCP-AO, which few have.
 *
 * A socket has keys, each for the peers of a prefix, as in Linux; the longest prefix counts. They
 * may be set and deleted in any state. A connection asks for its key whenever it sends or receives
 * a segment, so that a change counts at once. A child takes over the listener's key for its peer at
 * the SYN, and from then on has keys of its own.
 *
 * The digest covers one segment as it is on the wire: a connection with a key sends no
 * super-segments (output.c), and a received one that somebody has put together fails.
 *
 * A key is zeroed when it is deleted. Digests are compared in constant time. */
#include "stack/tcp/md5.h"

#include <md5.h>

#include "stack/tcp/tcb.h"

_Static_assert(TCP_MD5_LEN == MD5_DIGEST_LENGTH, "");

/* ---- the keys ---- */

void md5_init(struct tcb *t) {
    TAILQ_INIT(&t->md5.list);
    t->md5.n = 0;
}

const struct md5_key *md5_find(const struct tcb *t, const struct addr *peer) {
    const struct md5_key *k, *best = NULL;
    TAILQ_FOREACH (k, &t->md5.list, link)
        if (prefix_contains(&k->peers, peer) && (best == NULL || best->peers.plen < k->peers.plen))
            best = k;
    return best;
}

const struct md5_key *md5_key(const struct tcb *t) {
    return md5_find(t, &t->remote.addr);
}

static struct md5_key *find_exact(struct tcb *t, const struct prefix *peers, bool ifindex) {
    struct md5_key *k;
    TAILQ_FOREACH (k, &t->md5.list, link)
        if (addr_eq(&k->peers.net, &peers->net) && k->peers.plen == peers->plen &&
            k->ifindex == ifindex)
            return k;
    return NULL;
}

/* The owner comes last, so that a process that dies here leaves none or a whole one. */
static void link_key(struct tcb *t, struct md5_key *k) {
    k->owner = t;
    TAILQ_INSERT_HEAD(&t->md5.list, k, link);
    t->md5.n++;
}

static int add(struct stack *st, struct tcb *t, const struct prefix *peers, bool ifindex,
               const uint8_t *bytes, size_t len) {
    struct md5_key *k = t->md5.n < TCP_MD5_KEYS_MAX ? pool_get(&st->tcp->md5_keys) : NULL;
    if (k == NULL) {
        st->ctr.mem_keys_out++;
        return -ENOMEM;
    }
    k->peers = *peers;
    k->ifindex = ifindex;
    k->len = (uint8_t)len;
    memcpy(k->bytes, bytes, len);
    link_key(t, k);
    return 0;
}

static void drop(struct stack *st, struct md5_key *k) {
    struct tcb *t = k->owner;
    k->owner = NULL;
    TAILQ_REMOVE(&t->md5.list, k, link);
    t->md5.n--;
    memset(k->bytes, 0, sizeof(k->bytes));
    pool_put(&st->tcp->md5_keys, k);
}

static int set(struct stack *st, struct tcb *t, const struct prefix *peers, bool ifindex,
               const uint8_t *bytes, size_t len) {
    struct md5_key *k = find_exact(t, peers, ifindex);
    if (len == 0) {
        if (k == NULL)
            return -ENOENT;
        drop(st, k);
        return 0;
    }
    if (k == NULL)
        return add(st, t, peers, ifindex, bytes, len);
    memset(k->bytes, 0, sizeof(k->bytes));
    memcpy(k->bytes, bytes, len);
    k->len = (uint8_t)len;
    return 0;
}

int tcp_md5_set(struct stack *st, struct tcb *t, const struct prefix *peers, bool ifindex,
                const uint8_t *bytes, size_t len) {
    assert(len <= TCP_MD5_KEY_MAX);
    stack_dirty(st, t);
    int err = set(st, t, peers, ifindex, bytes, len);
    tcb_leave(st, t);
    return err;
}

void tcp_md5_move(struct stack *st, struct tcb *to, struct tcb *from) {
    struct md5_key *k;
    stack_dirty(st, to);
    while ((k = TAILQ_LAST(&from->md5.list, md5_key_list)) != NULL) {
        TAILQ_REMOVE(&from->md5.list, k, link);
        from->md5.n--;
        link_key(to, k);
    }
    tcb_leave(st, to);
}

bool md5_inherit(struct stack *st, struct tcb *child, const struct tcb *l) {
    const struct md5_key *k = md5_find(l, &child->remote.addr);
    struct prefix peer = {child->remote.addr, 128};
    return k == NULL || add(st, child, &peer, k->ifindex, k->bytes, k->len) == 0;
}

void md5_clear(struct stack *st, struct tcb *t) {
    struct md5_key *k;
    while ((k = TAILQ_FIRST(&t->md5.list)) != NULL)
        drop(st, k);
}

void md5_relink(struct stack *st, struct md5_key *k) {
    if (pool_owns(&st->tcp->tcbs, k->owner)) {
        link_key(k->owner, k);
        return;
    }
    k->owner = NULL;
    memset(k->bytes, 0, sizeof(k->bytes));
    pool_put(&st->tcp->md5_keys, k);
}

/* ---- digests ---- */

/* The IPv4 pseudo-header, which IP is to be given with the segment (RFC 2385 §2.0 (1)). */
struct pseudo {
    be32_t src, dst;
    uint8_t zero, proto;
    be16_t len;
};
_Static_assert(sizeof(struct pseudo) == 12, "");

/* Of a segment of `len` bytes between these addresses: its header without options and with a zero
 * checksum, then its payload (§2.0 (2) to (4)). The options count for the length only. */
static void digest(const struct md5_key *key, const struct addr *src, const struct addr *dst,
                   size_t len, const uint8_t *hdr, const struct iovec *payload, int n,
                   uint8_t out[static TCP_MD5_LEN]) {
    struct pseudo ph = {addr_to_be(src), addr_to_be(dst), 0, PROTO_TCP, be16((uint16_t)len)};
    uint8_t h[TCP_HDR_LEN];
    MD5_CTX ctx;
    memcpy(h, hdr, sizeof(h));
    memset(h + TCP_CSUM_OFFSET, 0, sizeof(be16_t));
    MD5Init(&ctx);
    MD5Update(&ctx, (const uint8_t *)&ph, sizeof(ph));
    MD5Update(&ctx, h, sizeof(h));
    for (int i = 0; i < n; i++)
        MD5Update(&ctx, payload[i].iov_base, payload[i].iov_len);
    MD5Update(&ctx, key->bytes, key->len);
    MD5Final(out, &ctx);
}

void md5_sign(struct pkt *p, const struct md5_key *key, const struct addr *src,
              const struct addr *dst) {
    struct iovec iov[1 + PKT_FRAGS_MAX];
    int n = pkt_iov(p, iov);
    uint8_t *hdr = iov[0].iov_base;
    digest(key, src, dst, pkt_len(p), hdr, iov + 1, n - 1, hdr + TCP_MD5_OFFSET);
}

/* How long it takes says nothing of how much is right. */
static bool same(const uint8_t a[static TCP_MD5_LEN], const uint8_t b[static TCP_MD5_LEN]) {
    uint8_t differ = 0;
    for (unsigned i = 0; i < TCP_MD5_LEN; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

static bool is_genuine(struct stack *st, struct seg *s, const struct md5_key *key) {
    const uint8_t *p = seg_bytes(st, s);
    uint8_t good[TCP_MD5_LEN];
    if (p == NULL || s->h.opt.md5_twice)
        return false;
    struct iovec payload = {(uint8_t *)(uintptr_t)p + s->h.hdr_len, s->wire_len};
    digest(key, &s->in->src, &s->in->dst, s->h.hdr_len + s->wire_len, p, &payload, 1, good);
    return same(good, s->h.opt.md5);
}

bool md5_admits(struct stack *st, const struct tcb *t, struct seg *s) {
    const struct md5_key *key = md5_find(t, &s->in->src);
    bool is_signed = s->h.opt.has_md5;
    if (key == NULL && !is_signed)
        return true;
    if (key == NULL)
        st->ctr.TcpExtTCPMD5Unexpected++;
    else if (!is_signed)
        st->ctr.TcpExtTCPMD5NotFound++;
    else if (!is_genuine(st, s, key))
        st->ctr.TcpExtTCPMD5Failure++;
    else
        return true;
    return false;
}

const struct md5_key *md5_key_for_stray(struct stack *st, struct seg *s) {
    struct flow_key port = {
        .local = {s->in->dst, s->h.sport}, .remote = {.addr = s->in->src}, .proto = PROTO_TCP};
    struct flow_node *n = flow_match(st, &port); /* port 0 is no connection's: a listener */
    const struct tcb *l = n != NULL ? tcb_from_flow(n) : NULL;
    if (l == NULL || l->state != TCPS_LISTEN)
        return NULL;
    const struct md5_key *key = md5_find(l, &s->in->src);
    return key != NULL && is_genuine(st, s, key) ? key : NULL;
}

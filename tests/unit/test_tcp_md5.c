/* Digests against one that openssl has made, and what md5.c does with frames and keys:
 *
 *     xxd -r -p <<<"0a0000020a00000100060034 9c401388 00000001 00000002 a0181000 00000000
 *                   $(printf 'hello, world' | xxd -p) $(printf secret | xxd -p)" | openssl md5
 *
 * which is pseudo-header, header, payload and key of RFC 2385 §2.0. */
#include "tests/unit/tcp_unit.h"

static const uint8_t good[TCP_MD5_LEN] = {0x51, 0x97, 0x1a, 0xf3, 0xe1, 0xeb, 0x69, 0xae,
                                          0x04, 0x44, 0x01, 0xb5, 0x1e, 0x53, 0x4b, 0x54};

static void set_key(struct stack *st, struct tcb *t, const char *key) {
    struct prefix p = {PEER, 128};
    cr_assert_eq(tcp_md5_set(st, t, &p, false, (const uint8_t *)key, strlen(key)), 0);
}

/* The segment of the vector, in three pieces, signed by `key`. */
static struct pkt *signed_pkt(struct stack *st, const struct md5_key *key) {
    struct tcp_hdr h = {.sport = 40000,
                        .dport = 5000,
                        .seq = seq(1),
                        .ack = seq(2),
                        .flags = TH_PSH | TH_ACK,
                        .window = 4096};
    struct pkt *p = pkt_get(&st->pkts);
    cr_assert(pkt_add_copy(p, &st->chunks, "hello", 5) && pkt_add_copy(p, &st->chunks, ", ", 2) &&
              pkt_add_copy(p, &st->chunks, "world", 5));
    cr_assert_eq(p->nfrags, 3);
    segment_push_header(p, &h, &PEER, &US, key);
    return p;
}

/* The same as it comes in. */
static bool admitted(struct stack *st, struct tcb *t, struct frame *f) {
    struct ip_in in = {.f = *f, .src = PEER, .dst = US, .ttl = 64};
    struct seg s = {.in = &in};
    int n = tcp_parse(in.f.data, in.f.linear, &s.h);
    cr_assert_gt(n, 0);
    s.wire_len = s.len = in.f.len - (uint32_t)n;
    bool yes = md5_admits(st, t, &s);
    if (s.chunk != NULL)
        chunk_unref(&st->chunks, s.chunk);
    return yes;
}

Test(tcp_md5, rfc2385_the_digest_of_a_known_segment) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    set_key(st, t, "secret");
    struct pkt *p = signed_pkt(st, md5_key(t));
    cr_assert_eq(pkt_hdr_len(p), 40);
    cr_assert_eq(memcmp(pkt_hdr(p) + TCP_HDR_LEN, "\x01\x01\x13\x12", 4), 0);
    cr_assert_eq(memcmp(pkt_hdr(p) + TCP_MD5_OFFSET, good, sizeof(good)), 0);
    pkt_free(&st->pkts, &st->chunks, p);
    tu_end(st, t);
}

/* In one piece, and with the payload elsewhere (a frame larger than its slot in the ring). */
Test(tcp_md5, a_frame_in_pieces_is_verified) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct frame f;
    uint8_t flat[52];
    set_key(st, t, "secret");
    struct pkt *p = signed_pkt(st, md5_key(t));
    frame_from_pkt(&f, p);
    cr_assert_lt(f.linear, f.len);
    cr_assert(admitted(st, t, &f));
    cr_assert_eq(frame_read(&f, 0, f.len, &(struct iovec){flat, sizeof(flat)}, 1), 52);
    frame_from_mem(&f, flat, sizeof(flat));
    cr_assert(admitted(st, t, &f));
    /* Any bit of it, but for the checksum; and without another length of the header or option. */
    for (unsigned bit = 0; bit < sizeof(flat) * 8; bit++) {
        unsigned at = bit / 8;
        bool header_len = at == 12 && bit % 8 >= 4, option = at / 4 == TCP_HDR_LEN / 4;
        flat[at] ^= (uint8_t)(1u << bit % 8);
        if (!header_len && !option)
            cr_assert_eq(admitted(st, t, &f), (at & ~1u) == TCP_CSUM_OFFSET, "byte %u", at);
        flat[at] ^= (uint8_t)(1u << bit % 8);
    }
    pkt_free(&st->pkts, &st->chunks, p);
    tu_end(st, t);
}

Test(tcp_md5, no_memory_to_verify_with) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct stream all = {0};
    struct chunk *c;
    struct frame f;
    set_key(st, t, "secret");
    struct pkt *p = signed_pkt(st, md5_key(t));
    while ((c = chunk_get(&st->chunks, 1)) != NULL) {
        c->len = 1;
        stream_append_chunk(&all, c);
    }
    frame_from_pkt(&f, p);
    cr_assert(!admitted(st, t, &f));
    cr_assert_gt(st->ctr.mem_chunks_out, 0);
    stream_clear(&st->chunks, &all);
    pkt_free(&st->pkts, &st->chunks, p);
    tu_end(st, t);
}

Test(tcp_md5, deleted_keys_leave_nothing_behind) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    set_key(st, t, "a rather long secret");
    const struct md5_key *k = md5_key(t);
    set_key(st, t, "short");
    cr_assert(k->len == 5 && memcmp(k->bytes, "short\0\0", 7) == 0);
    set_key(st, t, "a rather long secret");
    md5_clear(st, t);
    cr_assert_eq(st->tcp->md5_keys.n_used, 0);
    cr_assert_eq(pool_get_raw(&st->tcp->md5_keys), k);
    for (unsigned i = 0; i < sizeof(k->bytes); i++)
        cr_assert_eq(k->bytes[i], 0);
    pool_put(&st->tcp->md5_keys, (void *)(uintptr_t)k);
    tu_end(st, t);
}

/* A record of several segments from before the key, and no memory to split it. */
Test(tcp_md5, a_super_segment_does_not_go_again_as_one) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    tu_sent(st, t, 3 * TU_MSS);
    tcp_on_sent(st, t);
    set_key(st, t, "secret");
    while (pool_get(&st->tcp->sents) != NULL)
        ;
    cr_assert(output_probe_last(st, t));
    cr_assert_eq(t->snd.bytes_retrans, TU_MSS);
    struct sent *r;
    POOL_FOREACH (&st->tcp->sents, i, r)
        if (r->owner == NULL)
            pool_put(&st->tcp->sents, r);
    tu_end(st, t);
}

/* A process died while it made a key, and with it a tcb that had one. */
Test(tcp_md5, repair_gives_keys_back_to_their_owners) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st), *other = tcb_alloc(st);
    set_key(st, t, "secret");
    tcp_set_user(t, t);
    set_key(st, other, "lost");
    pool_put(&st->tcp->tcbs, other);
    cr_assert_not_null(pool_get(&st->tcp->md5_keys)); /* no owner yet */
    cr_assert_eq(st->tcp->md5_keys.n_used, 3);
    tcp_repair_mark(st);
    flow_remove(st, &t->flow);
    tcp_repair_relink(st);
    cr_assert_eq(st->tcp->md5_keys.n_used, 1);
    cr_assert(t->md5.n == 1 && md5_key(t) != NULL && md5_key(t)->len == 6);
    cr_assert_null(tcp_check(st, t));
    tcp_set_user(t, NULL);
    tu_end(st, t);
}

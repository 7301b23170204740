#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/csum.h"
#include "stack/base/pkt.h"
#include "stack/base/rand.h"

static struct chunk_pools cp;
static struct pool pkts;
static struct pkt *p;
static void *mem;
static uint8_t pattern[140000];

static void setup(void) {
    struct arena a;
    size_t size = 4 << 20;
    mem = calloc(1, size);
    arena_init(&a, mem, size);
    cr_assert(chunk_pools_init(&cp, &a, 100, 4));
    cr_assert(pool_init(&pkts, &a, sizeof(struct pkt), 4));
    p = pkt_get(&pkts);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 11 + i / 253);
}
static void teardown(void) {
    free(mem);
}
TestSuite(pkt, .init = setup, .fini = teardown);
TestSuite(frame, .init = setup, .fini = teardown);

static void expect_nothing_held(void) {
    cr_assert_eq(pkts.n_used, 0);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

Test(pkt, headers_are_built_from_the_inside_out) {
    memcpy(pkt_push(p, 4), "tcp ", 4);
    memcpy(pkt_push(p, 3), "ip ", 3);
    memcpy(pkt_push(p, 4), "eth ", 4);
    cr_assert_eq(pkt_hdr_len(p), 11);
    cr_assert_eq(memcmp(pkt_hdr(p), "eth ip tcp ", 11), 0);
    pkt_free(&pkts, &cp, p);
    expect_nothing_held();
}

Test(pkt, offload_marks_move_with_the_headers) {
    pkt_push(p, 20);
    pkt_set_csum(p, 16);
    pkt_set_gso(p, GSO_TCP4, 1448);
    pkt_push(p, 20);
    pkt_push(p, 14);
    cr_assert_eq(p->csum_start, 34);
    cr_assert_eq(p->csum_offset, 16);
    cr_assert_eq(p->gso_hdr_len, 54);
    pkt_free(&pkts, &cp, p);
    p = pkt_get(&pkts);
    pkt_push(p, 34);
    cr_assert(!p->csum_partial && p->csum_start == 0 && p->gso_hdr_len == 0, "none left over");
}

Test(pkt, too_many_header_bytes_stop, .signal = SIGABRT) {
    pkt_push(p, PKT_HDR_MAX + 1);
}

Test(pkt, payload_is_references) {
    cr_assert(pkt_add_copy(p, &cp, pattern, 100));
    struct chunk *c = p->frag[0].chunk;
    cr_assert_eq(c->refs, 1);
    cr_assert(pkt_add_frag(p, c, c->data + 10, 20));
    cr_assert_eq(c->refs, 2);
    cr_assert(pkt_add_frag(p, c, c->data + 30, 5));
    cr_assert_eq(p->nfrags, 2, "adjacent pieces are joined");
    cr_assert_eq(c->refs, 2);
    cr_assert_eq(p->payload_len, 125);
    pkt_push(p, 8);
    struct iovec iov[1 + PKT_FRAGS_MAX];
    cr_assert_eq(pkt_iov(p, iov), 3);
    cr_assert_eq(iov_len(iov, 3), pkt_len(p));
    cr_assert_eq(memcmp(iov[2].iov_base, pattern + 10, 25), 0);
    pkt_free(&pkts, &cp, p);
    expect_nothing_held();
}

Test(pkt, fragments_and_payload_are_bounded) {
    struct stream s = {0};
    struct iovec iov = {pattern, sizeof(pattern)};
    cr_assert_eq(stream_append(&cp, &s, &iov, 1, 0, sizeof(pattern)), sizeof(pattern));
    cr_assert_eq(pkt_add_stream(p, &s, 5, sizeof(pattern)), PKT_PAYLOAD_MAX);
    cr_assert_eq(pkt_add_stream(p, &s, 5, 1), 0);
    cr_assert(!pkt_add_copy(p, &cp, pattern, 1));
    struct pkt *q = pkt_get(&pkts);
    for (int i = 0; i < PKT_FRAGS_MAX; i++)
        cr_assert(pkt_add_frag(q, s.head, s.head->data + 2 * (size_t)i, 1));
    cr_assert(!pkt_add_frag(q, s.head, s.head->data + 100, 1));
    uint32_t refs = s.head->refs;
    cr_assert(pkt_add_frag(q, s.head, s.head->data + 2 * (size_t)PKT_FRAGS_MAX - 1, 1),
              "but it joins");
    cr_assert_eq(s.head->refs, refs);
    cr_assert_eq(pkt_add_stream(q, &s, 70000, 10), 0);
    pkt_free(&pkts, &cp, q);
    pkt_free(&pkts, &cp, p);
    stream_clear(&cp, &s);
    expect_nothing_held();
}

Test(pkt, a_stream_goes_in_by_reference_and_in_order) {
    struct stream s = {0};
    for (size_t at = 0; at < 40000; at += 1000) {
        struct iovec iov = {pattern + at, 1000};
        stream_append(&cp, &s, &iov, 1, 0, 1000);
    }
    size_t used = cp.small.n_used;
    cr_assert_eq(pkt_add_stream(p, &s, 1234, 30001), 30001);
    cr_assert_eq(cp.small.n_used, used);
    uint64_t sum = pkt_csum_payload(p, 0, 3);
    cr_assert_eq(csum_fold(sum).raw, csum_fold(csum_add_at(0, pattern + 1234, 30001, 3)).raw);
    stream_consume(&cp, &s, 40000);
    struct iovec iov[1 + PKT_FRAGS_MAX];
    uint8_t out[30001];
    struct iovec dst = {out, sizeof(out)};
    int n = pkt_iov(p, iov);
    cr_assert_eq(iov_copy(&dst, 1, 0, iov, n, 0, sizeof(out)), sizeof(out));
    cr_assert_eq(memcmp(out, pattern + 1234, sizeof(out)), 0);
    pkt_free(&pkts, &cp, p);
    expect_nothing_held();
}

Test(pkt, out_of_memory_leaves_nothing_behind) {
    while (chunk_get(&cp, 1) != NULL)
        ;
    cr_assert(!pkt_add_copy(p, &cp, pattern, 10));
    while (pkt_get(&pkts) != NULL)
        ;
    cr_assert_eq(pkts.n_failed, 1);
    pkt_free(&pkts, &cp, p);
    cr_assert_eq(pkt_get(&pkts), p);
}

/* ---- frames ---- */

/* A link's frame: `linear` bytes at data, the others given by read_rest once. */
static int reads;
static const uint8_t *rest;
static uint32_t rest_len;

static int read_rest(struct frame *f, const struct iovec *iov, int niov) {
    (void)f;
    reads++;
    struct iovec src = {(void *)(uintptr_t)rest, rest_len};
    return (int)iov_copy(iov, niov, 0, &src, 1, 0, rest_len);
}

static struct frame make_frame(const uint8_t *data, uint32_t linear, uint32_t len) {
    rest = data + linear;
    rest_len = len - linear;
    reads = 0;
    return (struct frame){.data = data, .linear = linear, .len = len, .read_rest = read_rest};
}

Test(frame, plain_memory) {
    struct frame f;
    uint8_t out[50];
    struct iovec iov[] = {{out, 7}, {NULL, 0}, {out + 7, 43}};
    frame_from_mem(&f, pattern, 100);
    frame_pull(&f, 10);
    cr_assert_eq(frame_read(&f, 5, 1000, iov, 3), 50);
    cr_assert_eq(memcmp(out, pattern + 15, 50), 0);
    cr_assert_eq(frame_read(&f, 0, 20, iov, 3), 20);
    cr_assert_eq(frame_read(&f, 85, 20, iov, 3), 5);
    cr_assert_eq(frame_read(&f, 90, 20, iov, 3), 0);
    cr_assert_eq(frame_read(&f, 1000, 20, iov, 3), 0);
}

Test(frame, trim) {
    struct frame f = make_frame(pattern, 60, 200);
    frame_trim(&f, 300);
    cr_assert(f.len == 200 && f.linear == 60);
    frame_trim(&f, 100);
    cr_assert(f.len == 100 && f.linear == 60);
    frame_pull(&f, 20);
    frame_trim(&f, 30);
    cr_assert(f.len == 30 && f.linear == 30);
    uint8_t out[100];
    struct iovec iov = {out, 100};
    cr_assert_eq(frame_read(&f, 0, 100, &iov, 1), 30);
    cr_assert_eq(memcmp(out, pattern + 20, 30), 0);
    cr_assert_eq(reads, 0, "nothing of the rest was wanted");
}

Test(frame, every_way_of_cutting_gives_the_right_bytes) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){6});
    static uint8_t out[70000];
    for (int round = 0; round < 5000; round++) {
        uint32_t len = rand_below(&r, 2) ? rand_below(&r, 65536) : rand_below(&r, 200);
        uint32_t linear = rand_below(&r, len < 4000 ? len + 1 : 4000);
        struct frame f = make_frame(pattern, linear, len);
        uint32_t pull = rand_below(&r, linear + 1), left = len - pull;
        frame_pull(&f, pull);
        if (rand_below(&r, 2)) {
            uint32_t cut = rand_below(&r, left + 10);
            frame_trim(&f, cut);
            left = cut < left ? cut : left;
        }
        uint32_t skip = rand_below(&r, left + 3), want = rand_below(&r, left + 3);
        uint32_t expect = skip < left ? left - skip : 0;
        expect = want < expect ? want : expect;
        /* A vector of up to 20 pieces, some empty, perhaps too short. */
        struct iovec iov[20];
        uint32_t room = 0;
        int niov = 1 + (int)rand_below(&r, 20);
        for (int i = 0; i < niov; i++) {
            uint32_t n = rand_below(&r, 4) == 0 ? 0 : rand_below(&r, 5000);
            if (i == niov - 1 && rand_below(&r, 4) != 0)
                n = (uint32_t)sizeof(out) - room;
            n = n < sizeof(out) - room ? n : (uint32_t)sizeof(out) - room;
            iov[i] = (struct iovec){out + room, n};
            room += n;
        }
        expect = room < expect ? room : expect;
        memset(out, 0xee, room);
        cr_assert_eq(frame_read(&f, skip, want, iov, niov), (int)expect);
        cr_assert_eq(memcmp(out, pattern + pull + skip, expect), 0);
        for (uint32_t i = expect; i < room && i < expect + 64; i++)
            cr_assert_eq(out[i], 0xee, "nothing behind what was asked for");
        cr_assert_leq(reads, 1);
    }
}

static int read_fails(struct frame *f, const struct iovec *iov, int niov) {
    (void)f, (void)iov, (void)niov;
    return -EIO;
}

Test(frame, a_rest_that_is_lost_is_an_error) {
    struct frame f = make_frame(pattern, 10, 20);
    uint8_t out[20];
    struct iovec iov = {out, 20};
    f.read_rest = read_fails;
    cr_assert_eq(frame_read(&f, 0, 20, &iov, 1), -EIO);
    cr_assert_eq(frame_read(&f, 0, 10, &iov, 1), 10);
}

Test(frame, a_short_rest_is_told) {
    struct frame f = make_frame(pattern, 10, 100);
    uint8_t out[100];
    struct iovec iov = {out, 100};
    rest_len = 30;
    cr_assert_eq(frame_read(&f, 0, 100, &iov, 1), 40);
    f = make_frame(pattern, 10, 100);
    rest_len = 30;
    cr_assert_eq(frame_read(&f, 60, 100, &iov, 1), 0);
}

Test(frame, a_view_of_an_outgoing_packet) {
    struct stream s = {0};
    struct iovec in = {pattern + 40, 60000};
    stream_append(&cp, &s, &in, 1, 0, 60000);
    cr_assert_eq(pkt_add_stream(p, &s, 0, 60000), 60000);
    memcpy(pkt_push(p, 40), pattern, 40);
    pkt_set_csum(p, 16);
    pkt_set_gso(p, GSO_TCP4, 1000);
    struct frame f;
    frame_from_pkt(&f, p);
    cr_assert_eq(f.linear, 40);
    cr_assert_eq(f.len, 60040);
    cr_assert_eq(f.csum, FRAME_CSUM_PARTIAL);
    cr_assert_eq(f.gso_size, 1000);
    frame_pull(&f, 20);
    static uint8_t out[70000];
    struct iovec iov = {out, sizeof(out)};
    cr_assert_eq(frame_read(&f, 7, 50000, &iov, 1), 50000);
    cr_assert_eq(memcmp(out, pattern + 27, 50000), 0);
    stream_clear(&cp, &s);
    pkt_free(&pkts, &cp, p);
    expect_nothing_held();
}

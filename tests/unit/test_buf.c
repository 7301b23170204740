#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "stack/base/buf.h"
#include "stack/base/rand.h"

#define N_SMALL 40
#define N_LARGE 4

static struct chunk_pools cp;
static struct stream s;
static void *mem;
static uint8_t pattern[400000];

static void setup(void) {
    struct arena a;
    size_t size = 1 << 20;
    mem = calloc(1, size);
    arena_init(&a, mem, size);
    cr_assert(chunk_pools_init(&cp, &a, N_SMALL, N_LARGE));
    s = (struct stream){0};
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 7 + i / 251);
}
static void teardown(void) {
    free(mem);
}
TestSuite(buf, .init = setup, .fini = teardown);

static size_t append(const void *p, size_t len) {
    struct iovec iov = {(void *)(uintptr_t)p, len};
    return stream_append(&cp, &s, &iov, 1, 0, len);
}

static void expect_bytes(size_t off, const uint8_t *want, size_t len) {
    uint8_t *got = malloc(len + 1);
    struct iovec iov = {got, len};
    cr_assert_eq(stream_copy(&s, off, &iov, 1, 0, len), len);
    cr_assert_eq(memcmp(got, want, len), 0);
    free(got);
}

Test(buf, a_chunk_of_the_fitting_size) {
    struct chunk *a = chunk_get(&cp, 1), *b = chunk_get(&cp, CHUNK_SMALL_CAP + 1);
    cr_assert(!a->large && b->large);
    cr_assert_eq(a->refs, 1);
    cr_assert_geq(b->cap, 65536 - 54, "a whole 64 KB frame less its headers");
    cr_assert_eq(chunk_true_size(a), CHUNK_SMALL_SIZE);
    chunk_ref(a);
    chunk_unref(&cp, a);
    cr_assert_eq(cp.small.n_used, 1);
    chunk_unref(&cp, a);
    chunk_unref(&cp, b);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

Test(buf, the_other_size_when_one_is_out) {
    struct chunk *c;
    for (int i = 0; i < N_LARGE; i++)
        cr_assert(chunk_get(&cp, 50000)->large);
    cr_assert(!chunk_get(&cp, 50000)->large);
    for (int i = 1; i < N_SMALL; i++)
        cr_assert_not_null(chunk_get(&cp, 1));
    cr_assert_null(c = chunk_get(&cp, 1));
}

Test(buf, a_stream_gives_back_what_was_put_in) {
    cr_assert_eq(append(pattern, 10), 10);
    cr_assert_eq(append(pattern + 10, 5000), 5000);
    cr_assert_eq(append(pattern + 5010, 100000), 100000);
    cr_assert_eq(s.len, 105010);
    expect_bytes(0, pattern, 105010);
    expect_bytes(5009, pattern + 5009, 3);
    stream_consume(&cp, &s, 5005);
    expect_bytes(0, pattern + 5005, 100005);
    stream_consume(&cp, &s, 100004);
    expect_bytes(0, pattern + 105009, 1);
    stream_consume(&cp, &s, 1);
    cr_assert_null(s.head);
    cr_assert_null(s.tail);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

Test(buf, append_from_a_vector_with_holes_and_a_skip) {
    struct iovec iov[] = {
        {pattern, 3}, {NULL, 0}, {pattern + 3, 0}, {pattern + 3, 10}, {pattern + 13, 1}};
    cr_assert_eq(stream_append(&cp, &s, iov, 5, 2, 100), 12);
    expect_bytes(0, pattern + 2, 12);
    cr_assert_eq(stream_append(&cp, &s, iov, 5, 14, 100), 0);
    cr_assert_eq(stream_append(&cp, &s, iov, 5, 99, 100), 0);
    cr_assert_eq(stream_append(&cp, &s, iov, 5, 0, 4), 4);
    cr_assert_eq(s.len, 16);
}

Test(buf, append_takes_what_fits_when_memory_is_out) {
    size_t all = N_SMALL * CHUNK_SMALL_CAP + N_LARGE * CHUNK_LARGE_CAP;
    uint8_t *big = calloc(1, all + 1000);
    cr_assert_eq(append(big, all + 1000), all);
    cr_assert_eq(append(big, 1), 0);
    cr_assert_eq(stream_true_size(&s), N_SMALL * CHUNK_SMALL_SIZE + N_LARGE * CHUNK_LARGE_SIZE);
    stream_clear(&cp, &s);
    cr_assert_eq(stream_true_size(&s), 0);
    cr_assert_eq(append(pattern, 1), 1);
    free(big);
}

Test(buf, small_writes_share_a_chunk) {
    for (int i = 0; i < 100; i++)
        append(pattern + i, 1);
    cr_assert_eq(cp.small.n_used, 1);
    expect_bytes(0, pattern, 100);
}

Test(buf, a_run_lies_within_one_chunk) {
    append(pattern, 100);
    struct chunk *c = chunk_get(&cp, 10);
    memcpy(c->data + 4, pattern + 100, 6);
    c->off = 4;
    c->len = 6;
    stream_append_chunk(&s, c);
    uint8_t *p;
    struct chunk *at;
    cr_assert_eq(stream_run(&s, 90, 1000, &p, &at), 10);
    cr_assert_eq(memcmp(p, pattern + 90, 10), 0);
    cr_assert_eq(stream_run(&s, 100, 1000, &p, &at), 6);
    cr_assert_eq(at, c);
    cr_assert_eq(p, c->data + 4);
    cr_assert_eq(stream_run(&s, 90, 3, &p, &at), 3);
}

Test(buf, copy_into_a_vector_that_is_too_small_stops) {
    append(pattern, 5000);
    append(pattern + 5000, 50000);
    uint8_t out[4500];
    struct iovec iov[] = {{out, 100}, {out + 100, 4400}};
    cr_assert_eq(stream_copy(&s, 7, iov, 2, 50, 60000), 4450);
    cr_assert_eq(memcmp(out + 50, pattern + 7, 4450), 0);
    cr_assert_eq(stream_copy(&s, 55000, iov, 2, 0, 10), 0);
}

/* A reference stays valid after its bytes have been consumed and more have been appended. */
Test(buf, referenced_bytes_stay) {
    append(pattern, 100);
    uint8_t *p;
    struct chunk *c;
    stream_run(&s, 0, 100, &p, &c);
    chunk_ref(c);
    stream_consume(&cp, &s, 100);
    append(pattern + 200, 3000);
    cr_assert_eq(memcmp(p, pattern, 100), 0);
    chunk_unref(&cp, c);
    stream_clear(&cp, &s);
    cr_assert_eq(cp.small.n_used, 0);
}

Test(buf, random_walk_agrees_with_a_flat_buffer) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){5});
    size_t in = 0, out = 0;
    for (int round = 0; round < 20000; round++) {
        size_t n = rand_below(&r, 10) == 0 ? rand_below(&r, 60000) : rand_below(&r, 900);
        switch (rand_below(&r, 4)) {
        case 0:
            n = n < sizeof(pattern) - in ? n : sizeof(pattern) - in;
            in += append(pattern + in, n);
            break;
        case 1:
            n = n < in - out ? n : in - out;
            stream_consume(&cp, &s, n);
            out += n;
            break;
        default:
            if (in > out) {
                uint8_t *p;
                struct chunk *c;
                size_t off = rand_below(&r, (uint32_t)(in - out));
                size_t got = stream_run(&s, off, n + 1, &p, &c);
                cr_assert(got > 0 && got <= n + 1);
                cr_assert_eq(memcmp(p, pattern + out + off, got), 0);
            }
        }
        cr_assert_eq(s.len, in - out);
        if (in == sizeof(pattern) && in == out)
            in = out = 0;
    }
    stream_clear(&cp, &s);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

Test(buf, repair_keeps_whole_streams_and_frees_the_rest) {
    append(pattern, 200000);
    struct stream lost = s;
    s = (struct stream){0};
    append(pattern, 5000);
    append(pattern + 5000, 5000);
    s.head->refs = 17; /* whoever held those is gone */
    uint8_t *p;
    struct chunk *c;
    stream_run(&s, 9000, 1, &p, &c);
    (void)lost;
    chunk_pools_mark_begin(&cp);
    cr_assert(chunk_pools_mark(&cp, &s));
    chunk_pools_sweep(&cp);
    expect_bytes(0, pattern, 10000);
    stream_clear(&cp, &s);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

Test(buf, join_moves_by_reference_and_copies_only_what_fits_behind) {
    struct stream a = {0}, b = {0}, empty = {0};
    struct iovec iov = {pattern, 100}, iov2 = {pattern + 100, 100};
    stream_append(&cp, &a, &iov, 1, 0, 100);
    stream_append(&cp, &b, &iov2, 1, 0, 100);
    stream_join(&cp, &a, &b);
    cr_assert_eq(cp.small.n_used, 1, "two small pieces share a chunk");
    cr_assert(b.len == 0 && b.head == NULL && b.tail == NULL);
    stream_join(&cp, &a, &empty);
    cr_assert_eq(a.len, 200);
    iov = (struct iovec){pattern + 200, 60000};
    stream_append(&cp, &b, &iov, 1, 0, 60000);
    struct chunk *large = b.tail;
    stream_join(&cp, &a, &b);
    cr_assert_eq(a.tail, large);
    stream_join(&cp, &s, &a);
    cr_assert_eq(s.len, 60200);
    expect_bytes(0, pattern, 60200);
    append(pattern + 60200, 1000);
    expect_bytes(0, pattern, 61200);
    stream_clear(&cp, &s);
    cr_assert_eq(cp.small.n_used + cp.large.n_used, 0);
}

enum damage {
    CYCLE,
    WRONG_LEN,
    WILD_POINTER,
    WRONG_TAIL,
    FOREIGN_CHUNK,
    BAD_OFF,
    FREED,
    N_DAMAGES
};

Test(buf, repair_empties_a_stream_that_is_not_whole) {
    for (enum damage d = 0; d < N_DAMAGES; d++) {
        struct stream other = {0};
        append(pattern, 200000);
        struct iovec iov = {pattern, 9};
        stream_append(&cp, &other, &iov, 1, 0, 9);
        switch (d) {
        case CYCLE:
            s.tail->next = s.head;
            break;
        case WRONG_LEN:
            s.len++;
            break;
        case WILD_POINTER:
            s.head->next = (struct chunk *)(void *)(s.head->data + 64);
            break;
        case WRONG_TAIL:
            s.tail = s.head;
            break;
        case FOREIGN_CHUNK:
            s.tail->next = other.head;
            break;
        case BAD_OFF:
            s.head->off = UINT32_MAX;
            break;
        default:
            s.head->refs = 1;
            chunk_unref(&cp, s.head);
            break;
        }
        chunk_pools_mark_begin(&cp);
        cr_assert(chunk_pools_mark(&cp, &other));
        cr_assert(!chunk_pools_mark(&cp, &s), "damage %d", d);
        cr_assert_eq(s.len, 0);
        cr_assert_null(s.head);
        chunk_pools_sweep(&cp);
        cr_assert_eq(cp.small.n_used + cp.large.n_used, 1, "damage %d", d);
        stream_clear(&cp, &other);
        cr_assert_eq(cp.small.n_used, 0);
    }
}

Test(buf, iov_copy_between_ragged_vectors) {
    uint8_t out[20] = {0};
    struct iovec src[] = {{pattern, 1}, {pattern + 1, 0}, {pattern + 1, 9}};
    struct iovec dst[] = {{out, 4}, {out + 4, 2}, {out + 6, 14}};
    cr_assert_eq(iov_len(src, 3), 10);
    cr_assert_eq(iov_copy(dst, 3, 3, src, 3, 2, 100), 8);
    cr_assert_eq(memcmp(out + 3, pattern + 2, 8), 0);
    cr_assert_eq(iov_copy(dst, 3, 20, src, 3, 0, 100), 0);
    cr_assert_eq(iov_copy(dst, 3, 0, src, 3, 10, 100), 0);
    cr_assert_eq(iov_copy(dst, 0, 0, src, 3, 0, 100), 0);
}

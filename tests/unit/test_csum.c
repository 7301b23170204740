#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/csum.h"
#include "stack/base/rand.h"

/* By the definition: 16-bit words in network order, end-around carry. */
static uint16_t plain_sum(const uint8_t *p, size_t len) {
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)(p[i] << 8 | (i + 1 < len ? p[i + 1] : 0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)sum;
}

Test(csum, example_of_rfc1071) {
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    cr_assert_eq(be16_get(csum_fold(csum_add(0, data, 8))), 0xddf2);
    cr_assert_eq(be16_get(csum_finish(csum_add(0, data, 8))), 0x220d);
}

Test(csum, equals_the_definition_at_every_length_and_alignment) {
    uint8_t data[700];
    struct rand r;
    rand_init(&r, (const uint8_t[16]){1});
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rand_u64(&r);
    for (size_t at = 0; at < 9; at++)
        for (size_t len = 0; len + at <= 600; len++)
            cr_assert_eq(be16_get(csum_fold(csum_add(0, data + at, len))),
                         plain_sum(data + at, len), "at %zu len %zu", at, len);
}

Test(csum, all_ones_carry_round) {
    uint8_t data[4096];
    memset(data, 0xff, sizeof(data));
    for (size_t len = 0; len <= sizeof(data); len += 2)
        cr_assert_eq(be16_get(csum_fold(csum_add(0, data, len))), len > 0 ? 0xffff : 0);
    cr_assert_eq(be16_get(csum_fold(csum_add(UINT64_MAX, data, 8))), 0xffff);
}

Test(csum, in_pieces_equals_in_one) {
    uint8_t data[300];
    struct rand r;
    rand_init(&r, (const uint8_t[16]){2});
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rand_u64(&r);
    be16_t whole = csum_finish(csum_add(0, data, sizeof(data)));
    for (int round = 0; round < 500; round++) {
        uint64_t sum = 0;
        for (size_t at = 0, n; at < sizeof(data); at += n) {
            n = 1 + rand_below(&r, 40);
            n = n < sizeof(data) - at ? n : sizeof(data) - at;
            sum = csum_add_at(sum, data + at, n, at);
        }
        cr_assert_eq(csum_finish(sum).raw, whole.raw);
    }
}

Test(csum, a_message_with_a_right_checksum_finishes_as_zero) {
    /* UDP 10.0.0.1:1 -> 10.0.0.2:2, 4 bytes. */
    struct addr src = addr_v4(0x0a000001), dst = addr_v4(0x0a000002);
    uint8_t udp[12] = {0, 1, 0, 2, 0, 12, 0, 0, 'a', 'b', 'c', 'd'};
    be16_t c = csum_finish(csum_add(csum_pseudo(&src, &dst, 17, 12), udp, 12));
    /* 0a00+0001+0a00+0002 +0011+000c +0001+0002+000c+6162+6364 = d8f5, complemented. */
    cr_assert_eq(be16_get(c), 0x270a);
    memcpy(udp + 6, &c, 2);
    cr_assert_eq(csum_finish(csum_add(csum_pseudo(&src, &dst, 17, 12), udp, 12)).raw, 0);
    udp[9] ^= 4;
    cr_assert_neq(csum_finish(csum_add(csum_pseudo(&src, &dst, 17, 12), udp, 12)).raw, 0);
}

Test(csum, ipv6_pseudo_header) {
    struct addr src, dst;
    addr_parse("2001:db8::1", &src);
    addr_parse("2001:db8::2", &dst);
    uint8_t pseudo[40];
    memcpy(pseudo, src.b, 16);
    memcpy(pseudo + 16, dst.b, 16);
    memcpy(pseudo + 32, "\x00\x01\x23\x45\x00\x00\x00\x06", 8);
    cr_assert_eq(be16_get(csum_fold(csum_pseudo(&src, &dst, 6, 0x12345))),
                 plain_sum(pseudo, sizeof(pseudo)));
}

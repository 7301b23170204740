#include <criterion/criterion.h>
#include <string.h>

#include "stack/wire/ip4.h"

static uint8_t b[IP4_HDR_MAX];
static struct ip4_hdr h;

/* A header with these option bytes and a right checksum, as many bytes as its IHL says. */
static size_t make(const void *opts, size_t n) {
    struct ip4_hdr in = {.total_len = 1500,
                         .id = 7,
                         .df = true,
                         .ttl = 64,
                         .proto = PROTO_TCP,
                         .tos = 0x2e,
                         .src = addr_v4(0x0a000001),
                         .dst = addr_v4(0x0a000002)};
    size_t len = (IP4_HDR_LEN + n + 3) / 4 * 4;
    memset(b, 0, sizeof(b));
    ip4_build(b, &in);
    memcpy(b + IP4_HDR_LEN, opts, n);
    b[0] = (uint8_t)(0x40 | len / 4);
    return len;
}
static void fix_csum(size_t len) {
    memset(b + 10, 0, 2);
    be16_t c = csum_finish(csum_add(0, b, len));
    memcpy(b + 10, &c, 2);
}
static int parse_opts(const void *opts, size_t n) {
    size_t len = make(opts, n);
    fix_csum(len);
    return ip4_parse(b, len, &h);
}

Test(ip4, parse_and_build) {
    cr_assert_eq(make("", 0), 20);
    cr_assert_eq(ip4_parse(b, 20, &h), 20);
    cr_assert(h.total_len == 1500 && h.id == 7 && h.df && !h.mf && h.frag_off == 0);
    cr_assert(h.ttl == 64 && h.proto == 6 && h.tos == 0x2e && !h.source_route);
    cr_assert_eq(addr_get_v4(&h.src), 0x0a000001);
    cr_assert_eq(addr_get_v4(&h.dst), 0x0a000002);
    h.df = false, h.mf = true, h.frag_off = 65528;
    ip4_build(b, &h);
    cr_assert_eq(ip4_parse(b, 20, &h), 20);
    cr_assert(!h.df && h.mf && h.frag_off == 65528);
}

/* The header of RFC 1071's time, from a capture: 192.168.0.1 > 192.168.0.199, UDP, sum b861. */
Test(ip4, a_known_checksum) {
    static const uint8_t known[] = {0x45, 0,    0,    0x73, 0, 0, 0x40, 0,    0x40, 0x11,
                                    0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,    0xc7};
    cr_assert_eq(ip4_parse(known, 20, &h), 20);
    ip4_build(b, &h);
    cr_assert_eq(memcmp(b, known, 20), 0);
}

Test(ip4, every_single_bit_error_is_refused) {
    make("", 0);
    for (int bit = 0; bit < 160; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_eq(ip4_parse(b, 20, &h), -1, "bit %d", bit);
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(ip4, lying_lengths_are_refused) {
    make("", 0);
    for (size_t len = 0; len < 20; len++)
        cr_assert_eq(ip4_parse(b, len, &h), -1);
    b[0] = 0x44; /* IHL below 5 */
    fix_csum(16);
    cr_assert_eq(ip4_parse(b, 60, &h), -1);
    b[0] = 0x46; /* IHL beyond the bytes */
    fix_csum(24);
    cr_assert_eq(ip4_parse(b, 20, &h), -1);
    make("", 0);
    memcpy(b + 2, "\x00\x13", 2); /* total length below the header's */
    fix_csum(20);
    cr_assert_eq(ip4_parse(b, 20, &h), -1);
    make("", 0);
    b[0] = 0x65;
    fix_csum(20);
    cr_assert_eq(ip4_parse(b, 20, &h), -1, "version 6");
}

Test(ip4, must50_unknown_options_are_skipped) {
    cr_assert_eq(parse_opts("\x01\x94\x04\x00\x00\x01\x00", 7), 28, "router alert");
    cr_assert(!h.source_route);
    cr_assert_eq(parse_opts("\x00\xff\xff\xff", 4), 24, "what lies behind END is not looked at");
}

Test(ip4, source_routes_are_told) {
    cr_assert_eq(parse_opts("\x83\x07\x04\x0a\x00\x00\x03", 7), 28);
    cr_assert(h.source_route);
    cr_assert_eq(parse_opts("\x89\x03\x04", 3), 24);
    cr_assert(h.source_route);
}

Test(ip4, malformed_options_are_refused) {
    cr_assert_eq(parse_opts("\x07\x00\x00\x00", 4), -1, "length 0");
    cr_assert_eq(parse_opts("\x07\x01\x00\x00", 4), -1, "length 1");
    cr_assert_eq(parse_opts("\x07\x05\x04\x00", 4), -1, "past the header");
    cr_assert_eq(parse_opts("\x01\x01\x01\x07", 4), -1, "no room for a length");
    cr_assert_eq(parse_opts("\x83\x02\x01\x01", 4), -1, "LSRR without a pointer");
    cr_assert_eq(parse_opts("\x83\x03\x03\x01", 4), -1, "LSRR with an impossible pointer");
    cr_assert_eq(parse_opts("\x83\x03\x04\x89\x03\x04", 6), -1, "two source routes");
}

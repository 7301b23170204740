#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/rand.h"
#include "stack/wire/tcp.h"

static uint8_t b[TCP_HDR_MAX];
static struct tcp_hdr h;

/* A segment with these option bytes, padded with END. */
static int parse_opts(uint16_t flags, const void *opts, size_t n) {
    size_t len = (TCP_HDR_LEN + n + 3) / 4 * 4;
    memset(b, 0, sizeof(b));
    memcpy(b, "\x13\x88\x00\x50\x00\x00\x00\x01\x00\x00\x00\x02\x50\x00\x10\x00\x00\x00\x00\x09",
           20);
    b[12] = (uint8_t)(len / 4 << 4 | flags >> 8);
    b[13] = (uint8_t)flags;
    memcpy(b + TCP_HDR_LEN, opts, n);
    return tcp_parse(b, len, &h);
}

static void expect_wire(const struct tcp_hdr *in, const char *opts, size_t n) {
    uint8_t out[TCP_HDR_MAX];
    cr_assert_eq(tcp_build_len(in), TCP_HDR_LEN + n);
    cr_assert_eq(tcp_build(out, in), TCP_HDR_LEN + n);
    cr_assert_eq(out[12] >> 4, (TCP_HDR_LEN + n) / 4);
    cr_assert_eq(memcmp(out + TCP_HDR_LEN, opts, n), 0);
}

Test(tcp_wire, fixed_part) {
    cr_assert_eq(parse_opts(TH_ACK | TH_PSH | TH_AE, "", 0), 20);
    cr_assert(h.sport == 5000 && h.dport == 80 && h.seq.v == 1 && h.ack.v == 2);
    cr_assert(h.flags == (TH_ACK | TH_PSH | TH_AE) && h.window == 4096 && h.urg == 9);
    uint8_t out[TCP_HDR_MAX];
    cr_assert_eq(tcp_build(out, &h), 20);
    cr_assert_eq(memcmp(out, b, 20), 0);
}

Test(tcp_wire, lying_lengths_are_refused) {
    parse_opts(TH_ACK, "\1\1\1\1", 4);
    for (size_t len = 0; len < 24; len++)
        cr_assert_eq(tcp_parse(b, len, &h), -1);
    for (int off = 0; off < 5; off++) {
        b[12] = (uint8_t)(off << 4);
        cr_assert_eq(tcp_parse(b, 60, &h), -1);
    }
}

Test(tcp_wire, syn_options_as_linux_writes_them) {
    struct tcp_hdr in = {.flags = TH_SYN,
                         .opt = {.has_mss = true,
                                 .mss = 1460,
                                 .sack_permitted = true,
                                 .has_ts = true,
                                 .tsval = 100,
                                 .tsecr = 5,
                                 .has_wscale = true,
                                 .wscale = 7}};
    expect_wire(&in, "\x02\x04\x05\xb4\x04\x02\x08\x0a\0\0\0\x64\0\0\0\x05\x01\x03\x03\x07", 20);
    in.opt.sack_permitted = false;
    expect_wire(&in, "\x02\x04\x05\xb4\x01\x01\x08\x0a\0\0\0\x64\0\0\0\x05\x01\x03\x03\x07", 20);
    in.opt.sack_permitted = true, in.opt.has_ts = false;
    expect_wire(&in, "\x02\x04\x05\xb4\x01\x01\x04\x02\x01\x03\x03\x07", 12);
    in.opt.sack_permitted = false, in.opt.has_wscale = false;
    expect_wire(&in, "\x02\x04\x05\xb4", 4);
    in.flags = TH_ACK;
    expect_wire(&in, "", 0); /* MUST-65: no MSS but on a SYN */
}

Test(tcp_wire, sack_blocks_fill_what_room_there_is) {
    struct tcp_hdr in = {.flags = TH_ACK, .opt = {.has_ts = true, .nsack = 4}};
    for (uint32_t i = 0; i < 4; i++)
        in.opt.sack[i].lo = seq(i * 16), in.opt.sack[i].hi = seq(i * 16 + 8);
    uint8_t out[TCP_HDR_MAX];
    cr_assert_eq(tcp_build(out, &in), 20 + 12 + 4 + 3 * 8, "three beside a timestamp");
    cr_assert_eq(tcp_parse(out, 60, &h), 60);
    cr_assert(h.opt.has_ts && h.opt.nsack == 3 && h.opt.sack[2].hi.v == 40);
    in.opt.has_ts = false;
    cr_assert_eq(tcp_build(out, &in), 20 + 4 + 4 * 8, "four without");
    cr_assert_eq(tcp_parse(out, 60, &h), 56);
    cr_assert(h.opt.nsack == 4 && h.opt.sack[3].lo.v == 48);
    in.opt.nsack = 1;
    expect_wire(&in, "\x01\x01\x05\x0a\0\0\0\0\0\0\0\x08", 12);
}

/* Found by fuzz_wire: the two together would overrun the header. */
Test(tcp_wire, a_fast_open_cookie_that_has_no_room_is_left_out) {
    struct tcp_hdr in = {.flags = TH_SYN,
                         .opt = {.has_mss = true,
                                 .has_ts = true,
                                 .has_wscale = true,
                                 .fo = {.present = true, .exp = true, .len = TCP_FO_COOKIE_MAX}}};
    cr_assert_eq(tcp_build_len(&in), TCP_HDR_MAX, "beside all others it fits");
    in.opt.has_md5 = true;
    uint8_t out[TCP_HDR_MAX];
    cr_assert_eq(tcp_build(out, &in), TCP_HDR_MAX);
    cr_assert_eq(tcp_parse(out, sizeof(out), &h), TCP_HDR_MAX);
    cr_assert(h.opt.has_md5 && h.opt.has_ts && h.opt.has_wscale && !h.opt.fo.present);
}

Test(tcp_wire, must5_options_in_any_segment_and_must64_at_any_offset) {
    cr_assert_eq(parse_opts(TH_ACK, "\x01\x08\x0a\0\0\0\x01\0\0\0\x02", 11), 32);
    cr_assert(h.opt.has_ts && h.opt.tsval == 1 && h.opt.tsecr == 2);
    cr_assert_eq(parse_opts(TH_ACK, "\x01\x01\x08\x0a\0\0\0\x01\0\0\0\x02", 12), 32);
    cr_assert(h.opt.has_ts && h.opt.tsval == 1 && h.opt.tsecr == 2);
}

Test(tcp_wire, must68_must6_unknown_options_are_skipped) {
    cr_assert_eq(parse_opts(TH_SYN, "\xfe\x06xxxx\x02\x04\x02\x00", 10), 32);
    cr_assert(h.opt.has_mss && h.opt.mss == 512);
}

Test(tcp_wire, v1_must7_illegal_lengths_are_survived) {
    static const char *const lists[] = {"\x02\x00\x05\xb4", "\x02\x01\x05\xb4", "\x02\x09\x05\xb4",
                                        "\x01\x01\x01\x02", "\x02\xff\x05\xb4"};
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(parse_opts(TH_SYN, lists[i], 4), 24);
        cr_assert(!h.opt.has_mss, "list %d", i);
    }
    cr_assert_eq(parse_opts(TH_SYN, "\x02\x05xxx\x03\x03\x07", 8), 28);
    cr_assert(!h.opt.has_mss && h.opt.has_wscale,
              "an MSS of 5 bytes is none; what follows is read");
    cr_assert_eq(parse_opts(TH_ACK, "\x05\x09xxxxxxx", 9), 32);
    cr_assert_eq(h.opt.nsack, 0);
    cr_assert_eq(parse_opts(TH_ACK, "\x05\x02\x01\x01", 4), 24);
    cr_assert_eq(h.opt.nsack, 0);
}

Test(tcp_wire, must65_what_belongs_to_a_syn_is_ignored_elsewhere) {
    cr_assert_eq(parse_opts(TH_ACK, "\x02\x04\x05\xb4\x04\x02\x03\x03\x07", 9), 32);
    cr_assert(!h.opt.has_mss && !h.opt.sack_permitted && !h.opt.has_wscale);
    cr_assert_eq(parse_opts(TH_SYN, "\x05\x0axxxxxxxx", 10), 32);
    cr_assert_eq(h.opt.nsack, 0);
}

Test(tcp_wire, must4_must69_nothing_is_read_behind_the_end_of_the_list) {
    cr_assert_eq(parse_opts(TH_SYN, "\x00\x02\x04\x05\xb4", 5), 28);
    cr_assert(!h.opt.has_mss);
}

Test(tcp_wire, random_headers_come_back_as_they_were) {
    struct rand r;
    rand_init(&r, (const uint8_t[16]){8});
    for (int round = 0; round < 5000; round++) {
        bool syn = rand_below(&r, 2);
        struct tcp_hdr in = {.sport = (uint16_t)rand_u64(&r),
                             .dport = (uint16_t)rand_u64(&r),
                             .seq = seq((uint32_t)rand_u64(&r)),
                             .ack = seq((uint32_t)rand_u64(&r)),
                             .window = (uint16_t)rand_u64(&r),
                             .urg = (uint16_t)rand_u64(&r)};
        in.flags = (uint16_t)((rand_below(&r, 512) & ~TH_SYN) | (syn ? TH_SYN : 0));
        if (rand_below(&r, 2))
            in.opt.has_ts = true, in.opt.tsval = rand_below(&r, 1u << 31), in.opt.tsecr = 3;
        if (syn) {
            in.opt.has_mss = rand_below(&r, 2);
            in.opt.mss = in.opt.has_mss ? 536 : 0;
            in.opt.sack_permitted = rand_below(&r, 2);
            in.opt.has_wscale = rand_below(&r, 2);
            in.opt.wscale = in.opt.has_wscale ? 14 : 0;
        } else {
            in.opt.nsack = (uint8_t)rand_below(&r, 4);
            for (int i = 0; i < in.opt.nsack; i++)
                in.opt.sack[i].lo = seq((uint32_t)rand_u64(&r)), in.opt.sack[i].hi = seq(9);
        }
        uint8_t out[TCP_HDR_MAX];
        size_t n = tcp_build(out, &in);
        cr_assert_eq(tcp_parse(out, n, &h), (int)n);
        in.hdr_len = (uint8_t)n;
        uint8_t again[TCP_HDR_MAX];
        cr_assert_eq(tcp_build(again, &h), n);
        cr_assert_eq(memcmp(out, again, n), 0);
        cr_assert(h.seq.v == in.seq.v && h.opt.nsack == in.opt.nsack && h.flags == in.flags);
    }
}

Test(tcp_wire, flags_as_tcpdump_writes_them) {
    char buf[10];
    cr_assert_str_eq(tcp_flags_format(TH_SYN, buf), "S");
    cr_assert_str_eq(tcp_flags_format(TH_SYN | TH_ACK, buf), "S.");
    cr_assert_str_eq(tcp_flags_format(TH_PSH | TH_ACK, buf), "P.");
    cr_assert_str_eq(tcp_flags_format(TH_FIN | TH_ACK, buf), "F.");
    cr_assert_str_eq(tcp_flags_format(TH_RST, buf), "R");
    cr_assert_str_eq(tcp_flags_format(TH_ACK, buf), ".");
    cr_assert_str_eq(tcp_flags_format(0x1ff, buf), "FSRP.UEWe");
    cr_assert_str_eq(tcp_flags_format(0, buf), "none");
}

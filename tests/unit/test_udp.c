#include <criterion/criterion.h>
#include <string.h>

#include "stack/wire/udp.h"

Test(udp, parse_and_build) {
    static const uint8_t wire[] = {0x12, 0x34, 0, 53, 0, 20, 0, 0};
    struct udp_hdr h;
    uint8_t out[8];
    cr_assert_eq(udp_parse(wire, 8, &h), 8);
    cr_assert(h.sport == 0x1234 && h.dport == 53 && h.len == 20 && !h.has_csum);
    udp_build(out, &h);
    cr_assert_eq(memcmp(out, wire, 8), 0);
}

Test(udp, rfc768_a_checksum_of_any_other_value_is_one) {
    static const uint8_t wire[] = {0, 1, 0, 53, 0, 8, 0xff, 0xff};
    struct udp_hdr h;
    cr_assert_eq(udp_parse(wire, 8, &h), 8);
    cr_assert(h.has_csum);
}

Test(udp, short_ones_and_lengths_below_the_header_are_refused) {
    uint8_t wire[] = {0, 1, 0, 53, 0, 8, 0, 0};
    struct udp_hdr h;
    for (size_t len = 0; len < 8; len++)
        cr_assert_eq(udp_parse(wire, len, &h), -1);
    for (uint8_t len = 0; len < 8; len++) {
        wire[5] = len;
        cr_assert_eq(udp_parse(wire, 8, &h), -1);
    }
}

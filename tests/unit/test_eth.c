#include <criterion/criterion.h>
#include <string.h>

#include "stack/wire/eth.h"

static const uint8_t wire[] = "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00";

Test(eth, parse_and_build) {
    struct eth_hdr h;
    uint8_t out[ETH_HDR_LEN];
    cr_assert_eq(eth_parse(wire, 14, &h), 14);
    cr_assert_eq(h.dst.b[5], 1);
    cr_assert_eq(h.src.b[5], 2);
    cr_assert_eq(h.type, ETH_IPV4);
    eth_build(out, &h);
    cr_assert_eq(memcmp(out, wire, 14), 0);
}

Test(eth, short_frames_and_802_3_lengths_are_refused) {
    struct eth_hdr h;
    uint8_t b[14];
    for (size_t len = 0; len < 14; len++)
        cr_assert_eq(eth_parse(wire, len, &h), -1);
    memcpy(b, wire, 14);
    memcpy(b + 12, "\x05\xff", 2);
    cr_assert_eq(eth_parse(b, 14, &h), -1);
    memcpy(b + 12, "\x06\x00", 2);
    cr_assert_eq(eth_parse(b, 14, &h), 14);
}

Test(eth, groups) {
    struct mac multi = {{1, 0, 0x5e, 0, 0, 1}}, uni = {{2}};
    cr_assert(mac_is_group(&eth_broadcast) && mac_is_group(&multi) && !mac_is_group(&uni));
}

#include <criterion/criterion.h>
#include <string.h>

#include "stack/wire/arp.h"

static const uint8_t wire[ARP_LEN] = {0,  1, 8, 0, 6, 4, 0, 1, 2, 0, 0,  0, 0, 1,
                                      10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2};

Test(arp, parse_and_build) {
    struct arp_hdr h;
    uint8_t out[ARP_LEN];
    char text[ADDR_STRLEN];
    cr_assert_eq(arp_parse(wire, ARP_LEN, &h), ARP_LEN);
    cr_assert_eq(h.op, ARP_REQUEST);
    cr_assert_eq(h.sha.b[5], 1);
    cr_assert_str_eq(addr_format(&h.spa, text), "10.0.0.1");
    cr_assert_str_eq(addr_format(&h.tpa, text), "10.0.0.2");
    arp_build(out, &h);
    cr_assert_eq(memcmp(out, wire, ARP_LEN), 0);
    cr_assert_eq(arp_parse(wire, 46, &h), ARP_LEN, "padding");
}

Test(arp, short_ones_are_refused) {
    struct arp_hdr h;
    for (size_t len = 0; len < ARP_LEN; len++)
        cr_assert_eq(arp_parse(wire, len, &h), -1);
}

Test(arp, anything_but_ipv4_over_ethernet_is_refused) {
    struct arp_hdr h;
    for (int i = 0; i < 8; i++) {
        uint8_t b[ARP_LEN];
        memcpy(b, wire, ARP_LEN);
        b[i] ^= 0x10;
        cr_assert_eq(arp_parse(b, ARP_LEN, &h), -1, "byte %d", i);
    }
}

#include <criterion/criterion.h>
#include <string.h>

#include "stack/wire/icmp4.h"

Test(icmp4, echo) {
    static const uint8_t wire[] = {8, 0, 0, 0, 0x12, 0x34, 0, 7};
    struct icmp4_hdr h;
    uint8_t out[8];
    cr_assert_eq(icmp4_parse(wire, 8, &h), 8);
    cr_assert(h.type == ICMP4_ECHO && h.id == 0x1234 && h.seq == 7 && h.mtu == 0);
    icmp4_build(out, &h);
    cr_assert_eq(memcmp(out, wire, 8), 0);
}

Test(icmp4, fragmentation_needed_carries_an_mtu) {
    static const uint8_t wire[] = {3, 4, 0, 0, 0, 0, 0x05, 0x78};
    struct icmp4_hdr h;
    uint8_t out[8];
    cr_assert_eq(icmp4_parse(wire, 8, &h), 8);
    cr_assert(h.mtu == 1400 && h.id == 0 && h.seq == 0);
    icmp4_build(out, &h);
    cr_assert_eq(memcmp(out, wire, 8), 0);
}

Test(icmp4, other_unreachables_do_not) {
    static const uint8_t wire[] = {3, 3, 0, 0, 0, 0, 0x05, 0x78};
    struct icmp4_hdr h;
    cr_assert_eq(icmp4_parse(wire, 8, &h), 8);
    cr_assert_eq(h.mtu, 0);
}

Test(icmp4, short_ones_are_refused) {
    static const uint8_t wire[8] = {8};
    struct icmp4_hdr h;
    for (size_t len = 0; len < 8; len++)
        cr_assert_eq(icmp4_parse(wire, len, &h), -1);
}

Test(icmp4, errors_by_rfc1122) {
    for (int type = 0; type < 256; type++) {
        bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
        cr_assert_eq(icmp4_is_error((uint8_t)type), error, "type %d", type);
    }
}

#include <criterion/criterion.h>
#include <string.h>

#include "stack/base/addr.h"

static struct addr parse(const char *text) {
    struct addr a;
    cr_assert(addr_parse(text, &a), "%s", text);
    return a;
}

static void round_trip(const char *text, const char *want) {
    char buf[ADDR_STRLEN];
    struct addr a = parse(text);
    cr_assert_str_eq(addr_format(&a, buf), want);
}

Test(addr, ipv4_text) {
    round_trip("0.0.0.0", "0.0.0.0");
    round_trip("10.0.0.1", "10.0.0.1");
    round_trip("255.255.255.255", "255.255.255.255");
    struct addr a = parse("127.0.0.1");
    cr_assert(addr_is_v4(&a));
    cr_assert_eq(addr_get_v4(&a), 0x7f000001);
    struct addr b = addr_v4(0x7f000001);
    cr_assert(addr_eq(&a, &b));
}

Test(addr, ipv6_text_is_canonical_by_rfc5952) {
    round_trip("::", "::");
    round_trip("::1", "::1");
    round_trip("1::", "1::");
    round_trip("FE80::0001", "fe80::1");
    round_trip("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    round_trip("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    round_trip("1:0:0:2:0:0:0:3", "1:0:0:2::3");
    round_trip("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8");
    round_trip("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0");
    round_trip("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
    round_trip("::ffff:192.0.2.33", "192.0.2.33");
    round_trip("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304");
}

Test(addr, bad_text_is_refused) {
    static const char *const bad[] = {
        "",
        "1",
        "1.2.3",
        "1.2.3.4.",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        "1.2.3.4 ",
        " 1.2.3.4",
        "1..2.3",
        "-1.2.3.4",
        "0x1.2.3.4",
        ":",
        ":::",
        "1:",
        ":1",
        "1::2::3",
        "1:2:3:4:5:6:7",
        "12345::",
        "g::",
        "1.2.3.4::",
        "::1.2.3",
        "1:2:3:4:5:6:7:8:9",
        "::1.2.3.4.5",
        "1:2:3:4:5:6:7:8::",
        "1:2:3:4:5:6:7:1.2.3.4",
        "::%eth0",
        "1:2:3:4::5:6:7:8",
        "1:::2",
    };
    struct addr a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(!addr_parse(bad[i], &a), "%s", bad[i]);
}

Test(addr, classes) {
    struct addr a;
    a = parse("0.0.0.0");
    cr_assert(addr_is_any(&a) && !addr_is_unicast(&a));
    a = parse("::");
    cr_assert(addr_is_any(&a) && !addr_is_unicast(&a));
    a = parse("127.255.0.3");
    cr_assert(addr_is_loopback(&a) && !addr_is_any(&a));
    a = parse("::1");
    cr_assert(addr_is_loopback(&a) && !addr_is_any(&a) && addr_is_unicast(&a));
    a = parse("224.0.0.1");
    cr_assert(addr_is_multicast(&a) && !addr_is_unicast(&a));
    a = parse("239.255.255.255");
    cr_assert(addr_is_multicast(&a));
    a = parse("ff02::1");
    cr_assert(addr_is_multicast(&a) && !addr_is_unicast(&a));
    a = parse("240.0.0.1");
    cr_assert(!addr_is_multicast(&a) && !addr_is_unicast(&a));
    a = parse("255.255.255.255");
    cr_assert(addr_is_limited_broadcast(&a) && !addr_is_unicast(&a));
    a = parse("0.1.2.3");
    cr_assert(!addr_is_unicast(&a) && !addr_is_any(&a));
    a = parse("10.0.0.1");
    cr_assert(addr_is_unicast(&a) && !addr_is_loopback(&a) && !addr_is_limited_broadcast(&a));
}

static bool contains(const char *prefix, const char *text) {
    struct addr host, a = parse(text);
    struct prefix p;
    cr_assert(addr_parse_prefix(prefix, &host, &p));
    return prefix_contains(&p, &a);
}

Test(addr, prefixes) {
    cr_assert(contains("10.0.0.1/24", "10.0.0.255"));
    cr_assert(!contains("10.0.0.1/24", "10.0.1.0"));
    cr_assert(contains("10.0.0.1/23", "10.0.1.0"));
    cr_assert(contains("10.0.0.1/32", "10.0.0.1") && !contains("10.0.0.1/32", "10.0.0.0"));
    cr_assert(contains("0.0.0.0/0", "8.8.8.8") && !contains("0.0.0.0/0", "2001:db8::1"));
    cr_assert(contains("::/0", "8.8.8.8"));
    cr_assert(contains("2001:db8::1/127", "2001:db8::0") && !contains("fe80::/10", "fec0::"));
}

Test(addr, prefix_text) {
    struct addr a;
    struct prefix p;
    char buf[ADDR_STRLEN];
    cr_assert(addr_parse_prefix("10.1.2.3/20", &a, &p));
    cr_assert_eq(p.plen, 116);
    cr_assert_str_eq(addr_format(&p.net, buf), "10.1.0.0");
    cr_assert_str_eq(addr_format(&a, buf), "10.1.2.3");
    static const char *const bad[] = {"10.0.0.1",     "10.0.0.1/",  "10.0.0.1/33", "10.0.0.1/-1",
                                      "10.0.0.1/024", "/24",        "10.0.0/24",   "::/129",
                                      "10.0.0.1/24 ", "10.0.0.1//2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(!addr_parse_prefix(bad[i], &a, &p), "%s", bad[i]);
}

static bool broadcast(const char *prefix, const char *text) {
    struct addr host, a = parse(text);
    struct prefix p;
    cr_assert(addr_parse_prefix(prefix, &host, &p));
    return prefix_is_broadcast(&p, &a);
}

Test(addr, subnet_broadcast) {
    cr_assert(broadcast("10.0.0.1/24", "10.0.0.255"));
    cr_assert(!broadcast("10.0.0.1/24", "10.0.0.254"));
    cr_assert(!broadcast("10.0.0.1/24", "10.0.1.255"));
    cr_assert(broadcast("10.0.0.1/30", "10.0.0.3"));
    cr_assert(!broadcast("10.0.0.1/31", "10.0.0.1"), "RFC 3021");
    cr_assert(!broadcast("10.0.0.1/32", "10.0.0.1"));
    cr_assert(!broadcast("ff::/64", "ff::ffff:ffff:ffff:ffff"));
    cr_assert(broadcast("0.0.0.0/0", "255.255.255.255"));
}

Test(addr, mac_text) {
    struct mac m, n;
    char buf[18];
    cr_assert(mac_parse("02:aB:00:ff:9:01", &m) == false);
    cr_assert(mac_parse("02:aB:00:ff:09:01", &m));
    cr_assert_str_eq(mac_format(&m, buf), "02:ab:00:ff:09:01");
    cr_assert(mac_parse(buf, &n) && mac_eq(&m, &n));
    static const char *const bad[] = {"",
                                      "02",
                                      "02:ab:00:ff:09",
                                      "02:ab:00:ff:09:01:",
                                      "0",
                                      "02-ab-00-ff-09-01",
                                      "02:ab:00:ff:09:0g"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert(!mac_parse(bad[i], &m), "%s", bad[i]);
}

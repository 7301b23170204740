#include "stack/tcp/sysctl.h"
#include "tests/unit/tcp_unit.h"

/* Cookies that Linux makes of the same key and addresses. */
Test(tcp_fastopen, the_cookie_is_linux_s) {
    struct tcp_config cfg;
    struct endpoint client = {.addr = addr_v4(0x0af80002)}, server = {.addr = addr_v4(0xc0a80002)};
    static const uint8_t first[] = {0x00, 0xab, 0xaa, 0xab, 0xe8, 0xe9, 0x54, 0xc2};
    static const uint8_t second[] = {0x13, 0x13, 0xa2, 0xda, 0x99, 0x4a, 0x09, 0x51};
    uint8_t cookie[FASTOPEN_COOKIE_LEN];
    tcp_config_default(&cfg);
    cr_assert_eq(
        sysctl_set(&cfg, "net.ipv4.tcp_fastopen_key", "a0bf63f7-ed803d81-cd641d30-cebc4a90\n"), 0);
    fastopen_cookie(cfg.fastopen_key, &client, &server, cookie);
    cr_assert_arr_eq(cookie, first, sizeof(first));
    client.addr = addr_v4(0x0af80003);
    fastopen_cookie(cfg.fastopen_key, &client, &server, cookie);
    cr_assert_arr_eq(cookie, second, sizeof(second));
}

Test(tcp_fastopen, keys_are_read_and_shown) {
    struct tcp_config cfg;
    char text[SYSCTL_TEXT];
    const char *name = "net.ipv4.tcp_fastopen_key";
    const char *two = "00112233-44556677-8899aabb-ccddeeff,00000000-00000000-00000000-00000001";
    tcp_config_default(&cfg);
    cr_assert_eq(sysctl_set(&cfg, name, two), 0);
    cr_assert_eq(cfg.fastopen_keys, 2);
    cr_assert_eq(sysctl_get(&cfg, name, text), 0);
    cr_assert_str_eq(text, two);
    cr_assert_eq(sysctl_set(&cfg, name, "00000000-00000000-00000000-00000000"), 0);
    cr_assert_eq(cfg.fastopen_keys, 0, "none was chosen");
    static const char *const bad[] = {"",
                                      "00112233",
                                      "00112233-44556677-8899aabb",
                                      "00112233-44556677-8899aabb-ccddeefg",
                                      "00112233-44556677-8899aabb-ccddeeff,",
                                      "00112233-44556677-8899aabb-ccddeeff-00112233"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(sysctl_set(&cfg, name, bad[i]), -EINVAL, "%s", bad[i]);
}

Test(tcp_fastopen, the_cache_keeps_what_was_used_last) {
    struct stack *st = tu_stack();
    struct tcb *t = tu_tcb(st);
    struct tcp_fo_opt cookie = {.present = true, .len = 4, .cookie = {1, 2, 3, 4}}, none = {0};
    struct addr dear = addr_v4(0x01020304);
    st->now_ns++;
    fastopen_cache_store(st, &dear, 1000, &cookie, FASTOPEN_TRY_STANDARD);
    for (uint32_t i = 1; i < 20000; i++) {
        struct addr a = addr_v4(0x02000000 + i);
        st->now_ns++;
        fastopen_cache_store(st, &a, 1460, &none, FASTOPEN_TRY_EXP);
        cr_assert_not_null(fastopen_cache_find(st, &dear), "%u", i);
    }
    cr_assert_eq(fastopen_cache_find(st, &dear)->mss, 1000);
    cr_assert_eq(fastopen_cache_find(st, &dear)->cookie.cookie[3], 4);
    fastopen_cache_store(st, &dear, 900, &none, FASTOPEN_TRY_STANDARD);
    cr_assert_eq(fastopen_cache_find(st, &dear)->cookie.len, 4, "no cookie takes none away");
    tu_end(st, t);
}

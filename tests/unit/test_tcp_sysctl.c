#include <criterion/criterion.h>
#include <errno.h>

#include "stack/tcp/sysctl.h"

static struct tcp_config cfg;
static void setup(void) {
    tcp_config_default(&cfg);
}
TestSuite(tcp_sysctl, .init = setup);

static const char *get(const char *name) {
    static char text[SYSCTL_TEXT];
    cr_assert_eq(sysctl_get(&cfg, name, text), 0);
    return text;
}

/* What Linux 6.18 has when nobody has changed it. */
Test(tcp_sysctl, defaults_are_linuxs) {
    cr_expect_str_eq(get("net.ipv4.tcp_congestion_control"), "cubic");
    cr_expect_str_eq(get("net.ipv4.tcp_sack"), "1");
    cr_expect_str_eq(get("net.ipv4.tcp_syn_retries"), "6");
    cr_expect_str_eq(get("net.ipv4.tcp_orphan_retries"), "0");
    cr_expect_str_eq(get("net.ipv4.tcp_rmem"), "4096 131072 6291456");
    cr_expect_str_eq(get("net.ipv4.tcp_wmem"), "4096 16384 4194304");
    cr_expect_str_eq(get("net.ipv4.tcp_keepalive_time"), "7200");
    cr_expect_str_eq(get("net.ipv4.tcp_rto_min_us"), "200000");
    cr_expect_str_eq(get("net.ipv4.tcp_invalid_ratelimit"), "500");
    cr_expect_str_eq(get("net.core.somaxconn"), "4096");
}

Test(tcp_sysctl, what_is_set_is_shown) {
    const char *name, *what;
    for (unsigned i = 0; (name = sysctl_name(i, &what)) != NULL; i++) {
        char text[SYSCTL_TEXT];
        cr_assert_eq(sysctl_get(&cfg, name, text), 0);
        cr_assert_eq(sysctl_set(&cfg, name, text), 0, "%s=%s", name, text);
        cr_assert_str_eq(get(name), text);
        cr_assert_gt(strlen(what), 0);
    }
}

Test(tcp_sysctl, values_as_proc_shows_them) {
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_rmem", "4096\t540000\t15728640\n"), 0);
    cr_assert_eq(cfg.rmem[MEM_FIRST], 540000);
    cr_assert_eq(cfg.rmem[MEM_MOST], 15728640);
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_congestion_control", "reno\n"), 0);
    cr_assert_eq(cfg.cc, CC_RENO);
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_timestamps", "2\n"), 0);
    cr_assert_eq(cfg.timestamps, 2);
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_wmem", "8192 16384 100000"), 0);
    cr_assert_str_eq(get("net.ipv4.tcp_wmem"), "8192 16384 100000");
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_invalid_ratelimit", "0"), 0);
    cr_assert_eq(cfg.invalid_ratelimit_ns, 0);
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_fin_timeout", "5"), 0);
    cr_assert_eq(cfg.fin_timeout_ns, 5000000000u);
}

Test(tcp_sysctl, reserved_ports) {
    cr_assert_str_eq(get("net.ipv4.ip_local_reserved_ports"), "");
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.ip_local_reserved_ports", "9148-9200,8080\n"), 0);
    cr_assert_str_eq(get("net.ipv4.ip_local_reserved_ports"), "8080,9148-9200");
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.ip_local_reserved_ports", ""), 0);
    cr_assert_str_eq(get("net.ipv4.ip_local_reserved_ports"), "");
}

Test(tcp_sysctl, nonsense_changes_nothing) {
    static const char *const bad[][2] = {
        {"net.ipv4.tcp_sack", ""},
        {"net.ipv4.tcp_sack", "yes"},
        {"net.ipv4.tcp_sack", "1 1"},
        {"net.ipv4.tcp_syn_retries", "0"},
        {"net.ipv4.tcp_syn_retries", "-1"},
        {"net.ipv4.tcp_syn_retries", "128"},
        {"net.ipv4.tcp_rto_min_us", "0"},
        {"net.ipv4.tcp_rmem", "1 2"},
        {"net.ipv4.tcp_rmem", "1 2 x"},
        {"net.ipv4.tcp_rmem", "1 2 3 4"},
        {"net.ipv4.tcp_rmem", "0 2 3"},
        {"net.ipv4.tcp_wmem", "4096 16384 99999999999999999999"},
        {"net.ipv4.tcp_congestion_control", "vegas"},
    };
    struct tcp_config before = cfg;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_eq(sysctl_set(&cfg, bad[i][0], bad[i][1]), -EINVAL, "%s=%s", bad[i][0],
                     bad[i][1]);
    cr_assert_eq(sysctl_set(&cfg, "net.ipv4.tcp_nonsense", "1"), -ENOENT);
    cr_assert_arr_eq(&before, &cfg, sizeof(cfg));
}

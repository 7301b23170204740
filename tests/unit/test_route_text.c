#include <criterion/criterion.h>

#include "stack/net/route.h"

static struct route parsed(const char *text) {
    struct route r;
    const char *why = route_parse(text, &r);
    cr_assert_null(why, "%s: %s", text, why);
    return r;
}

Test(route_text, every_word) {
    struct route r =
        parsed("10.2.0.0/16 via 10.0.0.254 src 10.0.0.1 onlink mtu lock 1400 advmss 1200"
               "\twindow 20000  initcwnd 4 initrwnd 5 rto_min 50ms quickack 1 features "
               "ecn congctl lock bbr");
    const struct route_metrics *m = &r.metrics;
    cr_assert_eq(addr_get_v4(&r.dst.net), 0x0a020000u);
    cr_assert_eq(r.dst.plen, ADDR_V4_PLEN + 16);
    cr_assert_eq(addr_get_v4(&r.gateway), 0x0a0000feu);
    cr_assert_eq(addr_get_v4(&r.src), 0x0a000001u);
    cr_assert(r.onlink && m->mtu_lock && m->quickack && m->ecn && m->congctl_lock);
    cr_assert_eq(m->mtu, 1400);
    cr_assert_eq(m->advmss, 1200);
    cr_assert_eq(m->window, 20000);
    cr_assert_eq(m->initcwnd, 4);
    cr_assert_eq(m->initrwnd, 5);
    cr_assert_eq(m->rto_min_ms, 50);
    cr_assert_str_eq(m->congctl, "bbr");
}

Test(route_text, what_is_not_said_is_0) {
    struct route r = parsed("default");
    static const struct route_metrics none;
    cr_assert_eq(r.dst.plen, ADDR_V4_PLEN);
    cr_assert(addr_is_any(&r.gateway) && addr_is_any(&r.src) && !r.onlink);
    cr_assert_arr_eq(&r.metrics, &none, sizeof(none));
}

Test(route_text, one_address_units_and_bounds) {
    cr_assert_eq(parsed("10.2.0.5 mtu 1400").dst.plen, 128);
    cr_assert_not(parsed("10.2.0.5 mtu 1400").metrics.mtu_lock);
    cr_assert_eq(parsed("10.2.0.5 rto_min 7").metrics.rto_min_ms, 7);
    cr_assert_eq(parsed("10.2.0.5 rto_min 2s").metrics.rto_min_ms, 2000);
    cr_assert_not(parsed("10.2.0.5 quickack 0").metrics.quickack);
    cr_assert_eq(parsed("10.2.0.5 mtu 68 mtu 65520").metrics.mtu, 65520);
}

Test(route_text, each_mistake_is_named) {
    static const struct {
        const char *text, *says;
    } bad[] = {{"", "begins with"},
               {"10.2.0.0/33", "begins with"},
               {"via 10.0.0.1", "begins with"},
               {"10.2.0.1/16", "bits behind"},
               {"fe80::/64", "IPv4 only"},
               {"10.2.0.0/16 metric 5", "the words of a route are"},
               {"10.2.0.0/16 advmms 5", "the words of a route are"},
               {"10.2.0.0/16 via", "via:"},
               {"10.2.0.0/16 via 224.0.0.1", "via:"},
               {"10.2.0.0/16 src nobody", "src:"},
               {"10.2.0.0/16 mtu 67", "mtu:"},
               {"10.2.0.0/16 mtu 65521", "mtu:"},
               {"10.2.0.0/16 mtu lock", "mtu:"},
               {"10.2.0.0/16 advmss 0", "advmss:"},
               {"10.2.0.0/16 advmss 1200x", "advmss:"},
               {"10.2.0.0/16 advmss lock 1200", "advmss:"},
               {"10.2.0.0/16 window -1", "window:"},
               {"10.2.0.0/16 initcwnd 65536", "initcwnd:"},
               {"10.2.0.0/16 initrwnd 99999999999", "initrwnd:"},
               {"10.2.0.0/16 rto_min 50us", "rto_min:"},
               {"10.2.0.0/16 rto_min 121s", "rto_min:"},
               {"10.2.0.0/16 rto_min 4294968s", "rto_min:"},
               {"10.2.0.0/16 quickack 2", "quickack:"},
               {"10.2.0.0/16 features sack", "features:"},
               {"10.2.0.0/16 congctl", "congctl:"},
               {"10.2.0.0/16 congctl of-sixteen-chars", "congctl:"}};
    struct route r;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = route_parse(bad[i].text, &r);
        cr_assert(why != NULL && strstr(why, bad[i].says) != NULL, "%s: %s", bad[i].text,
                  why != NULL ? why : "(taken)");
    }
}

/* libFuzzer target of all parsers of text: addresses, routes, sets of ports, knobs. The first byte
 * of the input chooses which. Whatever parses and has a text form must parse again to the same. */
#include <assert.h>
#include <string.h>

#include "stack/net/ports.h"
#include "stack/net/route.h"
#include "stack/tcp/sysctl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_addr(const char *text) {
    char buf[ADDR_STRLEN];
    struct addr a, b;
    struct prefix pre;
    struct mac m;
    mac_parse(text, &m);
    if (addr_parse_prefix(text, &a, &pre))
        assert(pre.plen <= 128 && prefix_contains(&pre, &a));
    if (addr_parse(text, &a))
        assert(addr_parse(addr_format(&a, buf), &b) && addr_eq(&a, &b));
    if (strlen(text) >= sizeof(a)) {
        memcpy(&a, text, sizeof(a));
        assert(addr_parse(addr_format(&a, buf), &b) && addr_eq(&a, &b));
    }
}

static void fuzz_route(const char *text) {
    struct route r;
    if (route_parse(text, &r) != NULL)
        return;
    assert(r.dst.plen >= ADDR_V4_PLEN && r.dst.plen <= 128);
    assert(memchr(r.metrics.congctl, '\0', sizeof(r.metrics.congctl)) != NULL);
}

static void fuzz_ports(const char *text) {
    struct ports p, again;
    char buf[PORTS_TEXT];
    if (ports_parse(text, &p) != 0)
        return;
    for (uint32_t i = 0; i < p.n; i++) {
        assert(p.range[i].first <= p.range[i].last);
        assert(i == 0 || p.range[i].first > p.range[i - 1].last + 1);
    }
    ports_format(&p, buf);
    assert(ports_parse(buf, &again) == 0 && again.n == p.n);
    assert(memcmp(p.range, again.range, p.n * sizeof(p.range[0])) == 0);
}

/* "I VALUE": the knob by its number. */
static void fuzz_sysctl(const char *text) {
    const char *name, *what;
    char shown[SYSCTL_TEXT], again[SYSCTL_TEXT];
    struct tcp_config cfg;
    if (text[0] == '\0')
        return;
    tcp_config_default(&cfg);
    name = sysctl_name((unsigned char)text[0] - ' ', &what);
    if (name == NULL || sysctl_set(&cfg, name, text + 1) != 0)
        return;
    assert(sysctl_get(&cfg, name, shown) == 0);
    assert(sysctl_set(&cfg, name, shown) == 0 && sysctl_get(&cfg, name, again) == 0);
    assert(strcmp(shown, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const target[])(const char *) = {fuzz_addr, fuzz_route, fuzz_ports, fuzz_sysctl};
    char text[PORTS_TEXT + 32];
    if (size == 0)
        return 0;
    size_t n = size - 1 < sizeof(text) - 1 ? size - 1 : sizeof(text) - 1;
    memcpy(text, data + 1, n);
    text[n] = '\0';
    target[data[0] % (sizeof(target) / sizeof(target[0]))](text);
    return 0;
}

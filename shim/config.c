#include "shim/config.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/config_route.h"
#include "shim/sysctl.h"
#include "stack/base/log.h"
#include "stack/base/rand.h"

#define ALIAS_MARK "shimstack "
#define MTU_MIN    68 /* RFC 791 §3.2: every IPv4 link carries 68 bytes */

__attribute__((format(printf, 4, 5))) static int refuse(int error, char *err, size_t errlen,
                                                        const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err, errlen, fmt, ap);
    va_end(ap);
    return -error;
}

/* ---- single settings ---- */

static const char *set_addr(struct config *cfg, const char *value) {
    char text[ADDR_STRLEN];
    cfg->naddrs = 0;
    for (const char *s = value; *s != '\0';) {
        size_t n = strcspn(s, ",");
        if (cfg->naddrs == NET_MAX_ADDRS)
            return "too many addresses (8 at most)";
        if (n == 0 || n >= sizeof(text))
            return "not an address with its prefix length, as 10.9.0.5/24";
        memcpy(text, s, n);
        text[n] = '\0';
        if (strchr(text, '/') == NULL)
            return "the prefix length (mask) is missing: write it as 10.9.0.5/24";
        if (!addr_parse_prefix(text, &cfg->addr[cfg->naddrs].addr, &cfg->addr[cfg->naddrs].net))
            return "not an address with its prefix length, as 10.9.0.5/24 (mask 1 to 32)";
        if (!addr_is_v4(&cfg->addr[cfg->naddrs].addr))
            return "this stack speaks IPv4 only: give an address as 10.9.0.5/24";
        cfg->naddrs++;
        s += n + (s[n] == ',');
    }
    return cfg->naddrs == 0 ? "no address in it: write it as 10.9.0.5/24" : NULL;
}

static const char *set_gw(struct config *cfg, const char *value) {
    if (!addr_parse(value, &cfg->gateway) || !addr_is_v4(&cfg->gateway))
        return "not an IPv4 address, as 10.9.0.1";
    return NULL;
}

static const char *set_mac(struct config *cfg, const char *value) {
    static const struct mac zero;
    if (!mac_parse(value, &cfg->mac))
        return "not a MAC address, as 02:00:00:00:00:05";
    if ((cfg->mac.b[0] & 1) != 0 || mac_eq(&cfg->mac, &zero))
        return "not a unicast MAC address: write one as 02:00:00:00:00:05";
    cfg->has_mac = true;
    return NULL;
}

static bool parse_number(const char *text, unsigned long max, unsigned long *out) {
    char *end;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 && *out <= max;
}

static const char *set_mtu(struct config *cfg, const char *value) {
    unsigned long n;
    if (!parse_number(value, 65535, &n) || n < MTU_MIN)
        return "not an MTU: a number from 68 to the interface's";
    cfg->mtu = (uint16_t)n;
    return NULL;
}

static const char *set_flag(bool *flag, const char *value) {
    static const char *const yes[] = {"1", "yes", "on", "true"};
    static const char *const no[] = {"0", "no", "off", "false", ""};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (strcmp(value, yes[i]) == 0)
            return *flag = true, NULL;
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (strcmp(value, no[i]) == 0)
            return *flag = false, NULL;
    return "neither 1 nor 0";
}
static const char *set_take_over(struct config *cfg, const char *value) {
    return set_flag(&cfg->take_over, value);
}
static const char *set_stay(struct config *cfg, const char *value) {
    return set_flag(&cfg->stay, value);
}

/* Made absolute: the keeper and other programs have other working directories. */
static const char *set_pcap(struct config *cfg, const char *value) {
    char dir[sizeof(cfg->pcap)] = "";
    if (value[0] != '/' && value[0] != '\0' && getcwd(dir, sizeof(dir)) == NULL)
        return "too long a path: give a shorter one, absolute";
    int n = snprintf(cfg->pcap, sizeof(cfg->pcap), "%s%s%s", dir, dir[0] ? "/" : "", value);
    return n >= (int)sizeof(cfg->pcap) ? "too long a path: 255 bytes at most" : NULL;
}

static const char *set_impair(struct config *cfg, const char *value) {
    const char *why = impair_parse(value, &cfg->impair_out);
    if (why != NULL)
        return why;
    cfg->impair_in = cfg->impair_out;
    cfg->impair_in.seed++; /* the two directions lose different frames */
    cfg->has_impair = true;
    return NULL;
}

static const char *set_spin(struct config *cfg, const char *value) {
    unsigned long n;
    if (!parse_number(value, 1000000, &n))
        return "not a number of microseconds (0: never spin, at most 1000000)";
    cfg->spin_us = (uint32_t)n;
    return NULL;
}

static const char *set_log(struct config *cfg, const char *value) {
    static const char *const names[] = {"none", "error", "info", "debug"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(value, names[i]) == 0)
            return cfg->log_level = (uint8_t)i, NULL;
    return "no such level: none, error, info or debug";
}

static const char *set_sysctl(struct config *cfg, const char *value) {
    struct tcp_config scratch;
    tcp_config_default(&scratch);
    if (strlen(value) >= sizeof(cfg->sysctl))
        return "too long a list: 511 bytes at most";
    memcpy(cfg->sysctl, value, strlen(value) + 1);
    return sysctl_from_list(&scratch, value);
}

static const char *set_live_sysctl(struct config *cfg, const char *value) {
    return set_flag(&cfg->live_sysctl, value);
}

static const struct {
    const char *key, *env;
    const char *(*set)(struct config *cfg, const char *value); /* NULL, or what is wrong */
} settings[] = {
    {"addr", "SHIMSTACK_ADDR", set_addr},
    {"gw", "SHIMSTACK_GW", set_gw},
    {"route", "SHIMSTACK_ROUTE", config_set_routes},
    {"mac", "SHIMSTACK_MAC", set_mac},
    {"mtu", "SHIMSTACK_MTU", set_mtu},
    {"take-over", "SHIMSTACK_TAKE_OVER", set_take_over},
    {"pcap", "SHIMSTACK_PCAP", set_pcap},
    {"impair", "SHIMSTACK_IMPAIR", set_impair},
    {"spin", "SHIMSTACK_SPIN", set_spin},
    {"log", "SHIMSTACK_LOG", set_log},
    {"stay", "SHIMSTACK_STAY", set_stay},
    {"sysctl", "SHIMSTACK_SYSCTL", set_sysctl},
    {"live-sysctl", "SHIMSTACK_LIVE_SYSCTL", set_live_sysctl},
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

uint32_t config_key_bit(const char *key) {
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].key, key) == 0)
            return 1u << i;
    return 0;
}

void config_default(struct config *cfg) {
    memset(cfg, 0, sizeof(*cfg));
    cfg->spin_us = CONFIG_SPIN_US_DEFAULT;
    cfg->log_level = LOG_ERROR;
}

int config_set(struct config *cfg, const char *key, const char *value, const char *where, char *err,
               size_t errlen) {
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].key, key) == 0) {
            const char *why = settings[i].set(cfg, value);
            return why == NULL ? 0
                               : refuse(EINVAL, err, errlen, "%s: '%.80s': %s", where, value, why);
        }
    return refuse(
        EINVAL, err, errlen,
        "%s: '%.40s' is no setting; there are addr, gw, route, mac, mtu, take-over, pcap, "
        "impair, spin, log, stay, sysctl, live-sysctl",
        where, key);
}

int config_set_words(struct config *cfg, const char *words, uint32_t skip, const char *where,
                     char *err, size_t errlen) {
    char text[1024]; /* an interface's alias has 255 bytes at most */
    snprintf(text, sizeof(text), "%s", words);
    char *save = NULL;
    for (char *w = strtok_r(text, " \t", &save); w != NULL; w = strtok_r(NULL, " \t", &save)) {
        char *eq = strchr(w, '=');
        if (eq != NULL)
            *eq = '\0';
        if ((config_key_bit(w) & skip) != 0)
            continue;
        int r = config_set(cfg, w, eq != NULL ? eq + 1 : "1", where, err, errlen);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- which interface ---- */

static bool has_alias(const struct netif *nif) {
    return strncmp(nif->alias, ALIAS_MARK, strlen(ALIAS_MARK)) == 0;
}
static bool is_ethernet(const struct netif *nif) {
    return nif->type == ARPHRD_ETHER && (nif->flags & IFF_LOOPBACK) == 0;
}

/* The names of those for which `want` holds, for a message. */
static void list_names(const struct netif *ifs, int n, bool (*want)(const struct netif *),
                       char *out, size_t size) {
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < n && at < size; i++)
        if (want(&ifs[i]))
            at += (size_t)snprintf(out + at, size - at, "%s%s", at > 0 ? ", " : "", ifs[i].name);
}

static bool is_up_ethernet(const struct netif *nif) {
    return is_ethernet(nif) && (nif->flags & IFF_UP) != 0;
}

int config_pick_interface(const struct config *cfg, const struct netif *ifs, int n, char *err,
                          size_t errlen) {
    char names[160];
    bool (*const tests[])(const struct netif *) = {has_alias, is_up_ethernet};
    if (cfg->ifname[0] != '\0') {
        for (int i = 0; i < n; i++)
            if (strcmp(ifs[i].name, cfg->ifname) == 0)
                return i;
        list_names(ifs, n, is_ethernet, names, sizeof(names));
        return refuse(ENODEV, err, errlen, "no interface %s in this network namespace; there %s %s",
                      cfg->ifname, names[0] ? "are:" : "is",
                      names[0] ? names
                               : "none that is Ethernet: make one (ip link add … type veth)");
    }
    for (size_t t = 0; t < sizeof(tests) / sizeof(tests[0]); t++) {
        int found = -1, count = 0;
        for (int i = 0; i < n; i++)
            if (tests[t](&ifs[i])) {
                found = i;
                count++;
            }
        if (count == 1)
            return found;
        if (count > 1) {
            list_names(ifs, n, tests[t], names, sizeof(names));
            return refuse(ENODEV, err, errlen, "which interface? %s: name one, SHIMSTACK_IF=%s",
                          names, ifs[found].name);
        }
    }
    list_names(ifs, n, is_ethernet, names, sizeof(names));
    if (names[0] != '\0')
        return refuse(ENODEV, err, errlen,
                      "no Ethernet interface is up (there are: %s): "
                      "ip link set dev NAME up",
                      names);
    return refuse(ENODEV, err, errlen,
                  "no Ethernet interface in this network namespace: "
                  "run-with-stack.sh lab up makes a lab with two");
}

/* ---- does it fit together ---- */

static int check_interface(const struct config *cfg, const struct netif *nif, char *err,
                           size_t errlen) {
    if (!is_ethernet(nif))
        return refuse(EINVAL, err, errlen, "%s is not an Ethernet interface: name one that is",
                      nif->name);
    if ((nif->flags & IFF_UP) == 0)
        return refuse(ENETDOWN, err, errlen, "%s is down: ip link set dev %s up", nif->name,
                      nif->name);
    if (cfg->mtu > nif->mtu)
        return refuse(EINVAL, err, errlen,
                      "MTU %u is more than the %u of %s: lower it, or "
                      "ip link set dev %s mtu %u",
                      cfg->mtu, nif->mtu, nif->name, nif->name, cfg->mtu);
    if (cfg->has_mac && mac_eq(&cfg->mac, &nif->mac))
        return refuse(EINVAL, err, errlen,
                      "the MAC address is the one of %s itself: the kernel would answer too; give "
                      "another, or none",
                      nif->name);
    if (cfg->naddrs == 0)
        return refuse(EADDRNOTAVAIL, err, errlen,
                      "no address for %s: SHIMSTACK_ADDR=10.9.0.5/24, or "
                      "ip link set dev %s alias 'shimstack addr=10.9.0.5/24'",
                      nif->name, nif->name);
    return 0;
}

static int check_addr(const struct config *cfg, int i, const struct netif_addr *kernel, int n,
                      char *err, size_t errlen) {
    const struct addr *a = &cfg->addr[i].addr;
    const struct prefix *net = &cfg->addr[i].net;
    char text[ADDR_STRLEN];
    unsigned plen = net->plen - (net->plen >= ADDR_V4_PLEN ? ADDR_V4_PLEN : 0u);
    addr_format(a, text);
    if (!addr_is_unicast(a) || addr_is_loopback(a))
        return refuse(EINVAL, err, errlen, "%s cannot be a host's address: give another", text);
    if (plen == 0)
        return refuse(EINVAL, err, errlen, "%s/0: wrong mask: the prefix length is 1 to 32", text);
    if (plen < 31 && (addr_eq(a, &net->net) || prefix_is_broadcast(net, a)))
        return refuse(EINVAL, err, errlen,
                      "%s/%u is the network's own or its broadcast address: wrong mask or address",
                      text, plen);
    for (int k = 0; k < n && !cfg->take_over; k++)
        if (addr_eq(&kernel[k].addr, a)) {
            char dev[IF_NAMESIZE] = "IFACE";
            (void)if_indextoname((unsigned)kernel[k].ifindex, dev);
            return refuse(EADDRINUSE, err, errlen,
                          "the kernel holds %s on %s: use it all the same with --take-over "
                          "(SHIMSTACK_TAKE_OVER=1), or free it: ip addr del %s/%u dev %s",
                          text, dev, text, kernel[k].plen, dev);
        }
    return 0;
}

int config_check(const struct config *cfg, const struct netif *nif, const struct netif_addr *kernel,
                 int n, char *err, size_t errlen) {
    int r = check_interface(cfg, nif, err, errlen);
    for (int i = 0; i < cfg->naddrs && r == 0; i++)
        r = check_addr(cfg, i, kernel, n, err, errlen);
    if (r == 0)
        r = config_check_routes(cfg, err, errlen);
    if (r < 0 || addr_is_any(&cfg->gateway) || cfg->gateway.q[1] == 0)
        return r;
    for (int i = 0; i < cfg->naddrs; i++)
        if (prefix_contains(&cfg->addr[i].net, &cfg->gateway) &&
            !addr_eq(&cfg->addr[i].addr, &cfg->gateway))
            return 0;
    char text[ADDR_STRLEN];
    return refuse(EINVAL, err, errlen,
                  "gateway %s is in none of the host's networks (wrong mask?), or is the host "
                  "itself",
                  addr_format(&cfg->gateway, text));
}

/* ---- all of it ---- */

/* The addresses that the kernel holds on the interface; with take_over they become ours. */
static void adopt_kernel_addrs(struct config *cfg, const struct netif *nif,
                               const struct netif_addr *kernel, int n) {
    for (int k = 0; k < n && cfg->naddrs < NET_MAX_ADDRS; k++) {
        if (kernel[k].ifindex != nif->index || !addr_is_v4(&kernel[k].addr))
            continue;
        char text[ADDR_STRLEN], whole[ADDR_STRLEN + 16];
        snprintf(whole, sizeof(whole), "%s/%u", addr_format(&kernel[k].addr, text), kernel[k].plen);
        if (addr_parse_prefix(whole, &cfg->addr[cfg->naddrs].addr, &cfg->addr[cfg->naddrs].net))
            cfg->naddrs++;
    }
}

/* D6: not the interface's own, but the same each time, so that neighbours' caches stay right. */
static void make_mac(struct config *cfg, const struct netif *nif) {
    struct {
        uint64_t netns;
        struct mac mac;
        char name[sizeof(nif->name)];
    } seed;
    memset(&seed, 0, sizeof(seed));
    struct stat sb;
    if (stat("/proc/self/ns/net", &sb) == 0)
        seed.netns = sb.st_ino;
    seed.mac = nif->mac;
    memcpy(seed.name, nif->name, sizeof(seed.name));
    static const struct siphash_key key = {{0x73686d7374616b31, 0x6d61632061646472}};
    uint64_t hash = siphash(&key, &seed, sizeof(seed));
    memcpy(cfg->mac.b, &hash, sizeof(cfg->mac.b));
    cfg->mac.b[0] = (uint8_t)((cfg->mac.b[0] & 0xfcu) | 0x02u); /* local, unicast */
    cfg->has_mac = true;
}

static int load_env(struct config *cfg, uint32_t *set, char *err, size_t errlen) {
    *set = 0;
    const char *ifname = getenv("SHIMSTACK_IF");
    if (ifname != NULL && ifname[0] != '\0') {
        if (strlen(ifname) >= sizeof(cfg->ifname) || strchr(ifname, '/') != NULL)
            return refuse(ENODEV, err, errlen, "SHIMSTACK_IF: '%.40s' is no interface's name",
                          ifname);
        memcpy(cfg->ifname, ifname, strlen(ifname) + 1);
    }
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *v = getenv(settings[i].env);
        if (v == NULL || v[0] == '\0')
            continue;
        int r = config_set(cfg, settings[i].key, v, settings[i].env, err, errlen);
        if (r < 0)
            return r;
        *set |= 1u << i;
    }
    return 0;
}

bool config_differs(const struct config *host, char *names, size_t len) {
    size_t at = 0;
    names[0] = '\0';
    for (size_t i = 0; i < N_SETTINGS && at < len; i++) {
        const char *v = getenv(settings[i].env);
        if (v == NULL || v[0] == '\0')
            continue;
        struct config with; /* a copy of all bytes, padding too, so that they can be compared */
        memcpy(&with, host, sizeof(with));
        /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        if (settings[i].set(&with, v) != NULL || memcmp(&with, host, sizeof(with)) != 0)
            at +=
                (size_t)snprintf(names + at, len - at, "%s%s", at > 0 ? " " : "", settings[i].env);
    }
    return names[0] != '\0';
}

struct facts {
    struct netif ifs[NETLINK_MAX_LINKS];
    struct netif_addr addrs[NETLINK_MAX_ADDRS];
    struct netif_route routes[NETLINK_MAX_ROUTES];
};

static int load_with(struct config *cfg, struct facts *f, char *err, size_t errlen) {
    uint32_t from_env;
    int r = load_env(cfg, &from_env, err, errlen);
    if (r < 0)
        return r;
    int left = 0, nifs = netlink_links(f->ifs, NETLINK_MAX_LINKS);
    int naddrs = nifs < 0 ? nifs : netlink_addrs(f->addrs, NETLINK_MAX_ADDRS);
    int nroutes = naddrs < 0 ? naddrs : netlink_routes(f->routes, NETLINK_MAX_ROUTES, &left);
    if (nroutes < 0)
        return refuse(-nroutes, err, errlen, "cannot ask the kernel for its interfaces: %s",
                      strerror(-nroutes));
    int i = config_pick_interface(cfg, f->ifs, nifs, err, errlen);
    if (i < 0)
        return i;
    const struct netif *nif = &f->ifs[i];
    bool named = cfg->ifname[0] != '\0';
    memcpy(cfg->ifname, nif->name, sizeof(cfg->ifname));
    if (has_alias(nif) && (!named || cfg->naddrs == 0)) {
        char where[64];
        snprintf(where, sizeof(where), "alias of %s", nif->name);
        r = config_set_words(cfg, nif->alias + strlen(ALIAS_MARK), from_env, where, err, errlen);
        if (r < 0)
            return r;
    }
    if (cfg->naddrs == 0)
        adopt_kernel_addrs(cfg, nif, f->addrs, naddrs);
    r = config_check(cfg, nif, f->addrs, naddrs, err, errlen);
    if (r == 0) {
        config_adopt_routes(cfg, nif->index, f->routes, nroutes);
        cfg->routes_left += left;
    }
    if (r == 0 && !cfg->has_mac)
        make_mac(cfg, nif);
    return r;
}

int config_load(struct config *cfg, char *err, size_t errlen) {
    config_default(cfg);
    struct facts *f =
        mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f == MAP_FAILED)
        return refuse(ENOMEM, err, errlen, "out of memory");
    int r = load_with(cfg, f, err, errlen);
    munmap(f, sizeof(*f));
    return r;
}

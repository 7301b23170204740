/* Routes in the words of ip(8). */
#include <string.h>

#include "stack/base/number.h"
#include "stack/net/route.h"

#define TEXT_MAX 256

enum word {
    VIA,
    SRC,
    ONLINK,
    MTU,
    ADVMSS,
    WINDOW,
    INITCWND,
    INITRWND,
    RTO_MIN,
    QUICKACK,
    FEATURES,
    CONGCTL,
    N_WORDS
};
static const struct {
    const char *name, *mistake;
    uint32_t least, most; /* of a number */
} words[N_WORDS] = {
    [VIA] = {"via", "via: a gateway's IPv4 address, such as 10.0.0.254", 0, 0},
    [SRC] = {"src", "src: one of the host's own IPv4 addresses", 0, 0},
    [ONLINK] = {"onlink", NULL, 0, 0},
    [MTU] = {"mtu", "mtu: bytes from 68 to 65520", ROUTE_MTU_LEAST, ROUTE_MTU_MOST},
    [ADVMSS] = {"advmss", "advmss: bytes from 1 to 65495", 1, ROUTE_MSS_MOST},
    [WINDOW] = {"window", "window: bytes from 1 to 1073741824", 1, ROUTE_WINDOW_MOST},
    [INITCWND] = {"initcwnd", "initcwnd: segments from 1 to 65535", 1, ROUTE_SEGS_MOST},
    [INITRWND] = {"initrwnd", "initrwnd: segments from 1 to 65535", 1, ROUTE_SEGS_MOST},
    [RTO_MIN] = {"rto_min", "rto_min: a time from 1ms to 120s, such as 50ms", 1, ROUTE_RTO_MOST},
    [QUICKACK] = {"quickack", "quickack: 0 or 1", 0, 1},
    [FEATURES] = {"features", "features: ecn is the only one", 0, 0},
    [CONGCTL] = {"congctl", "congctl: a congestion control's name, such as bbr", 0, 0},
};

/* ---- words of a text ---- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Cuts off the next word, and moves *text behind it; NULL: there is none. */
static char *next_word(char **text) {
    char *s = *text;
    while (is_blank(*s))
        s++;
    char *word = s;
    while (*s != '\0' && !is_blank(*s))
        s++;
    *text = *s != '\0' ? s + 1 : s;
    *s = '\0';
    return *word != '\0' ? word : NULL;
}

static enum word find_word(const char *w) {
    enum word i = 0;
    while (i < N_WORDS && strcmp(words[i].name, w) != 0)
        i++;
    return i;
}

static bool parse_value(enum word w, const char *s, uint32_t *out) {
    uint64_t v;
    if (!number_parse(&s, UINT32_MAX, &v))
        return false;
    if (w == RTO_MIN && strcmp(s, "s") == 0)
        v *= 1000;
    else if (*s != '\0' && (w != RTO_MIN || strcmp(s, "ms") != 0))
        return false;
    *out = (uint32_t)v;
    return v >= words[w].least && v <= words[w].most;
}

static bool parse_address(const char *s, struct addr *out) {
    return addr_parse(s, out) && addr_is_v4(out) && addr_is_unicast(out);
}

static const char *parse_destination(const char *s, struct prefix *dst) {
    struct addr a;
    dst->net = addr_v4(0);
    dst->plen = ADDR_V4_PLEN;
    if (strcmp(s, "default") == 0)
        return NULL;
    if (addr_parse(s, &a)) {
        dst->net = a;
        dst->plen = 128;
    } else if (!addr_parse_prefix(s, &a, dst)) {
        return "a route begins with its network, as 10.2.0.0/16, an address, or default";
    }
    if (!addr_is_v4(&a))
        return "this stack speaks IPv4 only";
    return addr_eq(&a, &dst->net) ? NULL : "the network has bits behind its prefix length";
}

/* ---- what they say ---- */

static void store(enum word w, uint32_t v, struct route_metrics *m) {
    switch (w) {
    case MTU:
        m->mtu = (uint16_t)v;
        break;
    case ADVMSS:
        m->advmss = (uint16_t)v;
        break;
    case WINDOW:
        m->window = v;
        break;
    case INITCWND:
        m->initcwnd = v;
        break;
    case INITRWND:
        m->initrwnd = v;
        break;
    case RTO_MIN:
        m->rto_min_ms = v;
        break;
    default:
        m->quickack = v != 0;
        break;
    }
}

static bool copy_name(char to[static ROUTE_CC_MAX], const char *name) {
    size_t n = strlen(name);
    if (n >= ROUTE_CC_MAX)
        return false;
    memcpy(to, name, n + 1);
    return true;
}

/* The value of a word; locked: "lock" stood before it. */
static bool take_value(enum word w, const char *value, bool locked, struct route *r) {
    struct route_metrics *m = &r->metrics;
    uint32_t v;
    switch (w) {
    case VIA:
        return parse_address(value, &r->gateway);
    case SRC:
        return parse_address(value, &r->src);
    case FEATURES:
        m->ecn = true;
        return strcmp(value, "ecn") == 0;
    case CONGCTL:
        m->congctl_lock = locked;
        return copy_name(m->congctl, value);
    default:
        if (!parse_value(w, value, &v))
            return false;
        store(w, v, m);
        m->mtu_lock |= w == MTU && locked;
        return true;
    }
}

const char *route_parse(const char *text, struct route *out) {
    char copy[TEXT_MAX], *rest = copy;
    size_t len = strlen(text);
    if (len >= sizeof(copy))
        return "too long: 255 bytes at most";
    memcpy(copy, text, len + 1);
    memset(out, 0, sizeof(*out)); /* padding too: configurations are compared */
    out->gateway = out->src = addr_v4(0);
    const char *dst = next_word(&rest);
    const char *mistake = parse_destination(dst != NULL ? dst : "", &out->dst);
    for (char *w; mistake == NULL && (w = next_word(&rest)) != NULL;) {
        enum word i = find_word(w);
        if (i == N_WORDS)
            return "the words of a route are via, src, onlink, mtu, advmss, window, initcwnd, "
                   "initrwnd, rto_min, quickack, features, congctl";
        if (i == ONLINK) {
            out->onlink = true;
            continue;
        }
        const char *value = next_word(&rest);
        bool locked = (i == MTU || i == CONGCTL) && value != NULL && strcmp(value, "lock") == 0;
        if (locked)
            value = next_word(&rest);
        if (value == NULL || !take_value(i, value, locked, out))
            mistake = words[i].mistake;
    }
    return mistake;
}

/* Addresses: classes and text forms. The text forms are those of RFC 4291 §2.2 and RFC 5952; IPv4
 * is a strict dotted quad (no octal, no shorthand), as inet_pton takes it. */
#include "stack/base/addr.h"

#include <stdio.h>
#include <string.h>

#include "stack/base/number.h"

bool addr_is_any(const struct addr *a) {
    return a->q[0] == 0 && a->w[3] == 0 && (a->w[2] == 0 || addr_is_v4(a));
}

bool addr_is_loopback(const struct addr *a) {
    if (addr_is_v4(a))
        return a->b[12] == 127;
    return a->q[0] == 0 && a->w[2] == 0 && a->w[3] == be32(1).raw;
}

bool addr_is_multicast(const struct addr *a) {
    return addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

bool addr_is_limited_broadcast(const struct addr *a) {
    return addr_is_v4(a) && a->w[3] == UINT32_MAX;
}

bool addr_is_unicast(const struct addr *a) {
    /* 0.0.0.0/8 is "this network" and no source of an ordinary packet either; 240.0.0.0/4 is
     * class E and holds the limited broadcast. */
    if (addr_is_v4(a))
        return a->b[12] != 0 && a->b[12] < 224;
    return !addr_is_any(a) && !addr_is_multicast(a);
}

bool prefix_contains(const struct prefix *p, const struct addr *a) {
    unsigned bytes = p->plen / 8, bits = p->plen % 8;
    if (memcmp(p->net.b, a->b, bytes) != 0)
        return false;
    return bits == 0 || ((p->net.b[bytes] ^ a->b[bytes]) & (0xff00 >> bits) & 0xff) == 0;
}

bool prefix_is_broadcast(const struct prefix *p, const struct addr *a) {
    /* /31 and /32 have no broadcast address (RFC 3021). */
    if (p->plen < ADDR_V4_PLEN || p->plen > ADDR_V4_PLEN + 30 || !prefix_contains(p, a))
        return false;
    uint32_t host_mask = UINT32_MAX >> (p->plen - ADDR_V4_PLEN);
    return (addr_get_v4(a) & host_mask) == host_mask;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 §4.2); start 8: none.
 */
static void longest_zero_run(const uint16_t group[8], int *start, int *len) {
    *start = 8;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && group[i + n] == 0)
            n++;
        if (n > *len) {
            *start = i;
            *len = n;
        }
        i += n;
    }
}

char *addr_format(const struct addr *a, char buf[static ADDR_STRLEN]) {
    if (addr_is_v4(a)) {
        snprintf(buf, ADDR_STRLEN, "%u.%u.%u.%u", a->b[12], a->b[13], a->b[14], a->b[15]);
        return buf;
    }
    uint16_t group[8];
    for (size_t i = 0; i < 8; i++)
        group[i] = (uint16_t)(a->b[2 * i] << 8 | a->b[2 * i + 1]);
    int zeros, nzeros;
    longest_zero_run(group, &zeros, &nzeros);
    size_t at = 0;
    buf[0] = '\0';
    for (int i = 0; i < 8; i++) {
        if (i == zeros) {
            at += (size_t)snprintf(buf + at, ADDR_STRLEN - at, "::");
            i += nzeros - 1;
            continue;
        }
        bool colon = i > 0 && buf[at - 1] != ':';
        at += (size_t)snprintf(buf + at, ADDR_STRLEN - at, colon ? ":%x" : "%x", group[i]);
    }
    return buf;
}

/* A decimal number of at most `max` without leading zeros; moves *s behind it. -1: none. */
static int parse_decimal(const char **s, int max) {
    const char *p = *s;
    uint64_t v;
    if (*p == '0' && p[1] >= '0' && p[1] <= '9')
        return -1;
    return number_parse(s, (uint64_t)max, &v) ? (int)v : -1;
}

/* Exactly four octets to the end of the text. */
static bool parse_quad(const char *s, uint8_t out[4]) {
    for (int i = 0; i < 4; i++) {
        int v = parse_decimal(&s, 255);
        if (v < 0 || *s != (i < 3 ? '.' : '\0'))
            return false;
        out[i] = (uint8_t)v;
        s++;
    }
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group of one to four hex digits; moves *s behind it. -1: none, or too long. */
static int parse_group(const char **s) {
    int v = 0, n = 0;
    for (int digit; (digit = hex_digit(**s)) >= 0; (*s)++, n++) {
        if (n == 4)
            return -1;
        v = v * 16 + digit;
    }
    return n > 0 ? v : -1;
}

static bool parse_v6(const char *s, struct addr *out) {
    uint8_t b[16] = {0};
    int at = 0, gap = -1; /* bytes written; where "::" stood */
    if (s[0] == ':') {
        if (s[1] != ':')
            return false;
        gap = 0;
        s += 2;
    }
    while (*s != '\0') {
        if (at <= 12 && strchr(s, ':') == NULL && strchr(s, '.') != NULL) {
            if (!parse_quad(s, b + at))
                return false;
            at += 4;
            break;
        }
        int v = at < 16 ? parse_group(&s) : -1;
        if (v < 0)
            return false;
        b[at++] = (uint8_t)(v >> 8);
        b[at++] = (uint8_t)v;
        if (*s == '\0')
            break;
        if (*s++ != ':' || *s == '\0')
            return false;
        if (*s == ':') {
            if (gap >= 0)
                return false;
            gap = at;
            s++;
        }
    }
    if (gap < 0 ? at != 16 : at > 14)
        return false;
    memset(out, 0, sizeof(*out));
    int head = gap < 0 ? 16 : gap;
    memcpy(out->b, b, (size_t)head);
    memcpy(out->b + 16 - (at - head), b + head, (size_t)(at - head > 0 ? at - head : 0));
    return true;
}

bool addr_parse(const char *text, struct addr *out) {
    if (strchr(text, ':') != NULL)
        return parse_v6(text, out);
    uint8_t q[4];
    if (!parse_quad(text, q))
        return false;
    *out = addr_v4((uint32_t)q[0] << 24 | (uint32_t)q[1] << 16 | (uint32_t)q[2] << 8 | q[3]);
    return true;
}

bool addr_parse_prefix(const char *text, struct addr *addr, struct prefix *out) {
    char host[ADDR_STRLEN];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof(host))
        return false;
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    struct addr a;
    if (!addr_parse(host, &a))
        return false;
    bool v4 = strchr(host, ':') == NULL;
    const char *s = slash + 1;
    int plen = parse_decimal(&s, v4 ? 32 : 128);
    if (plen < 0 || *s != '\0')
        return false;
    out->plen = (uint8_t)(v4 ? plen + ADDR_V4_PLEN : plen);
    out->net = a;
    for (unsigned bit = out->plen; bit < 128; bit++)
        out->net.b[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    *addr = a;
    return true;
}

char *mac_format(const struct mac *m, char buf[static 18]) {
    snprintf(buf, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2], m->b[3], m->b[4],
             m->b[5]);
    return buf;
}

bool mac_parse(const char *text, struct mac *out) {
    struct mac m;
    for (int i = 0; i < 6; i++, text += 3) {
        int hi = hex_digit(text[0]);
        if (hi < 0)
            return false;
        int lo = hex_digit(text[1]);
        if (lo < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return false;
        m.b[i] = (uint8_t)(hi * 16 + lo);
    }
    *out = m;
    return true;
}

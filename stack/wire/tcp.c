/* TCP headers and options. A list of options is walked with every length checked against the
 * header; the worst it can do is to be ignored (RFC 9293 MUST-5, -6, -7, -64). */
#include "stack/wire/tcp.h"

#include <string.h>

struct wire_tcp {
    be16_t sport, dport;
    be32_t seq, ack;
    be16_t off_flags, window, csum, urg;
};
_Static_assert(sizeof(struct wire_tcp) == TCP_HDR_LEN, "");

#define TCP_OPTS_MAX (TCP_HDR_MAX - TCP_HDR_LEN)

enum tcp_opt_kind {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_MSS = 2,
    OPT_WSCALE = 3,
    OPT_SACK_OK = 4,
    OPT_SACK = 5,
    OPT_TS = 8,
    OPT_MD5 = 19,
    OPT_FASTOPEN = 34,
    OPT_EXPERIMENT = 254,
};
enum { FASTOPEN_MAGIC = 0xf989 };
enum {
    LEN_MSS = 4,
    LEN_WSCALE = 3,
    LEN_SACK_OK = 2,
    LEN_TS = 10,
    LEN_MD5 = 18,
    LEN_SACK_BLOCK = 8
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p) {
    be32_t v;
    memcpy(&v, p, sizeof(v));
    return be32_get(v);
}

static uint8_t *put16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v) {
    be32_t b = be32(v);
    memcpy(p, &b, sizeof(b));
    return p + 4;
}

static void parse_ts(const uint8_t *p, struct tcp_opts *o) {
    o->has_ts = true;
    o->tsval = get32(p + 2);
    o->tsecr = get32(p + 6);
}

/* `len` bytes of cookie. */
static void parse_fastopen(const uint8_t *p, size_t len, bool exp, struct tcp_opts *o) {
    if (len % 2 != 0 || (len != 0 && (len < TCP_FO_COOKIE_MIN || len > TCP_FO_COOKIE_MAX)))
        return;
    o->fo = (struct tcp_fo_opt){.present = true, .exp = exp, .len = (uint8_t)len};
    memcpy(o->fo.cookie, p, len);
}

/* One option of `len` bytes, kind and length included. */
static void parse_option(const uint8_t *p, uint8_t len, bool syn, struct tcp_opts *o) {
    switch (p[0]) {
    case OPT_MSS:
        if (syn && len == LEN_MSS) {
            o->has_mss = true;
            o->mss = get16(p + 2);
        }
        break;
    case OPT_WSCALE:
        if (syn && len == LEN_WSCALE) {
            o->has_wscale = true;
            o->wscale = p[2];
        }
        break;
    case OPT_SACK_OK:
        if (syn && len == LEN_SACK_OK)
            o->sack_permitted = true;
        break;
    case OPT_TS:
        if (len == LEN_TS)
            parse_ts(p, o);
        break;
    case OPT_SACK:
        if (syn || len < 2 + LEN_SACK_BLOCK || (len - 2) % LEN_SACK_BLOCK != 0)
            break;
        o->nsack = (uint8_t)((len - 2) / LEN_SACK_BLOCK);
        p += 2;
        for (int i = 0; i < o->nsack; i++, p += LEN_SACK_BLOCK) {
            o->sack[i].lo = seq(get32(p));
            o->sack[i].hi = seq(get32(p + 4));
        }
        break;
    case OPT_MD5:
        if (len == LEN_MD5) {
            o->md5_twice = o->has_md5;
            o->has_md5 = true;
            memcpy(o->md5, p + 2, TCP_MD5_LEN);
        }
        break;
    case OPT_FASTOPEN:
        if (syn)
            parse_fastopen(p + 2, len - 2u, false, o);
        break;
    case OPT_EXPERIMENT:
        if (syn && len >= 4 && get16(p + 2) == FASTOPEN_MAGIC)
            parse_fastopen(p + 4, len - 4u, true, o);
        break;
    default:
        break;
    }
}

static void parse_options(const uint8_t *p, size_t len, bool syn, struct tcp_opts *o) {
    /* Nearly every segment: nop nop TS and nothing else (RFC 7323 appendix A). */
    if (len == 12 && p[0] == OPT_NOP && p[1] == OPT_NOP && p[2] == OPT_TS && p[3] == LEN_TS) {
        parse_ts(p + 2, o);
        return;
    }
    for (size_t i = 0; i < len && p[i] != OPT_END;) {
        if (p[i] == OPT_NOP) {
            i++;
            continue;
        }
        if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
            return;
        parse_option(p + i, p[i + 1], syn, o);
        i += p[i + 1];
    }
}

int tcp_parse(const uint8_t *p, size_t len, struct tcp_hdr *h) {
    struct wire_tcp w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    uint16_t off_flags = be16_get(w.off_flags);
    uint8_t hdr_len = (uint8_t)((off_flags >> 12) * 4);
    if (hdr_len < TCP_HDR_LEN || hdr_len > len)
        return -1;
    h->sport = be16_get(w.sport);
    h->dport = be16_get(w.dport);
    h->seq = seq(be32_get(w.seq));
    h->ack = seq(be32_get(w.ack));
    h->flags = off_flags & 0x1ff;
    h->window = be16_get(w.window);
    h->urg = be16_get(w.urg);
    h->hdr_len = hdr_len;
    memset(&h->opt, 0, sizeof(h->opt));
    parse_options(p + TCP_HDR_LEN, hdr_len - TCP_HDR_LEN, h->flags & TH_SYN, &h->opt);
    return hdr_len;
}

unsigned tcp_sack_room(bool has_ts, bool has_md5) {
    unsigned room = TCP_OPTS_MAX - (has_ts ? LEN_TS + 2 : 0) - (has_md5 ? TCP_MD5_OPT_LEN : 0);
    return (room - 4) / LEN_SACK_BLOCK;
}

static unsigned sack_blocks(const struct tcp_opts *o) {
    unsigned max = tcp_sack_room(o->has_ts, o->has_md5);
    return o->nsack < max ? o->nsack : max;
}

static size_t fastopen_len(const struct tcp_fo_opt *fo) {
    return (fo->exp ? 4u : 2u) + fo->len;
}

/* On a SYN, before Fast Open: 40 bytes at most. */
static size_t syn_options_len(const struct tcp_opts *o) {
    size_t len = o->has_md5 ? TCP_MD5_OPT_LEN : 0;
    len += o->has_mss ? LEN_MSS : 0;
    len += o->has_ts ? LEN_TS + 2 : o->sack_permitted ? LEN_SACK_OK + 2 : 0;
    return len + (o->has_wscale ? LEN_WSCALE + 1 : 0);
}

/* Padded; 0: none, or no room for it. */
static size_t fastopen_room(const struct tcp_opts *o) {
    size_t len = o->fo.present ? (fastopen_len(&o->fo) + 3) / 4 * 4 : 0;
    return syn_options_len(o) + len <= TCP_OPTS_MAX ? len : 0;
}

size_t tcp_build_len(const struct tcp_hdr *h) {
    const struct tcp_opts *o = &h->opt;
    if (h->flags & TH_SYN)
        return TCP_HDR_LEN + syn_options_len(o) + fastopen_room(o);
    size_t len = TCP_HDR_LEN + (o->has_md5 ? TCP_MD5_OPT_LEN : 0);
    len += o->has_ts ? LEN_TS + 2 : 0;
    len += sack_blocks(o) > 0 ? 4 + sack_blocks(o) * LEN_SACK_BLOCK : 0;
    return len;
}

static uint8_t *build_ts(uint8_t *p, const struct tcp_opts *o) {
    p = put16(p, OPT_TS << 8 | LEN_TS);
    p = put32(p, o->tsval);
    return put32(p, o->tsecr);
}

static uint8_t *build_md5(uint8_t *p) {
    p = put16(p, OPT_NOP << 8 | OPT_NOP);
    p = put16(p, OPT_MD5 << 8 | LEN_MD5);
    memset(p, 0, TCP_MD5_LEN);
    return p + TCP_MD5_LEN;
}

static uint8_t *build_syn_options(uint8_t *p, const struct tcp_opts *o) {
    if (o->has_mss) {
        p = put16(p, OPT_MSS << 8 | LEN_MSS);
        p = put16(p, o->mss);
    }
    /* SACK-permitted stands in the two bytes that would else pad the timestamp. */
    if (o->has_ts || o->sack_permitted) {
        if (!o->has_ts)
            p = put16(p, OPT_NOP << 8 | OPT_NOP);
        p = put16(p, o->sack_permitted ? OPT_SACK_OK << 8 | LEN_SACK_OK : OPT_NOP << 8 | OPT_NOP);
        if (o->has_ts)
            p = build_ts(p, o);
    }
    if (o->has_wscale) {
        p = put16(p, OPT_NOP << 8 | OPT_WSCALE);
        p = put16(p, (uint16_t)(LEN_WSCALE << 8 | o->wscale));
    }
    if (fastopen_room(o) > 0) {
        size_t len = fastopen_len(&o->fo);
        p = put16(p, (uint16_t)((o->fo.exp ? OPT_EXPERIMENT : OPT_FASTOPEN) << 8 | len));
        if (o->fo.exp)
            p = put16(p, FASTOPEN_MAGIC);
        memcpy(p, o->fo.cookie, o->fo.len);
        p += o->fo.len;
        if (len % 4 != 0)
            p = put16(p, OPT_NOP << 8 | OPT_NOP);
    }
    return p;
}

static uint8_t *build_options(uint8_t *p, const struct tcp_opts *o) {
    if (o->has_ts)
        p = build_ts(put16(p, OPT_NOP << 8 | OPT_NOP), o);
    unsigned n = sack_blocks(o);
    if (n > 0) {
        p = put16(p, OPT_NOP << 8 | OPT_NOP);
        p = put16(p, (uint16_t)(OPT_SACK << 8 | (2 + n * LEN_SACK_BLOCK)));
        for (unsigned i = 0; i < n; i++)
            p = put32(put32(p, o->sack[i].lo.v), o->sack[i].hi.v);
    }
    return p;
}

size_t tcp_build(uint8_t *p, const struct tcp_hdr *h) {
    size_t len = tcp_build_len(h);
    struct wire_tcp w = {
        .sport = be16(h->sport),
        .dport = be16(h->dport),
        .seq = be32(h->seq.v),
        .ack = be32(h->ack.v),
        .off_flags = be16((uint16_t)(len / 4 << 12 | (h->flags & 0x1ff))),
        .window = be16(h->window),
        .urg = be16(h->urg),
    };
    memcpy(p, &w, sizeof(w));
    p += TCP_HDR_LEN;
    if (h->opt.has_md5)
        p = build_md5(p);
    if (h->flags & TH_SYN)
        build_syn_options(p, &h->opt);
    else
        build_options(p, &h->opt);
    return len;
}

char *tcp_flags_format(uint16_t flags, char buf[static 10]) {
    static const char letter[] = "FSRP.UEWe"; /* by bit, from TH_FIN up */
    char *out = buf;
    for (int i = 0; i < 9; i++)
        if (flags & 1u << i)
            *out++ = letter[i];
    *out = '\0';
    return out == buf ? strcpy(buf, "none") : buf;
}

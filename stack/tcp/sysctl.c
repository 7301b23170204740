#include "stack/tcp/sysctl.h"

#include "stack/base/number.h"
#include "stack/tcp/fastopen.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum kind {
    SYSCTL_BOOL,  /* bool */
    SYSCTL_U32,   /* uint32_t */
    SYSCTL_TIME,  /* uint64_t of nanoseconds; `unit_ns` each */
    SYSCTL_MEM,   /* minimum, default, maximum: three uint32_t in a row */
    SYSCTL_CC,    /* uint8_t, by name */
    SYSCTL_RANGE, /* from and to: two uint32_t in a row */
    SYSCTL_KEY,   /* one or two keys, in hexadecimal words */
    SYSCTL_PORTS, /* struct ports */
};

struct desc {
    const char *name, *what;
    enum kind kind;
    size_t at; /* offset in struct tcp_config */
    uint64_t min, max;
    uint64_t unit_ns;
};

#define AT(field) offsetof(struct tcp_config, field)
#define BOOL(n, field, what)                                                                       \
    { n, what, SYSCTL_BOOL, AT(field), 0, 1, 0 }
#define U32(n, field, lo, hi, w)                                                                   \
    { n, w, SYSCTL_U32, AT(field), lo, hi, 0 }
#define TIME(n, field, least, unit, w)                                                             \
    { n, w, SYSCTL_TIME, AT(field), least, INT_MAX, unit }
#define MEM(n, field, w)                                                                           \
    { n, w, SYSCTL_MEM, AT(field), 1, INT_MAX, 0 }

static const struct desc table[] = {
    {"net.ipv4.tcp_congestion_control", "for new connections: cubic, reno, bbr, dctcp", SYSCTL_CC,
     AT(cc), 0, 0, 0},
    BOOL("net.ipv4.tcp_sack", sack, "offer and take SACK"),
    BOOL("net.ipv4.tcp_dsack", dsack, "report duplicates by SACK (RFC 2883)"),
    U32("net.ipv4.tcp_timestamps", timestamps, 0, 2,
        "offer and take timestamps (RFC 7323): 1 from a secret start, 2 from 0"),
    BOOL("net.ipv4.tcp_window_scaling", window_scaling, "offer and take window scaling"),
    BOOL("net.ipv4.tcp_slow_start_after_idle", slow_start_after_idle,
         "cwnd falls back after a pause (RFC 5681 §4.1)"),
    BOOL("net.ipv4.tcp_stdurg", stdurg, "the urgent pointer as RFC 793 had it"),
    U32("net.ipv4.tcp_ecn", ecn, 0, 5,
        "ECN (RFC 3168): 1 asks for it, 2 does it if asked; accurate ECN (RFC 9768): 3 asks, 5 "
        "does it "
        "if asked, 4 does but asks for the classic one"),
    BOOL("net.ipv4.tcp_ecn_fallback", ecn_fallback, "a lost SYN does not ask again"),
    U32("net.ipv4.tcp_syncookies", syncookies, 0, 2,
        "SYN cookies: 1 when the SYN queue is full, 2 always"),
    U32("net.ipv4.tcp_syn_retries", syn_retries, 1, 127, "SYNs sent again before connect fails"),
    U32("net.ipv4.tcp_synack_retries", synack_retries, 0, 255, "SYN-ACKs sent again"),
    U32("net.ipv4.tcp_retries2", retries2, 0, 255, "timeouts before a connection is given up"),
    U32("net.ipv4.tcp_orphan_retries", orphan_retries, 0, 255, "the same without a user; 0: 8"),
    U32("net.ipv4.tcp_recovery", recovery, 0, 7, "bit 4: no threshold of duplicates beside RACK"),
    U32("net.ipv4.tcp_early_retrans", early_retrans, 0, 4, "3, 4: tail loss probes"),
    U32("net.ipv4.tcp_frto", frto, 0, 2, "spurious timeouts are found by F-RTO (RFC 5682)"),
    U32("net.ipv4.tcp_reordering", reordering, 1, 127, "segments of reordering taken for granted"),
    U32("net.ipv4.tcp_max_reordering", max_reordering, 1, INT_MAX, "… learnt at most"),
    U32("net.ipv4.tcp_keepalive_probes", keepalive_probes, 1, 127,
        "unanswered keepalive probes before a connection is given up"),
    TIME("net.ipv4.tcp_keepalive_time", keepalive_time_ns, 0, 1000000000u,
         "seconds of silence before"),
    TIME("net.ipv4.tcp_keepalive_intvl", keepalive_intvl_ns, 0, 1000000000u,
         "seconds between them"),
    TIME("net.ipv4.tcp_fin_timeout", fin_timeout_ns, 0, 1000000000u,
         "seconds in FIN-WAIT-2 without a user"),
    TIME("net.ipv4.tcp_rto_min_us", rto_min_ns, 1, 1000u, "lower bound of the timeout"),
    TIME("net.ipv4.tcp_invalid_ratelimit", invalid_ratelimit_ns, 0, 1000000u,
         "milliseconds between ACKs in answer to unacceptable segments"),
    MEM("net.ipv4.tcp_rmem", rmem, "receive buffer: least, first and largest"),
    MEM("net.ipv4.tcp_wmem", wmem, "send buffer: least, first and largest"),
    MEM("net.ipv4.tcp_mem", mem, "pages of all buffers: free use, pressure, and no more"),
    U32("net.ipv4.tcp_fastopen", fastopen, 0, INT_MAX, "Fast Open: bits 0x1 client, 0x2 server …"),
    {"net.ipv4.tcp_fastopen_key", "the key of the server's cookies, and maybe the one before",
     SYSCTL_KEY, AT(fastopen_key), 0, 0, 0},
    U32("net.ipv4.tcp_fastopen_blackhole_timeout_sec", fastopen_blackhole_s, 0, INT_MAX,
        "how long the client gives Fast Open up where it seems to be filtered"),
    U32("net.ipv4.tcp_pacing_ss_ratio", pacing_ss_ratio, 0, 1000,
        "pacing rate in slow start, percent of cwnd a round trip"),
    U32("net.ipv4.tcp_pacing_ca_ratio", pacing_ca_ratio, 0, 1000, "… and behind it"),
    U32("net.ipv4.tcp_min_tso_segs", min_tso_segs, 1, 63, "a super-segment's least"),
    U32("net.ipv4.tcp_tso_rtt_log", tso_rtt_log, 0, 18,
        "log2 of the round trip in microseconds up to which super-segments are at their largest"),
    U32("net.ipv4.tcp_retries1", retries1, 0, 255,
        "timeouts before a black hole is suspected (tcp_mtu_probing)"),
    U32("net.ipv4.tcp_mtu_probing", mtu_probing, 0, 2,
        "path MTU by probes (RFC 4821): 1 where large segments vanish, 2 always"),
    U32("net.ipv4.tcp_base_mss", base_mss, 48, 65495, "where that search begins"),
    U32("net.ipv4.tcp_min_snd_mss", min_snd_mss, 48, 65495, "the least MSS that is believed"),
    U32("net.ipv4.tcp_mtu_probe_floor", mtu_probe_floor, 48, 65495, "the least that it tries"),
    TIME("net.ipv4.tcp_probe_interval", mtu_probe_interval_ns, 0, 1000000000u,
         "seconds until it searches anew"),
    U32("net.ipv4.tcp_probe_threshold", mtu_probe_threshold, 0, INT_MAX,
        "bytes at which the search is over"),
    U32("net.ipv4.tcp_max_syn_backlog", max_syn_backlog, 0, INT_MAX,
        "without SYN cookies, bound of the SYN queue: three quarters of it"),
    BOOL("net.ipv4.tcp_abort_on_overflow", abort_on_overflow,
         "a full accept queue resets who completes a handshake"),
    U32("net.ipv4.tcp_max_orphans", max_orphans, 0, INT_MAX,
        "connections without a user; what is beyond is reset"),
    U32("net.ipv4.tcp_max_tw_buckets", max_tw_buckets, 0, INT_MAX,
        "connections in TIME-WAIT; beyond it, and beyond half of all, the oldest goes"),
    U32("net.ipv4.tcp_tw_reuse", tw_reuse, 0, 2,
        "connect takes over its own TIME-WAIT (RFC 6191): 1 always, 2 with a loopback address "
        "only"),
    {"net.ipv4.tcp_tw_reuse_delay", "milliseconds in TIME-WAIT before it does", SYSCTL_TIME,
     AT(tw_reuse_delay_ns), 1, 60000, 1000000u},
    BOOL("net.ipv4.tcp_rfc1337", rfc1337, "a RST does not end TIME-WAIT (RFC 1337)"),
    U32("net.ipv4.tcp_syn_linear_timeouts", syn_linear, 0, 127,
        "SYNs sent again before the timeout begins to double"),
    BOOL("net.ipv4.tcp_thin_linear_timeouts", thin_linear,
         "with fewer than four segments in flight the timeout doubles from the seventh on only"),
    TIME("net.ipv4.tcp_rto_max_ms", rto_max_ns, 1000, 1000000u, "upper bound of the timeout"),
    {"net.ipv4.ip_local_port_range", "ports that connect and bind pick", SYSCTL_RANGE,
     AT(port_range), 1, 65535, 0},
    {"net.ipv4.ip_local_reserved_ports", "… but never these", SYSCTL_PORTS, AT(reserved_ports), 0,
     0, 0},
    U32("net.ipv4.ip_default_ttl", default_ttl, 1, 255, "TTL of what is sent"),
    U32("net.ipv4.ip_no_pmtu_disc", no_pmtu_disc, 0, 3,
        "not 0: no path MTU discovery, unless a program asks for it (IP_MTU_DISCOVER)"),
    U32("net.ipv4.tcp_pingpong_thresh", pingpong_thresh, 1, 255,
        "answers soon after a question, before ACKs wait for them"),
    BOOL("net.ipv4.tcp_reflect_tos", reflect_tos, "what is accepted has the TOS of its SYN"),
    {"net.ipv4.tcp_min_rtt_wlen", "seconds for which the smallest round trip counts", SYSCTL_TIME,
     AT(min_rtt_wlen_ns), 0, 86400, 1000000000u},
    TIME("net.ipv4.tcp_comp_sack_delay_ns", comp_sack_delay_ns, 0, 1,
         "nanoseconds that an ACK of what came out of order may wait for more, at most"),
    U32("net.ipv4.tcp_comp_sack_nr", comp_sack_nr, 0, 255,
        "as many such ACKs become one; 0: none waits"),
    BOOL("net.ipv4.tcp_moderate_rcvbuf", moderate_rcvbuf,
         "the receive buffer grows as the reader keeps up"),
    U32("net.ipv4.tcp_notsent_lowat", notsent_lowat, 0, UINT32_MAX,
        "bytes that may wait unsent before a writer does"),
    U32("net.core.rmem_max", core_rmem_max, SOCK_MIN_RCVBUF, INT_MAX,
        "the most that SO_RCVBUF gives"),
    U32("net.core.wmem_max", core_wmem_max, SOCK_MIN_SNDBUF, INT_MAX,
        "the most that SO_SNDBUF gives"),
    U32("net.core.rmem_default", core_rmem_default, SOCK_MIN_RCVBUF, INT_MAX,
        "receive buffer of UDP"),
    U32("net.core.somaxconn", somaxconn, 0, INT_MAX, "bound of a listener's backlog"),
};
#define N_SYSCTLS (sizeof(table) / sizeof(table[0]))

const char *sysctl_name(unsigned i, const char **what) {
    if (i >= N_SYSCTLS)
        return NULL;
    *what = table[i].what;
    return table[i].name;
}

static const struct desc *find(const char *name) {
    for (size_t i = 0; i < N_SYSCTLS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static bool is_separator(char c) {
    return c == ' ' || c == '\t' || c == '/' || c == '\n';
}

/* Reads a number and moves on behind it; false: none, or too large. */
static bool next_number(const char **s, uint64_t *out) {
    while (is_separator(**s))
        (*s)++;
    if (!number_parse(s, UINT32_MAX, out))
        return false;
    return **s == '\0' || is_separator(**s);
}

static bool at_end(const char *s) {
    while (is_separator(*s))
        s++;
    return *s == '\0';
}

static void *field(const struct tcp_config *cfg, size_t at) {
    return (char *)(uintptr_t)cfg + at;
}

static int set_cc(struct tcp_config *cfg, const struct desc *d, const char *value) {
    size_t n = strlen(value);
    while (n > 0 && is_separator(value[n - 1]))
        n--;
    int id = tcp_cc_find(value, n);
    if (id < 0)
        return -EINVAL;
    *(uint8_t *)field(cfg, d->at) = (uint8_t)id;
    return 0;
}

/* A triple, or a range, which may not be empty. */
static int set_row(struct tcp_config *cfg, const struct desc *d, const char *s) {
    uint64_t v[3];
    int n = d->kind == SYSCTL_RANGE ? 2 : 3;
    for (int i = 0; i < n; i++)
        if (!next_number(&s, &v[i]) || v[i] < d->min || v[i] > d->max)
            return -EINVAL;
    if (!at_end(s) || (n == 2 && v[0] > v[1]))
        return -EINVAL;
    for (int i = 0; i < n; i++)
        ((uint32_t *)field(cfg, d->at))[i] = (uint32_t)v[i];
    return 0;
}

/* Eight hexadecimal digits, that is a little-endian word. */
static bool next_word(const char **s, uint8_t *out) {
    uint32_t v = 0;
    for (int i = 0; i < 8; i++, (*s)++) {
        const char *digits = "0123456789abcdef", *at = NULL;
        char c = **s >= 'A' && **s <= 'F' ? (char)(**s | 0x20) : **s;
        if (c == '\0' || (at = strchr(digits, c)) == NULL)
            return false;
        v = v << 4 | (uint32_t)(at - digits);
    }
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
    return true;
}

/* xxxxxxxx-xxxxxxxx-xxxxxxxx-xxxxxxxx, and after a comma another. All zero: none is chosen. */
static int set_key(struct tcp_config *cfg, const char *s) {
    uint8_t key[FASTOPEN_KEYS * FASTOPEN_KEY_LEN] = {0}, any = 0;
    size_t words = 0;
    for (;; s++) {
        if (words >= sizeof(key) / 4 || !next_word(&s, key + 4 * words))
            return -EINVAL;
        if (*s != (++words % 4 != 0 ? '-' : ','))
            break;
    }
    if (words % 4 != 0 || !at_end(s))
        return -EINVAL;
    for (size_t i = 0; i < sizeof(key); i++)
        any |= key[i];
    memcpy(cfg->fastopen_key, key, sizeof(key));
    cfg->fastopen_keys = any != 0 ? (uint8_t)(words / 4) : 0;
    return 0;
}

static void get_key(const struct tcp_config *cfg, char *text) {
    unsigned n = cfg->fastopen_keys != 0 ? cfg->fastopen_keys : 1;
    size_t at = 0;
    for (size_t i = 0; i < 4 * (size_t)n; i++) {
        const uint8_t *k = cfg->fastopen_key + 4 * i;
        const char *before = i == 0 ? "" : i % 4 == 0 ? "," : "-";
        at += (size_t)snprintf(text + at, SYSCTL_TEXT - at, "%s%02x%02x%02x%02x", before, k[3],
                               k[2], k[1], k[0]);
    }
}

int sysctl_set(struct tcp_config *cfg, const char *name, const char *value) {
    const struct desc *d = find(name);
    uint64_t v;
    if (d == NULL)
        return -ENOENT;
    if (d->kind == SYSCTL_CC)
        return set_cc(cfg, d, value);
    if (d->kind == SYSCTL_KEY)
        return set_key(cfg, value);
    if (d->kind == SYSCTL_PORTS)
        return ports_parse(value, field(cfg, d->at));
    if (d->kind == SYSCTL_MEM || d->kind == SYSCTL_RANGE)
        return set_row(cfg, d, value);
    if (!next_number(&value, &v) || !at_end(value))
        return -EINVAL;
    if (d->kind == SYSCTL_BOOL && v > 1)
        v = 1;
    if (v < d->min || v > d->max)
        return -EINVAL;
    if (d->kind == SYSCTL_BOOL)
        *(bool *)field(cfg, d->at) = v != 0;
    else if (d->kind == SYSCTL_TIME)
        *(uint64_t *)field(cfg, d->at) = v * d->unit_ns;
    else
        *(uint32_t *)field(cfg, d->at) = (uint32_t)v;
    return 0;
}

int sysctl_get(const struct tcp_config *cfg, const char *name, char *text) {
    const struct desc *d = find(name);
    const uint32_t *mem;
    if (d == NULL)
        return -ENOENT;
    switch (d->kind) {
    case SYSCTL_BOOL:
        snprintf(text, SYSCTL_TEXT, "%d", *(bool *)field(cfg, d->at));
        break;
    case SYSCTL_U32:
        snprintf(text, SYSCTL_TEXT, "%u", *(uint32_t *)field(cfg, d->at));
        break;
    case SYSCTL_TIME:
        snprintf(text, SYSCTL_TEXT, "%llu",
                 (unsigned long long)(*(uint64_t *)field(cfg, d->at) / d->unit_ns));
        break;
    case SYSCTL_MEM:
        mem = field(cfg, d->at);
        snprintf(text, SYSCTL_TEXT, "%u %u %u", mem[0], mem[1], mem[2]);
        break;
    case SYSCTL_RANGE:
        mem = field(cfg, d->at);
        snprintf(text, SYSCTL_TEXT, "%u %u", mem[0], mem[1]);
        break;
    case SYSCTL_KEY:
        get_key(cfg, text);
        break;
    case SYSCTL_PORTS:
        ports_format(field(cfg, d->at), text);
        break;
    case SYSCTL_CC:
        snprintf(text, SYSCTL_TEXT, "%s", tcp_cc_name(*(uint8_t *)field(cfg, d->at)));
        break;
    }
    return 0;
}

/* The script's end of the wire, and its user of the stack. What the stack sends is taken apart and
 * kept until an out() asks for it. */
#include "tests/tcp/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/link/gso.h"
#include "stack/wire/arp.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "tests/tcp/script_text.h"
#include "tests/tcp/segment_md5.h"

#define EPOCH_NS  1000000000ull
#define NS_PER_MS 1000000ull
#define SENT_MAX  2048
#define FRAME_MAX 9100
#define TRACE_MAX 16384

/* A segment that the stack sent. */
struct sent {
    uint64_t at_ns;
    struct tcp_hdr h;
    uint32_t len;
    uint8_t tos, ttl;
    char opts[SEG_TEXT];
};

struct stack_config t_cfg;
double t_rtt_ms;
bool t_df;

static struct {
    struct link link;
    struct stack *st;
    void *mem;
    size_t mem_size;
    uint64_t now_ns, next_ns;
    uint32_t proc;
    struct sock *listener, *so;
    uint16_t local_port, peer_port;
    uint32_t local_isn, peer_isn;
    uint32_t last_tsval;
    size_t user_sent, user_received;
    struct sent sent[SENT_MAX]; /* [seen, nsent) have not been asked for */
    unsigned nsent, seen;
    uint8_t rx[4][FRAME_MAX]; /* frames on their way to the stack */
    uint32_t rx_len[4];
    int nrx;
    uint16_t ip_id;
    uint32_t forged_src, forged_dst; /* 0: not */
    bool batch;
    const char *md5_key;
    char trace[TRACE_MAX];
    size_t trace_len;
} t;

static const struct mac local_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}};
static const uint32_t local_v4 = 0x0a000001, peer_v4 = 0x0a000002;

/* The two streams' bytes, by sequence number relative to the SYN. */
static uint8_t out_byte(uint32_t rel) {
    return (uint8_t)(rel * 31 + (rel >> 8));
}
static uint8_t in_byte(uint32_t rel) {
    return (uint8_t)(rel * 17 + (rel >> 7) + 5);
}

/* ---- the trace that a failed test shows ---- */

static void trace(const char *dir, const struct tcp_hdr *h, uint32_t len, const char *opts,
                  uint32_t seq_base, uint32_t ack_base) {
    char flags[10];
    int32_t lo = (int32_t)(h->seq.v - seq_base);
    size_t room = TRACE_MAX - t.trace_len;
    int n = snprintf(t.trace + t.trace_len, room, "  %9.3f %s %s %d:%d(%u) ack %d win %u <%s>\n",
                     (double)(t.now_ns - EPOCH_NS) / 1e6, dir, tcp_flags_format(h->flags, flags),
                     lo, lo + (int32_t)len, len, (int32_t)(h->ack.v - ack_base), h->window, opts);
    t.trace_len += (size_t)n < room ? (size_t)n : 0;
}

#define t_fail(...)                                                                                \
    do {                                                                                           \
        char msg_[1000];                                                                           \
        snprintf(msg_, sizeof(msg_), __VA_ARGS__);                                                 \
        cr_assert_fail("%s\n%s", msg_, t.trace);                                                   \
    } while (0)

/* ---- frames from the stack ---- */

static void queue_rx(const uint8_t *frame, uint32_t len) {
    cr_assert(t.nrx < 4 && len <= FRAME_MAX);
    memcpy(t.rx[t.nrx], frame, len);
    t.rx_len[t.nrx++] = len;
}

static void answer_arp(const uint8_t *p, size_t len) {
    struct arp_hdr a;
    uint8_t frame[60] = {0};
    cr_assert(arp_parse(p, len, &a) > 0);
    if (a.op != ARP_REQUEST || addr_get_v4(&a.tpa) != peer_v4)
        return;
    struct eth_hdr eth = {.dst = local_mac, .src = peer_mac, .type = ETH_ARP};
    struct arp_hdr reply = {
        .op = ARP_REPLY, .sha = peer_mac, .tha = a.sha, .spa = a.tpa, .tpa = a.spa};
    eth_build(frame, &eth);
    arp_build(frame + ETH_HDR_LEN, &reply);
    queue_rx(frame, sizeof(frame));
}

static void check_payload(const struct tcp_hdr *h, const uint8_t *p, uint32_t len) {
    uint32_t rel = h->seq.v - t.local_isn + (h->flags & TH_SYN ? 1 : 0);
    for (uint32_t i = 0; i < len; i++)
        if (p[i] != out_byte(rel + i))
            t_fail("payload wrong at %u", rel + i);
}

static void check_md5(const struct sent *s, const struct ip4_hdr *ip, const uint8_t *p,
                      uint32_t len) {
    uint8_t good[TCP_MD5_LEN];
    if (!s->h.opt.has_md5 && t.md5_key == NULL)
        return;
    if (!s->h.opt.has_md5 || t.md5_key == NULL)
        t_fail("a segment of the stack is %s", s->h.opt.has_md5 ? "signed" : "not signed");
    segment_md5(p, len, &ip->src, &ip->dst, t.md5_key, strlen(t.md5_key), good);
    if (memcmp(good, s->h.opt.md5, sizeof(good)) != 0)
        t_fail("the stack's signature is wrong");
}

static void capture_tcp(const struct ip4_hdr *ip, const uint8_t *p, uint32_t len) {
    cr_assert_lt(t.nsent, SENT_MAX);
    struct sent *s = &t.sent[t.nsent];
    *s = (struct sent){.at_ns = t.now_ns, .tos = ip->tos, .ttl = ip->ttl};
    int n = tcp_parse(p, len, &s->h);
    cr_assert_gt(n, 0, "a TCP header that does not parse");
    cr_assert_eq(csum_finish(csum_add(csum_pseudo(&ip->src, &ip->dst, PROTO_TCP, len), p, len)).raw,
                 0, "TCP checksum");
    cr_assert(ip->df == t_df && addr_get_v4(&ip->src) == local_v4);
    if (s->h.flags & TH_SYN) {
        t.local_isn = s->h.seq.v;
        t.local_port = s->h.sport;
    }
    if (s->h.opt.has_ts)
        t.last_tsval = s->h.opt.tsval;
    s->len = len - (uint32_t)n;
    check_payload(&s->h, p + n, s->len);
    opts_to_text(p + TCP_HDR_LEN, (size_t)n - TCP_HDR_LEN, t.peer_isn, s->opts);
    trace("<", &s->h, s->len, s->opts, t.local_isn, t.peer_isn);
    check_md5(s, ip, p, len);
    t.nsent++;
}

static void capture(const uint8_t *p, uint32_t len) {
    struct eth_hdr eth;
    struct ip4_hdr ip;
    cr_assert_eq(eth_parse(p, len, &eth), ETH_HDR_LEN);
    p += ETH_HDR_LEN;
    len -= ETH_HDR_LEN;
    if (eth.type == ETH_ARP) {
        answer_arp(p, len);
        return;
    }
    int n = ip4_parse(p, len, &ip);
    cr_assert_gt(n, 0);
    cr_assert(mac_eq(&eth.dst, &peer_mac) && mac_eq(&eth.src, &local_mac));
    cr_assert_eq(ip.total_len, len);
    if (ip.proto == PROTO_TCP)
        capture_tcp(&ip, p + n, len - (uint32_t)n);
}

/* ---- the link ---- */

static int script_recv(struct link *l, struct frame *f, int max, uint64_t now) {
    (void)l, (void)now;
    int n = t.nrx < max ? t.nrx : max;
    for (int i = 0; i < n; i++)
        frame_from_mem(&f[i], t.rx[i], t.rx_len[i]);
    return n;
}
static void script_recv_done(struct link *l, int n) {
    (void)l;
    cr_assert_eq(n, t.nrx);
    t.nrx = 0;
}
static int script_send(struct link *l, struct pkt *const *p, int n, uint64_t now, uint64_t *drop) {
    (void)l, (void)now, (void)drop;
    for (int i = 0; i < n; i++) {
        uint8_t frame[FRAME_MAX];
        struct gso_src src;
        gso_from_pkt(&src, p[i]);
        /* A link splits super-frames and finishes checksums. */
        for (uint32_t k = 0, count = gso_count(&src); k < count; k++) {
            cr_assert_leq(gso_len(&src, k), sizeof(frame));
            capture(frame, gso_build(&src, k, frame));
        }
    }
    return n;
}
static uint64_t script_next(struct link *l) {
    (void)l;
    return t.nrx > 0 ? 0 : TIME_NEVER;
}
static void script_close(struct link *l) {
    (void)l;
}
static const struct link_ops script_ops = {script_recv, script_recv_done, script_send, script_next,
                                           script_close};

/* ---- time ---- */

static void poll_now(void) {
    do {
        t.next_ns = stack_poll(t.st, &t.link, t.now_ns, NULL);
    } while (t.nrx > 0);
}

/* Goes on until `until`, or until something was sent where that is asked for. */
static void run(uint64_t until, bool stop_at_sent) {
    unsigned before = t.nsent;
    for (int guard = 0; guard < 1000000; guard++) {
        poll_now();
        if ((stop_at_sent && t.nsent > before) || t.now_ns >= until)
            return;
        t.now_ns = t.next_ns < until ? t.next_ns : until;
    }
    t_fail("time stands still");
}

void after(double ms) {
    run(t.now_ns + (uint64_t)(ms * (double)NS_PER_MS), false);
}

/* ---- set-up ---- */

void t_setup(void) {
    memset(&t, 0, sizeof(t));
    t_rtt_ms = 0;
    t_df = true;
    stack_config_default(&t_cfg, 1);
    t_cfg.net.mac = local_mac;
    t_cfg.net.mtu = 1500;
    t_cfg.net.naddrs = 1;
    addr_parse_prefix("10.0.0.1/24", &t_cfg.net.addr[0].addr, &t_cfg.net.addr[0].net);
    t.peer_port = T_PEER_PORT;
    t.local_port = T_PORT;
    t.peer_isn = 0xfffffc18; /* 1,000 before the end: numbers wrap in every longer script */
}

/* By the first call of a script, so that it may change t_cfg before. */
static void start(void) {
    static const uint8_t seed[16] = "tcp scripts";
    if (t.st != NULL)
        return;
    t.now_ns = EPOCH_NS;
    t.link = (struct link){.ops = &script_ops, .caps = {.mtu = t_cfg.net.mtu}};
    t.mem_size = stack_mem_size(&t_cfg);
    t.mem = mmap(NULL, t.mem_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(t.mem != MAP_FAILED);
    t.st = stack_init(t.mem, t.mem_size, &t_cfg, seed, t.now_ns);
    cr_assert_not_null(t.st);
    int proc = proc_attach(t.st, 1, 1);
    cr_assert_geq(proc, 0);
    t.proc = (uint32_t)proc;
    poll_now();
}

void t_finish(void) {
    if (t.st == NULL)
        return;
    expect_none();
    munmap(t.mem, t.mem_size);
    t.st = NULL;
}

void t_peer_port(uint16_t port) {
    t.peer_port = port;
    t.local_port = T_PORT;
    t.so = NULL;
    t.user_sent = t.user_received = 0;
}
void t_peer_isn(uint32_t isn) {
    t.peer_isn = isn;
}
uint32_t t_last_tsval(void) {
    return t.last_tsval;
}
uint32_t t_local_isn(void) {
    return t.local_isn;
}
struct stack *t_stack(void) {
    return t.st;
}

/* ---- segments to the stack ---- */

static struct seg_text parse(const char *text) {
    struct seg_text s;
    const char *why = seg_text_parse(text, &s);
    cr_assert_null(why, "\"%s\": %s", text, why);
    return s;
}

/* A TCP segment in p from its text; returns its length. to_stack: the peer sends it, else it is one
 * of ours (for a quotation). */
static uint32_t build_segment(uint8_t *p, const struct seg_text *s, bool to_stack) {
    uint32_t seq_base = to_stack ? t.peer_isn : t.local_isn;
    uint32_t ack_base = to_stack ? t.local_isn : t.peer_isn;
    struct tcp_hdr h = {.sport = to_stack ? t.peer_port : t.local_port,
                        .dport = to_stack ? t.local_port : t.peer_port,
                        .seq = seq((uint32_t)s->lo + seq_base),
                        .ack = seq(s->has_ack ? (uint32_t)s->ack + ack_base : 0),
                        .flags = s->flags,
                        .window = s->has_win ? (uint16_t)s->win : 65535,
                        .urg = (uint16_t)s->urg};
    tcp_build(p, &h);
    int nopts = opts_from_text(s->opts, t.last_tsval, t.local_isn, p + TCP_HDR_LEN);
    cr_assert(nopts >= 0, "options \"%s\"", s->opts);
    p[12] = (uint8_t)(((TCP_HDR_LEN + nopts) / 4) << 4 | (s->flags >> 8 & 1));
    uint8_t *data = p + TCP_HDR_LEN + nopts;
    for (uint32_t i = 0; i < s->len; i++)
        data[i] = in_byte((uint32_t)s->lo + i + (s->flags & TH_SYN ? 1 : 0));
    if (to_stack)
        trace(">", &h, (uint32_t)s->len, s->opts, seq_base, ack_base);
    return (uint32_t)(TCP_HDR_LEN + nopts + s->len);
}

static void send_ip(uint8_t *frame, uint8_t proto, uint8_t tos, uint32_t len) {
    struct eth_hdr eth = {.dst = local_mac, .src = peer_mac, .type = ETH_IPV4};
    struct ip4_hdr ip = {.total_len = (uint16_t)(IP4_HDR_LEN + len),
                         .tos = tos,
                         .id = t.ip_id++,
                         .df = true,
                         .ttl = 64,
                         .proto = proto,
                         .src = addr_v4(t.forged_src != 0 ? t.forged_src : peer_v4),
                         .dst = addr_v4(t.forged_dst != 0 ? t.forged_dst : local_v4)};
    eth_build(frame, &eth);
    ip4_build(frame + ETH_HDR_LEN, &ip);
    queue_rx(frame, ETH_HDR_LEN + IP4_HDR_LEN + len);
    if (!t.batch)
        poll_now();
}

void t_batch(void) {
    t.batch = true;
}

void t_batch_end(void) {
    t.batch = false;
    poll_now();
}

/* "md5 KEY" among the options of a segment: signs it, in the last such option. */
static void sign(uint8_t *p, uint32_t len, const char *opts, const struct addr *src,
                 const struct addr *dst) {
    const char *key = strstr(opts, "md5 ");
    uint8_t *o = p + TCP_HDR_LEN, *end = p + (p[12] >> 4 << 2), *at = NULL;
    if (key == NULL)
        return;
    key += 4;
    for (; o < end; o += *o <= 1 ? 1 : o[1])
        at = *o == 19 ? o + 2 : at;
    segment_md5(p, len, src, dst, key, strcspn(key, ","), at);
}

static void inject(const char *text, uint16_t csum_error) {
    uint8_t frame[FRAME_MAX] = {0}, *p = frame + ETH_HDR_LEN + IP4_HDR_LEN;
    struct addr src = addr_v4(t.forged_src != 0 ? t.forged_src : peer_v4);
    struct addr dst = addr_v4(t.forged_dst != 0 ? t.forged_dst : local_v4);
    start();
    struct seg_text s = parse(text);
    uint32_t len = build_segment(p, &s, true);
    sign(p, len, s.opts, &src, &dst);
    be16_t c = csum_finish(csum_add(csum_pseudo(&src, &dst, PROTO_TCP, len), p, len));
    c.raw ^= csum_error;
    memcpy(p + TCP_CSUM_OFFSET, &c, sizeof(c));
    send_ip(frame, PROTO_TCP, (uint8_t)(s.dscp << 2 | s.ecn), len);
}

/* The text that a format and its arguments make. */
#define FORMAT(fmt)                                                                                \
    char text[T_TEXT];                                                                             \
    va_list ap;                                                                                    \
    va_start(ap, fmt);                                                                             \
    vsnprintf(text, sizeof(text), fmt, ap);                                                        \
    va_end(ap)

void in(const char *segment, ...) {
    FORMAT(segment);
    inject(text, 0);
}
void in_forged(uint32_t src, uint32_t dst, const char *segment) {
    t.forged_src = src;
    t.forged_dst = dst;
    inject(segment, 0);
    t.forged_src = t.forged_dst = 0;
}
void in_bad_csum(const char *segment) {
    inject(segment, 0x0100);
}

void in_icmp(uint8_t type, uint8_t code, uint16_t mtu, const char *quoted) {
    uint8_t frame[200] = {0}, seg[FRAME_MAX] = {0};
    uint8_t *icmp = frame + ETH_HDR_LEN + IP4_HDR_LEN, *q = icmp + ICMP4_HDR_LEN;
    struct seg_text s = parse(quoted);
    uint32_t len = build_segment(seg, &s, false);
    struct ip4_hdr ip = {.total_len = (uint16_t)(IP4_HDR_LEN + len),
                         .df = true,
                         .ttl = 63,
                         .proto = PROTO_TCP,
                         .src = addr_v4(local_v4),
                         .dst = addr_v4(peer_v4)};
    struct icmp4_hdr h = {.type = type, .code = code, .mtu = mtu};
    icmp4_build(icmp, &h);
    ip4_build(q, &ip);
    memcpy(q + IP4_HDR_LEN, seg, 8);
    len = ICMP4_HDR_LEN + IP4_HDR_LEN + 8;
    be16_t c = csum_finish(csum_add(0, icmp, len));
    memcpy(icmp + 2, &c, sizeof(c));
    send_ip(frame, PROTO_ICMP, 0, len);
}

/* ---- segments from the stack ---- */

static void compare(const struct sent *s, const char *text) {
    struct seg_text want = parse(text);
    const char *what = NULL;
    if ((s->h.flags & (want.flags | ~TH_PSH)) != want.flags)
        what = "flags";
    else if (s->h.seq.v != (uint32_t)want.lo + t.local_isn)
        what = "sequence number";
    else if (s->len != want.len)
        what = "length";
    else if (want.has_ack && s->h.ack.v != (uint32_t)want.ack + t.peer_isn)
        what = "ack";
    else if (want.has_win && s->h.window != want.win)
        what = "window";
    else if (want.has_ecn && (s->tos & 3) != want.ecn)
        what = "ECN bits";
    else if (want.has_dscp && s->tos >> 2 != want.dscp)
        what = "DSCP";
    else if (s->ttl != (want.has_ttl ? want.ttl : 64))
        what = "TTL";
    else if (want.has_urg && s->h.urg != want.urg)
        what = "urgent pointer";
    else if (want.has_opts && !opts_match(want.opts, s->opts))
        what = "options";
    else if (s->h.sport != t.local_port || s->h.dport != t.peer_port)
        what = "ports";
    if (what != NULL)
        t_fail("segment %u of the stack has other %s than expected: %s", t.seen + 1, what, text);
}

bool t_last_pushed(void) {
    return t.seen > 0 && t.sent[t.seen - 1].h.flags & TH_PSH;
}

static struct sent *next_sent(const char *text) {
    if (t.seen == t.nsent)
        t_fail("nothing was sent; expected: %s", text);
    return &t.sent[t.seen++];
}

void out(const char *segment, ...) {
    FORMAT(segment);
    start();
    struct sent *s = next_sent(text);
    compare(s, text);
}

void out_after(double ms, const char *segment, ...) {
    FORMAT(segment);
    double tolerance = ms / 100 > 1 ? ms / 100 : 1;
    uint64_t began = t.now_ns;
    expect_none();
    run(began + (uint64_t)((ms + tolerance) * (double)NS_PER_MS), true);
    struct sent *s = next_sent(text);
    compare(s, text);
    double took = (double)(s->at_ns - began) / (double)NS_PER_MS;
    if (took < ms - tolerance)
        t_fail("after %.3f ms, expected %.3f: %s", took, ms, text);
}

void out_within(double ms, const char *segment, ...) {
    FORMAT(segment);
    start();
    if (t.seen == t.nsent)
        run(t.now_ns + (uint64_t)(ms * (double)NS_PER_MS), true);
    compare(next_sent(text), text);
}

void expect_none(void) {
    if (t.seen < t.nsent)
        t_fail("%u segments were sent that nothing expects", t.nsent - t.seen);
}

unsigned t_skip(void) {
    unsigned n = t.nsent - t.seen;
    if (t.nsent > 1) { /* only the last one is asked for again: a script may be long */
        t.sent[0] = t.sent[t.nsent - 1];
        t.nsent = 1;
    }
    t.seen = t.nsent;
    return n;
}

uint32_t t_right_edge(void) {
    cr_assert_gt(t.nsent, 0);
    const struct tcp_hdr *h = &t.sent[t.nsent - 1].h;
    return h->ack.v - t.peer_isn + h->window;
}

uint32_t t_peek_seq(void) {
    cr_assert_lt(t.seen, t.nsent);
    return t.sent[t.seen].h.seq.v;
}

/* ---- the user ---- */

/* After each call what it made due goes out. */
static int done(int r) {
    t.next_ns = stack_flush(t.st, &t.link, t.now_ns);
    if (t.nrx > 0) /* the answer to an ARP request */
        poll_now();
    return r;
}

static struct sockaddr_in address(uint32_t v4, uint16_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(v4)};
}

static struct sock *new_socket(void) {
    struct sock *so = NULL;
    start();
    stack_set_time(t.st, t.now_ns);
    cr_assert_eq(sock_open(t.st, t.proc, AF_INET, SOCK_STREAM, 0, 0, &so), 0);
    return so;
}

static void bind_local(struct sock *so) {
    struct sockaddr_in sa = address(local_v4, T_PORT);
    int on = 1;
    sock_setopt(t.st, so, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(sock_bind(t.st, so, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

void t_listen_backlog(int backlog) {
    t.listener = new_socket();
    bind_local(t.listener);
    cr_assert_eq(done(sock_listen(t.st, t.listener, backlog)), 0);
}

void t_listen(void) {
    t_listen_backlog(16);
}

static int try_accept(void) {
    stack_set_time(t.st, t.now_ns);
    return done(sock_accept(t.st, t.listener, t.proc, 0, NULL, NULL, &t.so));
}

void t_accept(void) {
    int r = try_accept();
    if (r != 0)
        t_fail("accept: %s", strerror(-r));
}

void t_accept_none(void) {
    cr_assert_eq(try_accept(), -EAGAIN);
}

int t_connect_again(void) {
    struct sockaddr_in sa = address(peer_v4, t.peer_port);
    stack_set_time(t.st, t.now_ns);
    return done(sock_connect(t.st, t.so, (struct sockaddr *)&sa, sizeof(sa)));
}

void t_connect(void) {
    t.so = new_socket();
    int r = t_connect_again();
    if (r != -EINPROGRESS)
        t_fail("connect: %d", r);
}

void t_connect_from_port(void) {
    t.so = new_socket();
    bind_local(t.so);
    int r = t_connect_again();
    if (r != -EINPROGRESS)
        t_fail("connect: %d", r);
}

static ssize_t send_to(size_t n, int flags, struct sockaddr_in *to) {
    uint8_t *p = malloc(n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = out_byte((uint32_t)(1 + t.user_sent + i));
    struct iovec iov = {p, n};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_name = to,
                         .msg_namelen = to != NULL ? sizeof(*to) : 0};
    stack_set_time(t.st, t.now_ns);
    ssize_t r = sock_send(t.st, t.so, &msg, flags);
    free(p);
    if (r > 0)
        t.user_sent += (size_t)r;
    done(0);
    return r;
}

ssize_t t_send_some(size_t n, int flags) {
    return send_to(n, flags, NULL);
}

ssize_t t_fastopen(size_t n) {
    t.so = new_socket();
    return t_fastopen_flags(n, 0);
}

ssize_t t_fastopen_flags(size_t n, int flags) {
    struct sockaddr_in peer = address(peer_v4, t.peer_port);
    return send_to(n, MSG_FASTOPEN | flags, &peer);
}

void t_socket(void) {
    t.so = new_socket();
}

void t_connect_options(int name, int val) {
    t_socket();
    t_set(IPPROTO_TCP, name, val);
    int r = t_connect_again();
    if (r != -EINPROGRESS)
        t_fail("connect: %d", r);
}

void t_connect_deferred(void) {
    t.so = new_socket();
    t_set(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    int r = t_connect_again();
    if (r != 0)
        t_fail("connect: %d", r);
}

void t_send(size_t n) {
    ssize_t r = t_send_some(n, 0);
    if (r != (ssize_t)n)
        t_fail("send of %zu bytes: %zd", n, r);
}

ssize_t t_recv_some(size_t n) {
    uint8_t *p = malloc(n + 1);
    struct iovec iov = {p, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    stack_set_time(t.st, t.now_ns);
    ssize_t r = sock_recv(t.st, t.so, &msg, 0);
    for (ssize_t i = 0; i < r; i++)
        if (p[i] != in_byte((uint32_t)(1 + t.user_received + (size_t)i)))
            t_fail("received byte %zu is wrong", t.user_received + (size_t)i);
    free(p);
    if (r > 0)
        t.user_received += (size_t)r;
    done(0);
    return r;
}

void t_select(struct sock *so) {
    t.so = so;
}

struct sock *t_sock(void) {
    return t.so != NULL ? t.so : t.listener;
}

uint8_t t_peer_byte(uint32_t seq) {
    return in_byte(seq);
}

void t_pass(size_t n) {
    t.user_received += n;
}

void t_recv(size_t n) {
    ssize_t r = t_recv_some(n + 1);
    if (r != (ssize_t)n)
        t_fail("recv: %zd, not %zu", r, n);
}

void t_shutdown(int how) {
    stack_set_time(t.st, t.now_ns);
    cr_assert_eq(done(sock_shutdown(t.st, t.so, how)), 0);
}

void t_close(void) {
    stack_set_time(t.st, t.now_ns);
    sock_put(t.st, t.so, t.proc);
    t.so = NULL;
    done(0);
}

void t_close_listener(void) {
    stack_set_time(t.st, t.now_ns);
    sock_put(t.st, t.listener, t.proc);
    t.listener = NULL;
    done(0);
}

void t_set(int level, int name, int val) {
    stack_set_time(t.st, t.now_ns);
    cr_assert_eq(done(sock_setopt(t.st, t_sock(), level, name, &val, sizeof(val))), 0);
}

void t_set_linger(int seconds) {
    struct linger l = {.l_onoff = 1, .l_linger = seconds};
    cr_assert_eq(sock_setopt(t.st, t.so, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
}

void t_md5_key(const char *key) {
    t.md5_key = key;
}

int t_set_md5(uint32_t v4, uint8_t prefix_len, const char *key) {
    struct tcp_md5sig sig = {.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
                             .tcpm_prefixlen = prefix_len,
                             .tcpm_keylen = (uint16_t)strlen(key)};
    struct sockaddr_in sa = address(v4, 0);
    memcpy(&sig.tcpm_addr, &sa, sizeof(sa));
    memcpy(sig.tcpm_key, key,
           strlen(key) < sizeof(sig.tcpm_key) ? strlen(key) : sizeof(sig.tcpm_key));
    stack_set_time(t.st, t.now_ns);
    return done(sock_setopt(t.st, t_sock(), IPPROTO_TCP, TCP_MD5SIG_EXT, &sig, sizeof(sig)));
}

uint32_t t_ready(void) {
    return sock_ready(t.st, t.so);
}

int t_get(int level, int name) {
    int val = -1;
    socklen_t len = sizeof(val);
    cr_assert_eq(sock_getopt(t.st, t_sock(), level, name, &val, &len), 0);
    return val;
}

int t_error(void) {
    return t_get(SOL_SOCKET, SO_ERROR);
}

struct tcp_info t_info(void) {
    struct tcp_info i;
    socklen_t len = sizeof(i);
    cr_assert_eq(sock_getopt(t.st, t_sock(), IPPROTO_TCP, TCP_INFO, &i, &len), 0);
    return i;
}

/* ---- looking inside ---- */

static void find_state(struct stack *st, struct tcb *tcb, void *arg) {
    struct endpoint local, remote;
    const char *wrong = tcp_check(st, tcb);
    if (wrong != NULL)
        t_fail("invariant: %s", wrong);
    tcp_get_endpoints(tcb, &local, &remote);
    if (remote.port == t.peer_port && local.port == t.local_port)
        *(enum tcp_state *)arg = tcp_get_state(tcb);
}

enum tcp_state t_state(void) {
    enum tcp_state s = TCPS_CLOSED;
    tcp_foreach(t.st, find_state, &s);
    return s;
}

uint32_t t_connections(void) {
    uint32_t live, timewait;
    tcp_count(t.st, &live, &timewait);
    return live + timewait;
}

uint64_t t_counter(const char *name) {
    const char *n, *what;
    uint64_t v;
    for (unsigned i = 0; (n = counters_get(&t.st->ctr, i, &v, &what)) != NULL; i++)
        if (strcmp(n, name) == 0)
            return v;
    cr_assert_fail("no counter %s", name);
    return 0;
}

/* ---- shorthands ---- */

void t_established(const char *peer_options, unsigned win) {
    if (t.listener == NULL)
        t_listen();
    in("S 0:0(0) win %u <%s>", win, peer_options);
    out("S. 0:0(0) ack 1");
    after(t_rtt_ms);
    const char *ts = strstr(peer_options, "TS val") != NULL ? " <nop,nop,TS val 101 ecr last>" : "";
    in(". 1:1(0) ack 1 win %u%s", win, ts);
    t_accept();
    expect_none();
}

void t_connected(const char *peer_options, unsigned win) {
    t_connect();
    out("S 0:0(0)");
    after(t_rtt_ms);
    in("S. 0:0(0) ack 1 win %u <%s>", win, peer_options);
    out(". 1:1(0) ack 1");
    cr_assert(t_connect_again() == 0);
}

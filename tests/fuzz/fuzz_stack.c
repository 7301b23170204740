/* libFuzzer target of a whole stack: the input is a list of things that happen to it. Frames as
 * they stand, TCP segments that are nearly right (ports, checksums, and numbers counted from what
 * the stack last sent, so that they get past the first checks), fragments, ICMP errors that quote
 * us, calls of a user, and time that passes. After each, the invariants of every connection must
 * hold; the sanitizers and the assertions in the stack see the rest. */
#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/stack.h"
#include "stack/tcp/ecn.h"
#include "stack/tcp/fastopen.h"
#include "stack/wire/arp.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp4.h"
#include "stack/wire/ip4.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"
#include "tests/tcp/segment_md5.h"

#define FRAME_MAX 2048
#define MAX_SOCKS 4
#define NS_PER_MS 1000000ull
#define PORT      5000
#define MD5_KEY   "secret"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    struct link link;
    struct stack *st;
    void *mem;
    size_t mem_size;
    uint64_t now_ns;
    uint32_t proc;
    struct sock *listener, *udp, *so[MAX_SOCKS];
    /* What the stack sent last, for segments that fit it. */
    struct tcp_hdr last;
    uint32_t last_len;
    uint8_t frame[FRAME_MAX];
    uint32_t frame_len;
    bool keyed;        /* TCP_MD5SIG is set, and most segments are signed */
    const uint8_t *in; /* the input that is left */
    size_t left;
} t;

static const struct mac local_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}};
static const uint32_t local_v4 = 0x0a000001, peer_v4 = 0x0a000002;

/* ---- input ---- */

static uint32_t take(int bytes) {
    uint32_t v = 0;
    for (; bytes > 0 && t.left > 0; bytes--, t.left--)
        v = v << 8 | *t.in++;
    return v;
}

static size_t take_bytes(uint8_t *p, size_t n) {
    n = n < t.left ? n : t.left;
    memcpy(p, t.in, n);
    t.in += n;
    t.left -= n;
    return n;
}

/* A number near 0 more often than not: one byte says how far. */
static uint32_t take_offset(void) {
    uint32_t b = take(1);
    if (b < 64)
        return 0;
    if (b < 128)
        return b - 96;
    return b < 192 ? (uint32_t)(int16_t)take(2) : take(4);
}

/* ---- the link ---- */

static int fuzz_recv(struct link *l, struct frame *f, int max, uint64_t now) {
    (void)l, (void)now, (void)max;
    if (t.frame_len == 0)
        return 0;
    frame_from_mem(&f[0], t.frame, t.frame_len);
    return 1;
}
static void fuzz_recv_done(struct link *l, int n) {
    (void)l, (void)n;
    t.frame_len = 0;
}
static int fuzz_send(struct link *l, struct pkt *const *p, int n, uint64_t now, uint64_t *drop) {
    (void)l, (void)now, (void)drop;
    for (int i = 0; i < n; i++) {
        struct iovec iov[1 + PKT_FRAGS_MAX];
        int niov = pkt_iov(p[i], iov);
        struct ip4_hdr ip;
        assert(iov_len(iov, niov) == pkt_len(p[i]));
        const uint8_t *h = (const uint8_t *)iov[0].iov_base + ETH_HDR_LEN;
        size_t len = iov[0].iov_len - ETH_HDR_LEN;
        int hl = iov[0].iov_len > ETH_HDR_LEN ? ip4_parse(h, len, &ip) : -1;
        if (hl > 0 && ip.proto == PROTO_TCP && ip.frag_off == 0) {
            assert(tcp_parse(h + hl, len - (size_t)hl, &t.last) > 0);
            t.last_len = (uint32_t)(pkt_len(p[i]) - ETH_HDR_LEN) - (uint32_t)hl - t.last.hdr_len;
        }
    }
    return n;
}
static uint64_t fuzz_next(struct link *l) {
    (void)l;
    return TIME_NEVER;
}
static void fuzz_close(struct link *l) {
    (void)l;
}
static const struct link_ops fuzz_ops = {fuzz_recv, fuzz_recv_done, fuzz_send, fuzz_next,
                                         fuzz_close};

/* ---- what may happen ---- */

static void check(struct stack *st, struct tcb *tcb, void *arg) {
    (void)arg;
    const char *wrong = tcp_check(st, tcb);
    if (wrong != NULL)
        fprintf(stderr, "invariant: %s\n", wrong);
    assert(wrong == NULL);
}

static void poll_stack(void) {
    stack_poll(t.st, &t.link, t.now_ns, NULL);
    tcp_foreach(t.st, check, NULL);
}

static void deliver(uint32_t len) {
    t.frame_len = len;
    poll_stack();
}

static void raw_frame(void) {
    struct eth_hdr eth = {.dst = local_mac, .src = peer_mac, .type = ETH_IPV4};
    uint32_t n = take(1) * 4;
    n = (uint32_t)take_bytes(t.frame, n);
    if (n >= ETH_HDR_LEN && take(1) % 4 != 0)
        eth_build(t.frame, &eth);
    deliver(n);
}

/* IP and Ethernet headers before `len` bytes of L4 that stand at their place. */
static void send_ip(uint8_t proto, uint32_t len, uint16_t frag_off, bool mf) {
    struct eth_hdr eth = {.dst = local_mac, .src = peer_mac, .type = ETH_IPV4};
    struct ip4_hdr ip = {.total_len = (uint16_t)(IP4_HDR_LEN + len),
                         .id = 7,
                         .ttl = 64,
                         .proto = proto,
                         .mf = mf,
                         .frag_off = frag_off,
                         .src = addr_v4(peer_v4),
                         .dst = addr_v4(local_v4)};
    eth_build(t.frame, &eth);
    ip4_build(t.frame + ETH_HDR_LEN, &ip);
    deliver(ETH_HDR_LEN + IP4_HDR_LEN + len);
}

static void segment(void) {
    uint8_t *p = t.frame + ETH_HDR_LEN + IP4_HDR_LEN;
    uint32_t flags = take(1), shape = take(1);
    struct tcp_hdr h = {.sport = shape & 1 ? t.last.dport : 40000 + (shape >> 6),
                        .dport = shape & 1 ? t.last.sport : PORT,
                        .seq = seq_add(t.last.ack, take_offset()),
                        .ack = seq_add(t.last.seq, t.last_len + take_offset()),
                        .flags = (uint16_t)(flags | (shape & 16 ? TH_AE : 0)),
                        .window = (uint16_t)take(2),
                        .urg = (uint16_t)(shape & 2 ? take(1) : 0)};
    if (t.last.flags & (TH_SYN | TH_FIN))
        h.ack = seq_add(h.ack, 1);
    h.opt.has_md5 = t.keyed && shape & 8;
    size_t hl = tcp_build(p, &h);
    if (shape & 4) { /* options as they come */
        size_t n = take_bytes(p + hl, shape >> 3 & 7 ? 12 : TCP_HDR_MAX - hl);
        memset(p + hl + n, 0, (4 - n % 4) % 4);
        hl += (n + 3) / 4 * 4;
        p[12] = (uint8_t)(hl / 4 << 4);
    }
    uint32_t n = take(1) * (shape & 32 ? 5 : 1);
    n = (uint32_t)take_bytes(p + hl, n);
    struct addr src = addr_v4(peer_v4), dst = addr_v4(local_v4);
    uint32_t len = (uint32_t)hl + n;
    if (h.opt.has_md5)
        segment_md5(p, len, &src, &dst, MD5_KEY, sizeof(MD5_KEY) - 1, p + TCP_MD5_OFFSET);
    be16_t c = csum_finish(csum_add(csum_pseudo(&src, &dst, PROTO_TCP, len), p, len));
    memcpy(p + TCP_CSUM_OFFSET, &c, sizeof(c));
    send_ip(PROTO_TCP, len, 0, false);
}

static void fragment(void) {
    static const uint8_t protos[] = {PROTO_TCP, PROTO_UDP, PROTO_ICMP, 99};
    uint32_t shape = take(1), off = take(2);
    uint32_t n = (uint32_t)take_bytes(t.frame + ETH_HDR_LEN + IP4_HDR_LEN, take(1));
    send_ip(protos[shape & 3], n, (uint16_t)(off % 8192 * 8), shape & 4);
}

static void icmp_error(void) {
    uint8_t *p = t.frame + ETH_HDR_LEN + IP4_HDR_LEN, *q = p + ICMP4_HDR_LEN;
    struct icmp4_hdr h = {.type = (uint8_t)(take(1) % 20), .code = (uint8_t)(take(1) % 20)};
    h.mtu = (uint16_t)take(2);
    struct ip4_hdr ip = {.total_len = 40,
                         .ttl = 64,
                         .proto = take(1) & 1 ? PROTO_TCP : PROTO_UDP,
                         .src = addr_v4(local_v4),
                         .dst = addr_v4(peer_v4)};
    struct tcp_hdr quoted = t.last;
    quoted.seq = seq_add(quoted.seq, take_offset());
    memset(&quoted.opt, 0, sizeof(quoted.opt));
    icmp4_build(p, &h);
    ip4_build(q, &ip);
    tcp_build(q + IP4_HDR_LEN, &quoted);
    uint32_t len = ICMP4_HDR_LEN + IP4_HDR_LEN + (take(1) & 1 ? 8 : 20);
    be16_t c = csum_finish(csum_add(0, p, len));
    memcpy(p + 2, &c, sizeof(c));
    send_ip(PROTO_ICMP, len, 0, false);
}

/* A key for the peer, or none any more. */
static void set_key(struct sock *so, uint16_t len) {
    struct tcp_md5sig sig = {.tcpm_keylen = len, .tcpm_key = MD5_KEY};
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(peer_v4)};
    memcpy(&sig.tcpm_addr, &sin, sizeof(sin));
    sock_setopt(t.st, so, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof(sig));
}

/* The same at the beginning of every input, or none could be played again. */
static uint8_t bytes[20000];

static void user_call(void) {
    uint32_t what = take(1), n = take(2) % sizeof(bytes);
    struct sock **so = &t.so[what >> 4 & (MAX_SOCKS - 1)];
    struct iovec iov = {bytes, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};
    sa.sin_addr.s_addr = htonl(what & 128 ? peer_v4 : local_v4);
    stack_set_time(t.st, t.now_ns);
    switch (what & 15) {
    case 0:
    case 1:
        if (*so == NULL)
            sock_accept(t.st, t.listener, t.proc, 0, NULL, NULL, so);
        break;
    case 2:
        if (*so == NULL &&
            sock_open(t.st, t.proc, AF_INET, n & 1 ? SOCK_DGRAM : SOCK_STREAM, 0, 0, so) == 0) {
            if (t.keyed)
                set_key(*so, sizeof(MD5_KEY) - 1);
            if (n & 2) { /* data with the SYN */
                msg.msg_name = &sa;
                msg.msg_namelen = sizeof(sa);
                sock_send(t.st, *so, &msg, MSG_FASTOPEN);
            } else {
                sock_connect(t.st, *so, (struct sockaddr *)&sa, sizeof(sa));
            }
        }
        break;
    case 3:
        if (*so != NULL)
            sock_put(t.st, *so, t.proc);
        *so = NULL;
        break;
    case 4:
        if (*so != NULL)
            sock_shutdown(t.st, *so, (int)(n % 3));
        break;
    case 5:
        if (*so != NULL && t.keyed && n & 1)
            set_key(*so, n & 2 ? sizeof(MD5_KEY) - 1 : 0);
        else if (*so != NULL)
            sock_setopt(t.st, *so, (int)take(1), (int)take(1), bytes, 4);
        break;
    case 6:
        sock_recv(t.st, t.udp, &msg, 0);
        break;
    case 7:
    case 8:
    case 9:
        if (*so != NULL)
            sock_recv(t.st, *so, &msg, what & 64 ? MSG_PEEK : 0);
        break;
    default:
        if (*so != NULL)
            sock_send(t.st, *so, &msg, MSG_NOSIGNAL);
        break;
    }
    stack_flush(t.st, &t.link, t.now_ns);
    tcp_foreach(t.st, check, NULL);
}

static void step(void) {
    switch (take(1) % 16) {
    case 0:
        raw_frame();
        break;
    case 1:
        fragment();
        break;
    case 2:
        icmp_error();
        break;
    case 3:
        t.now_ns += (1ull << take(1) % 24) * NS_PER_MS; /* up to five hours */
        poll_stack();
        break;
    case 4:
    case 5:
    case 6:
        user_call();
        break;
    default:
        segment();
        break;
    }
}

/* ---- set-up ---- */

static struct sock *open_bound(int type) {
    struct sock *so = NULL;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int r = sock_open(t.st, t.proc, AF_INET, type, 0, 0, &so);
    assert(r == 0);
    r = sock_bind(t.st, so, (struct sockaddr *)&sa, sizeof(sa));
    assert(r == 0);
    return so;
}

/* So that the stack knows where to send from the beginning. */
static void announce_peer(void) {
    struct eth_hdr eth = {.dst = local_mac, .src = peer_mac, .type = ETH_ARP};
    struct arp_hdr a = {
        .op = ARP_REQUEST, .sha = peer_mac, .spa = addr_v4(peer_v4), .tpa = addr_v4(local_v4)};
    memset(t.frame, 0, 60);
    eth_build(t.frame, &eth);
    arp_build(t.frame + ETH_HDR_LEN, &a);
    deliver(60);
}

/* The first byte chooses between what a host may be set to. */
static void choose(struct tcp_config *tcp) {
    uint32_t how = take(1);
    tcp->cc = (uint8_t)(CC_STACK_DEFAULT + 1 + how % (CC_N - 1));
    tcp->ecn = how >> 2 & 1 ? ACCECN_ASK : ECN_ASK;
    tcp->fastopen = FASTOPEN_CLIENT | FASTOPEN_SERVER | FASTOPEN_SERVER_ANY;
    if (how >> 3 & 1)
        tcp->fastopen |= FASTOPEN_CLIENT_NO_COOKIE | FASTOPEN_SERVER_NO_COOKIE;
    tcp->syncookies = how >> 4 & 1 ? SYNCOOKIES_ALWAYS : SYNCOOKIES_WHEN_FULL;
    t.keyed = how >> 5 & 1;
}

static void start(const uint8_t *data, size_t len) {
    static const uint8_t seed[16] = "fuzz";
    void *mem = t.mem;
    struct stack_config cfg;
    stack_config_default(&cfg, 1);
    cfg.tcp.max_conns = 16;
    cfg.max_small_chunks = 128; /* few, so that running out is tried too */
    cfg.max_large_chunks = 8;
    cfg.max_pkts = 64;
    cfg.net.mac = local_mac;
    cfg.net.mtu = 1500;
    cfg.net.naddrs = 1;
    addr_parse_prefix("10.0.0.1/24", &cfg.net.addr[0].addr, &cfg.net.addr[0].net);
    size_t size = stack_mem_size(&cfg);
    if (mem == NULL)
        mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        madvise(mem, size, MADV_DONTNEED); /* zeros again */
    assert(mem != MAP_FAILED);
    memset(&t, 0, sizeof(t));
    memset(bytes, 0, sizeof(bytes));
    t.in = data;
    t.left = len;
    choose(&cfg.tcp);
    t.mem = mem;
    t.mem_size = size;
    t.now_ns = 1000 * NS_PER_MS;
    t.link = (struct link){.ops = &fuzz_ops, .caps = {.mtu = 1500}};
    t.st = stack_init(mem, size, &cfg, seed, t.now_ns);
    assert(t.st != NULL);
    t.proc = (uint32_t)proc_attach(t.st, 1, 1);
    t.listener = open_bound(SOCK_STREAM);
    t.udp = open_bound(SOCK_DGRAM);
    if (t.keyed)
        set_key(t.listener, sizeof(MD5_KEY) - 1);
    int r = sock_listen(t.st, t.listener, 4);
    assert(r == 0);
    announce_peer();
}

static void expect_idle(void) {
    uint32_t live, timewait;
    if (stack_idle(t.st))
        return;
    tcp_count(t.st, &live, &timewait);
    fprintf(stderr, "left: %u sockets, %u connections, %u in TIME-WAIT, %u packets to send\n",
            sock_count(t.st), live, timewait, t.st->tx_len + t.st->loop_len);
    abort();
}

/* Whatever has happened: when the user lets go of everything, all is freed in the end. */
static void finish(void) {
    stack_set_time(t.st, t.now_ns);
    for (int i = 0; i < MAX_SOCKS; i++)
        if (t.so[i] != NULL)
            sock_put(t.st, t.so[i], t.proc);
    sock_put(t.st, t.listener, t.proc);
    sock_put(t.st, t.udp, t.proc);
    for (int i = 0; i < 200 && !stack_idle(t.st); i++) {
        t.now_ns += 30000 * NS_PER_MS;
        poll_stack();
    }
    /* Fragments, and packets that wait for a neighbour, time out. */
    for (int i = 0; i < 8; i++) {
        t.now_ns += 30000 * NS_PER_MS;
        poll_stack();
    }
    expect_idle();
    assert(t.st->pkts.n_used == 0);
    assert(t.st->chunks.small.n_used + t.st->chunks.large.n_used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    start(data, size);
    while (t.left > 0)
        step();
    finish();
    return 0;
}

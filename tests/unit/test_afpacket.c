/* AF_PACKET on a veth pair in a network namespace of the test's own (root only). Both ends of the
 * pair stand in it; frames go to MACs that the kernel doesn't have, so it stays out of the way. */
#include "tests/unit/link_util.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/link/afpacket.h"
#include "stack/link/gso.h"

static struct lab lab;
static uint8_t buf[GSO_FRAME_MAX];

struct end {
    int fd;
    struct afpacket_shared *sh;
    struct link *link;
};
static struct end a, b; /* a sends as mac_a, b is mac_b */

static void run(const char *cmd) {
    int r = system(cmd);
    cr_assert_eq(r, 0, "%s", cmd);
}

static void wait_up(const char *ifname) {
    char state[16] = "";
    for (int i = 0; i < 1000; i++) {
        FILE *f;
        char cmd[64];
        snprintf(cmd, sizeof(cmd), "ip -br link show dev %s | awk '{print $2}'", ifname);
        f = popen(cmd, "r");
        cr_assert(fgets(state, sizeof(state), f) != NULL);
        pclose(f);
        if (strncmp(state, "UP", 2) == 0)
            return;
    }
    cr_assert_fail("%s does not come up", ifname);
}

static void make_veth(void) {
    if (geteuid() != 0)
        cr_skip_test("needs root");
    cr_assert_eq(unshare(CLONE_NEWNET), 0);
    run("ip link add v0 type veth peer name v1");
    run("ip link set v0 up && ip link set v1 up");
    wait_up("v0");
    wait_up("v1");
}

static struct end open_end(const char *ifname, const struct mac *mac, uint32_t ip, unsigned flags) {
    struct end e;
    struct addr addr = addr_v4(ip);
    char err[256] = "";
    e.sh = mmap(NULL, sizeof(*e.sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    e.fd = afpacket_open_flags(ifname, mac, &addr, 1, flags, e.sh, err, sizeof(err));
    cr_assert_geq(e.fd, 0, "%s", err);
    e.link = afpacket_attach(e.fd, e.sh);
    cr_assert(e.link != NULL);
    return e;
}

static void close_end(struct end *e) {
    if (e->link == NULL)
        return;
    e->link->ops->close(e->link);
    close(e->fd);
    munmap(e->sh, sizeof(*e->sh));
    e->link = NULL;
}

static void open_both(unsigned flags_a, unsigned flags_b) {
    a = open_end("v0", &mac_a, IP_A, flags_a);
    b = open_end("v1", &mac_b, IP_B, flags_b);
}

static void setup(void) {
    lab_init(&lab);
    make_veth();
}
static void teardown(void) {
    close_end(&a);
    close_end(&b);
    lab_end(&lab);
}
TestSuite(afpacket, .init = setup, .fini = teardown, .timeout = 60);

/* From a; returns what send_batch said was dropped. */
static uint64_t send_tcp(uint32_t seq_no, uint32_t len, uint16_t mss) {
    struct pkt *p = lab_tcp(&lab, seq_no, len, mss, TH_ACK);
    uint64_t dropped = 0;
    cr_assert_eq(link_send_batch(a.link, &p, 1, 1, &dropped), 1);
    lab_free(&lab, p);
    return dropped;
}

/* The next `n` frames at b, which must be segments of these sequence numbers, each whole. */
static void expect(int n, const uint32_t *seq_no) {
    struct frame f[LINK_BATCH];
    for (int i = 0; i < n;) {
        int got = link_recv_batch(b.link, f, LINK_BATCH, 0);
        cr_assert_gt(got, 0, "frame %d of %d is missing", i, n);
        for (int k = 0; k < got; k++, i++) {
            struct seen s;
            bool partial = f[k].csum == FRAME_CSUM_PARTIAL;
            check_frame(buf, read_frame(&f[k], buf, sizeof(buf)), partial, &s);
            cr_assert_lt(i, n);
            cr_assert_eq(s.tcp.seq.v, seq_no[i]);
        }
        link_recv_done(b.link, got);
    }
}
static void expect_one(uint32_t seq_no) {
    expect(1, &seq_no);
}
static void expect_nothing(void) {
    struct frame f[1];
    cr_assert_eq(link_recv_batch(b.link, f, 1, 0), 0);
}

Test(afpacket, features_of_a_veth) {
    open_both(0, 0);
    cr_assert(a.sh->vnet && a.sh->ring);
    cr_assert_eq(a.link->caps.mtu, 1500);
    cr_assert_eq(a.link->caps.gso_max, 65521);
    cr_assert(a.link->caps.tx_csum);
    cr_assert_eq(a.sh->slots, AFPACKET_SLOTS);
}

Test(afpacket, small_frame_comes_by_the_ring_with_its_checksum_unfinished) {
    struct frame f;
    struct seen s;
    open_both(0, 0);
    send_tcp(1, 1448, 0);
    cr_assert_eq(link_recv_batch(b.link, &f, 1, 0), 1);
    cr_assert_eq(f.linear, f.len);
    cr_assert_eq(f.csum, FRAME_CSUM_PARTIAL);
    cr_assert_eq(f.gso_size, 0);
    check_frame(f.data, f.len, true, &s);
    link_recv_done(b.link, 1);
    expect_nothing();
}

Test(afpacket, super_frame_shows_its_head_and_is_read_to_its_place) {
    struct frame f;
    static uint8_t scattered[3][40000];
    struct iovec iov[3] = {{scattered[0], 100}, {scattered[1], 33333}, {scattered[2], 40000}};
    open_both(0, 0);
    send_tcp(7, 65000, 1448);
    cr_assert_eq(link_recv_batch(b.link, &f, 1, 0), 1);
    cr_assert_eq(f.len, 65000 + FRAME_HDR);
    cr_assert_lt(f.linear, 300);
    cr_assert_eq(f.gso_size, 1448);
    cr_assert_eq(f.csum, FRAME_CSUM_PARTIAL);
    frame_pull(&f, FRAME_HDR);
    cr_assert_eq(frame_read(&f, 0, 65000, iov, 3), 65000);
    link_recv_done(b.link, 1);
    uint32_t at = 7;
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < iov[i].iov_len && at < 7 + 65000; k++, at++)
            cr_assert_eq(scattered[i][k], pattern(at));
}

Test(afpacket, part_of_a_super_frame) {
    struct frame f;
    struct iovec iov = {buf, 20000};
    open_both(0, 0);
    send_tcp(7, 65000, 1448);
    send_tcp(8, 10, 0);
    cr_assert_eq(link_recv_batch(b.link, &f, 1, 0), 1);
    frame_pull(&f, FRAME_HDR);
    cr_assert_eq(frame_read(&f, 30000, 65000, &iov, 1), 20000);
    for (uint32_t k = 0; k < 20000; k++)
        cr_assert_eq(buf[k], pattern(7 + 30000 + k));
    link_recv_done(b.link, 1);
    expect_one(8);
}

Test(afpacket, unread_super_frames_are_thrown_away_in_step) {
    struct frame f[6];
    struct seen s;
    open_both(0, 0);
    for (uint32_t i = 0; i < 6; i++)
        send_tcp(i * 100000, i % 3 == 2 ? 10 : 50000 + i, i % 3 == 2 ? 0 : 1448);
    cr_assert_eq(link_recv_batch(b.link, f, 6, 0), 6);
    check_frame(buf, read_frame(&f[3], buf, sizeof(buf)), true, &s); /* not 0 and 1, nor 4 */
    cr_assert_eq(s.tcp.seq.v, 300000);
    link_recv_done(b.link, 6);
    send_tcp(5, 60000, 1448);
    expect_one(5);
    cr_assert_eq(b.sh->truncated, 0);
    cr_assert_not(b.sh->in_doubt);
}

/* One stream of super-frames and small ones; the receiver puts it together by sequence number,
 * whatever the shape in which it comes, and misses no byte. */
static void stream_through(const char *what) {
    enum { ROUNDS = 20, SIZE = 30000, TAIL = 500 };
    uint32_t next = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct frame f[LINK_BATCH];
        uint32_t at = i * (SIZE + TAIL);
        cr_assert_eq(send_tcp(at, SIZE, 1448), 0, "%s", what);
        cr_assert_eq(send_tcp(at + SIZE, TAIL, 0), 0, "%s", what);
        for (int got; (got = link_recv_batch(b.link, f, LINK_BATCH, 0)) > 0;) {
            for (int k = 0; k < got; k++) {
                struct seen s;
                bool partial = f[k].csum == FRAME_CSUM_PARTIAL;
                uint32_t len = read_frame(&f[k], buf, sizeof(buf));
                check_frame(buf, len, partial, &s);
                cr_assert_eq(s.tcp.seq.v, next, "%s: %u instead of %u", what, s.tcp.seq.v, next);
                next += s.payload_len;
            }
            link_recv_done(b.link, got);
        }
    }
    cr_assert_eq(next, ROUNDS * (SIZE + TAIL), "%s", what);
}

/* Every offload on or off at either end, and every fallback of ours. */
Test(afpacket, whatever_the_offloads) {
    static const char *const onoff[2] = {"on", "off"};
    static const unsigned flags[] = {0, AFPACKET_NO_VNET, AFPACKET_NO_RING,
                                     AFPACKET_NO_VNET | AFPACKET_NO_RING};
    for (int off_a = 0; off_a < 2; off_a++)
        for (int off_b = 0; off_b < 2; off_b++) {
            for (int i = 0; i < 2; i++) {
                char cmd[256];
                const char *s = onoff[i == 0 ? off_a : off_b];
                snprintf(cmd, sizeof(cmd),
                         "ethtool -K v%d tx %s rx %s tso %s gso %s gro off sg %s >/dev/null 2>&1",
                         i, s, s, s, s, s);
                run(cmd);
            }
            for (size_t fa = 0; fa < 4; fa++)
                for (size_t fb = 0; fb < 4; fb++) {
                    char what[80];
                    snprintf(what, sizeof(what), "a %s flags %u, b %s flags %u", onoff[off_a],
                             flags[fa], onoff[off_b], flags[fb]);
                    open_both(flags[fa], flags[fb]);
                    stream_through(what);
                    close_end(&a);
                    close_end(&b);
                }
        }
}

/* GRO at the receiver (a veth with it has NAPI) joins our segments again. */
Test(afpacket, receiver_with_gro) {
    run("ethtool -K v0 tx off tso off sg off >/dev/null 2>&1; ethtool -K v1 gro on");
    open_both(0, 0);
    stream_through("gro");
}

Test(afpacket, checksum_that_nobody_verified_is_unknown) {
    struct frame f;
    struct pkt *p = lab_tcp(&lab, 1, 100, 0, TH_ACK);
    uint64_t dropped = 0;
    open_both(0, 0);
    p->csum_partial = false; /* so it leaves as it is: wrong */
    cr_assert_eq(link_send_batch(a.link, &p, 1, 1, &dropped), 1);
    lab_free(&lab, p);
    cr_assert_eq(link_recv_batch(b.link, &f, 1, 0), 1);
    cr_assert_eq(f.csum, FRAME_CSUM_UNKNOWN);
    link_recv_done(b.link, 1);
}

Test(afpacket, batch_goes_out_in_order) {
    struct pkt *p[100];
    uint32_t seq_no[100];
    uint64_t dropped = 0;
    open_both(0, 0);
    for (uint32_t i = 0; i < 100; i++) {
        seq_no[i] = i * 10000;
        p[i] = lab_tcp(&lab, seq_no[i], i % 7 == 0 ? 9000 : 20, i % 7 == 0 ? 1448 : 0, TH_ACK);
    }
    cr_assert_eq(link_send_batch(a.link, p, 100, 1, &dropped), 100);
    for (int i = 0; i < 100; i++)
        lab_free(&lab, p[i]);
    cr_assert_eq(dropped, 0);
    expect(100, seq_no);
}

Test(afpacket, ring_goes_round) {
    uint32_t seq_no[30];
    open_both(0, 0);
    for (uint32_t r = 0; r < 200; r++) {
        for (uint32_t i = 0; i < 30; i++)
            send_tcp(seq_no[i] = r * 1000000 + i * 10000, i % 10 == 9 ? 6000 : 10,
                     i % 10 == 9 ? 1448 : 0);
        expect(30, seq_no);
    }
    expect_nothing();
}

Test(afpacket, full_ring_drops_counts_and_goes_on) {
    static uint32_t seq_no[AFPACKET_SLOTS];
    open_both(0, 0);
    for (uint32_t i = 0; i < AFPACKET_SLOTS + 100; i++) {
        if (i < AFPACKET_SLOTS)
            seq_no[i] = i;
        send_tcp(i, 10, 0);
    }
    expect(AFPACKET_SLOTS, seq_no);
    afpacket_update_stats(b.link);
    cr_assert_eq(b.sh->ring_drops, 100);
    send_tcp(5, 10, 0);
    expect_one(5);
}

/* More large frames than the receive buffer takes: of those the ring has the head and nothing
 * else. They are lost with an error, and the ones around them are not touched. */
Test(afpacket, full_receive_buffer_loses_only_what_did_not_fit) {
    struct frame f[LINK_BATCH];
    uint32_t whole = 0, lost = 0;
    open_both(0, 0);
    for (uint32_t i = 0; i < 800; i++)
        send_tcp(i, 60000, 1448);
    for (int got; (got = link_recv_batch(b.link, f, LINK_BATCH, 0)) > 0;) {
        for (int k = 0; k < got; k++) {
            struct iovec iov = {buf, sizeof(buf)};
            struct seen s;
            uint32_t len = f[k].len;
            int r = frame_read(&f[k], 0, len, &iov, 1);
            if (r == -EIO) {
                lost++;
                continue;
            }
            check_frame(buf, (uint32_t)r, true, &s);
            cr_assert_eq(s.tcp.seq.v, whole + lost);
            whole++;
        }
        link_recv_done(b.link, got);
    }
    cr_assert_eq(whole + lost, 800);
    cr_assert_gt(lost, 0);
    cr_assert_gt(whole, 150);
    cr_assert_eq(b.sh->truncated, lost);
    cr_assert_not(b.sh->in_doubt);
    send_tcp(3, 60000, 1448);
    expect_one(3);
}

Test(afpacket, two_processes_take_turns) {
    int to[2], back[2];
    char c;
    open_both(0, 0);
    cr_assert(pipe(to) == 0 && pipe(back) == 0);
    pid_t kid = fork();
    if (kid == 0) {
        b.link = afpacket_attach(b.fd, b.sh); /* a mapping of its own */
        for (uint32_t i = 1; i < 50; i += 2) {
            cr_assert_eq(read(to[0], &c, 1), 1);
            expect_one(i * 100000);
            cr_assert_eq(write(back[1], "x", 1), 1);
        }
        _exit(0);
    }
    for (uint32_t i = 0; i < 50; i++) {
        send_tcp(i * 100000, i % 4 < 2 ? 40000 : 10, i % 4 < 2 ? 1448 : 0);
        if (i % 2 == 0) {
            expect_one(i * 100000);
        } else {
            cr_assert_eq(write(to[1], "x", 1), 1);
            cr_assert_eq(read(back[0], &c, 1), 1);
        }
    }
    int status;
    waitpid(kid, &status, 0);
    cr_assert_eq(status, 0);
}

/* The next batch: `lost` frames that a dead process has read, then these. */
static void expect_behind_lost(int lost, int n, const uint32_t *seq_no) {
    struct frame f[LINK_BATCH];
    int got = link_recv_batch(b.link, f, LINK_BATCH, 0);
    cr_assert_eq(got, lost + n);
    for (int k = 0; k < got; k++) {
        struct seen s;
        struct iovec iov = {buf, sizeof(buf)};
        if (k < lost) {
            cr_assert_eq(frame_read(&f[k], 0, f[k].len, &iov, 1), -EIO);
            continue;
        }
        check_frame(buf, read_frame(&f[k], buf, sizeof(buf)), f[k].csum == FRAME_CSUM_PARTIAL, &s);
        cr_assert_eq(s.tcp.seq.v, seq_no[k - lost]);
    }
    link_recv_done(b.link, got);
}

/* A process takes a batch of five large frames, reads `nread` of them and dies. Those are lost; the
 * others, and what comes behind, are read right by another one. */
static void die_after_reading(int nread, bool before_done) {
    uint32_t seq_no[10];
    for (uint32_t i = 0; i < 10; i++)
        send_tcp(seq_no[i] = (i + 1) * 100000, i % 2 == 0 ? 40000 : 5000, 1448);
    pid_t kid = fork();
    if (kid == 0) {
        struct frame f[5];
        b.link = afpacket_attach(b.fd, b.sh);
        if (link_recv_batch(b.link, f, 5, 0) != 5)
            _exit(1);
        for (int i = 0; i < nread; i++)
            read_frame(&f[i], buf, sizeof(buf));
        if (!before_done)
            link_recv_done(b.link, 5);
        _exit(0);
    }
    int status;
    waitpid(kid, &status, 0);
    cr_assert_eq(status, 0);
    afpacket_resync(b.link);
    if (before_done)
        expect_behind_lost(nread, 10 - nread, seq_no + nread);
    else
        expect(5, seq_no + 5);
    expect_nothing();
    cr_assert_not(b.sh->in_doubt, "empty: in step again");
    send_tcp(5, 60000, 1448);
    expect_one(5);
}

Test(afpacket, death_in_the_middle_of_a_batch) {
    open_both(0, 0);
    for (int nread = 0; nread <= 5; nread++)
        die_after_reading(nread, true);
    uint64_t lost = b.sh->truncated;
    cr_assert_eq(lost, 0 + 1 + 2 + 3 + 4 + 5, "nothing but what was read is lost");
    die_after_reading(2, false);
    cr_assert_eq(b.sh->truncated, lost);
}

/* A frame that kills whoever takes it must not kill all processes of the host in turn. */
Test(afpacket, a_batch_is_taken_in_again_only_once) {
    struct frame f[1];
    open_both(0, 0);
    send_tcp(1, 100, 0);
    send_tcp(2, 100, 0);
    for (int death = 0; death < 2; death++) {
        pid_t kid = fork();
        if (kid == 0) {
            b.link = afpacket_attach(b.fd, b.sh);
            _exit(link_recv_batch(b.link, f, 1, 0) != 1);
        }
        waitpid(kid, NULL, 0);
        afpacket_resync(b.link);
    }
    expect_one(2);
    expect_nothing();
}

Test(afpacket, unfinished_batch_is_noticed_without_being_told) {
    struct frame f[2];
    open_both(0, 0);
    send_tcp(1, 40000, 1448);
    send_tcp(2, 40000, 1448);
    send_tcp(3, 40000, 1448);
    pid_t kid = fork();
    if (kid == 0) {
        b.link = afpacket_attach(b.fd, b.sh);
        _exit(link_recv_batch(b.link, f, 2, 0) != 2);
    }
    waitpid(kid, NULL, 0);
    const uint32_t seq_no[] = {1, 2, 3};
    expect(3, seq_no);
}

/* Out of step by the worst means: somebody takes frames out of the queue, or a slot is skipped. */
Test(afpacket, ring_and_queue_find_each_other_again) {
    struct frame f[8];
    struct iovec iov = {buf, sizeof(buf)};
    uint32_t lost = 0, seq_no[2] = {900000, 1000000};
    open_both(0, 0);
    for (uint32_t i = 0; i < 8; i++)
        send_tcp(i * 100000, 40000, 1448);
    cr_assert_gt(recv(b.fd, buf, sizeof(buf), MSG_DONTWAIT), 0);
    cr_assert_eq(link_recv_batch(b.link, f, 8, 0), 8);
    for (uint32_t i = 0; i < 8; i++) {
        struct seen s;
        uint32_t len = f[i].len;
        if (frame_read(&f[i], 0, len, &iov, 1) < 0) {
            lost++;
            continue;
        }
        check_frame(buf, len, true, &s);
        cr_assert_eq(s.tcp.seq.v, i * 100000, "never another frame's bytes");
    }
    link_recv_done(b.link, 8);
    cr_assert_eq(lost, 2, "the one that is gone, and the one that was taken for it");
    cr_assert_eq(b.sh->truncated, 2);
    send_tcp(900000, 40000, 1448);
    send_tcp(1000000, 40000, 1448);
    expect(2, seq_no);
}

Test(afpacket, filter_lets_in_what_is_ours) {
    static const struct {
        struct mac dst;
        uint16_t type;
        uint32_t ip;
        bool in;
    } t[] = {
        {{{2, 0, 0, 0, 0, 0xb}}, ETH_IPV4, IP_B, true},
        {{{2, 0, 0, 0, 0, 0xb}}, ETH_IPV4, IP_B + 1, false},
        {{{2, 0, 0, 0, 0, 0xc}}, ETH_IPV4, IP_B, false},
        {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ETH_IPV4, 0xffffffff, true},
        {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ETH_IPV4, 0x0a0900ff, true},
        {{{1, 0, 0x5e, 0, 0, 1}}, ETH_IPV4, 0xe0000001, true},
        {{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, ETH_ARP, 0, true},
        {{{2, 0, 0, 0, 0, 0xb}}, ETH_ARP, 0, true},
        {{{2, 0, 0, 0, 0, 0xc}}, ETH_ARP, 0, false},
        {{{0x33, 0x33, 0, 0, 0, 1}}, ETH_IPV6, 0, false},
    };
    open_both(0, 0);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct pkt *p = pkt_get(&lab.pkts);
        struct frame f;
        uint64_t dropped = 0;
        memset(pkt_push(p, 26), 0, 26);
        struct ip4_hdr ih = {
            .total_len = 46, .ttl = 1, .proto = 17, .src = addr_v4(IP_A), .dst = addr_v4(t[i].ip)};
        ip4_build(pkt_push(p, IP4_HDR_LEN), &ih);
        struct eth_hdr eh = {.dst = t[i].dst, .src = mac_a, .type = t[i].type};
        eth_build(pkt_push(p, ETH_HDR_LEN), &eh);
        cr_assert_eq(link_send_batch(a.link, &p, 1, 1, &dropped), 1);
        lab_free(&lab, p);
        int n = link_recv_batch(b.link, &f, 1, 0);
        cr_assert_eq(n, t[i].in, "case %zu", i);
        if (n > 0)
            link_recv_done(b.link, n);
        expect_nothing();
    }
}

Test(afpacket, own_frames_do_not_come_back) {
    struct frame f;
    open_both(0, 0);
    send_tcp(1, 10, 0);
    cr_assert_eq(link_recv_batch(a.link, &f, 1, 0), 0);
}

static void send_tagged(uint32_t payload) {
    struct pkt *p = lab_tcp(&lab, 1, payload, 0, TH_ACK);
    static const uint8_t tag[4] = {0x81, 0, 0, 5};
    uint64_t dropped = 0;
    p->csum_partial = false;
    uint8_t *h = pkt_push(p, 4);
    memmove(h, h + 4, 12);
    memcpy(h + 12, tag, 4);
    cr_assert_eq(link_send_batch(a.link, &p, 1, 1, &dropped), 1);
    cr_assert_eq(dropped, 0);
    lab_free(&lab, p);
}

Test(afpacket, vlan_tagged_frames_are_dropped_and_counted) {
    static const unsigned flags[2] = {0, AFPACKET_NO_RING};
    run("ip link set v0 mtu 9000 && ip link set v1 mtu 9000");
    for (int i = 0; i < 2; i++) {
        uint32_t seq_no[2] = {7, 100000};
        open_both(0, flags[i]);
        send_tagged(10);
        send_tcp(7, 10, 0);
        send_tagged(8000); /* larger than a slot */
        send_tagged(10);
        send_tcp(100000, 8000, 0);
        expect(2, seq_no);
        expect_nothing();
        cr_assert_eq(b.sh->vlan_drops, 3);
        cr_assert_eq(b.sh->truncated, 0);
        close_end(&a);
        close_end(&b);
    }
}

Test(afpacket, interface_goes_down_and_comes_back) {
    struct frame f;
    open_both(0, 0);
    run("ip link set v0 down");
    cr_assert_eq(send_tcp(1, 10, 0), 1, "dropped, not kept");
    run("ip link set v1 down");
    struct pollfd pfd = {.fd = b.fd, .events = POLLIN};
    cr_assert_eq(poll(&pfd, 1, 0), 1);
    cr_assert(pfd.revents & POLLERR);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(link_recv_batch(b.link, &f, 1, 0), 0);
    cr_assert_eq(poll(&pfd, 1, 0), 0, "a sleeper is not woken for ever");
    run("ip link set v0 up && ip link set v1 up");
    wait_up("v0");
    wait_up("v1");
    cr_assert_eq(send_tcp(5, 40000, 1448), 0);
    expect_one(5);
}

/* The far end of a veth is down: the kernel says ENOBUFS or takes it; whichever, it ends. */
Test(afpacket, nobody_at_the_far_end) {
    struct pkt *p = lab_tcp(&lab, 1, 10, 0, TH_ACK);
    uint64_t dropped = 0, now = 1;
    int taken = 0;
    open_both(0, 0);
    run("ip link set v1 down");
    for (int i = 0; i < 100 && taken == 0; i++, now += 1000000)
        taken = link_send_batch(a.link, &p, 1, now, &dropped);
    cr_assert_eq(taken, 1);
    lab_free(&lab, p);
    run("ip link set v1 up");
    wait_up("v0");
    wait_up("v1");
    cr_assert_eq(send_tcp(5, 10, 0), 0);
    expect_one(5);
}

Test(afpacket, pending_tells_of_a_frame) {
    static const unsigned flags[] = {0, AFPACKET_NO_RING, AFPACKET_NO_RING | AFPACKET_NO_VNET};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        open_both(0, flags[i]);
        cr_assert_not(afpacket_pending(b.link));
        send_tcp(5, 10, 0);
        cr_assert(afpacket_pending(b.link));
        expect_one(5);
        cr_assert_not(afpacket_pending(b.link));
        close_end(&a);
        close_end(&b);
    }
}

Test(afpacket, too_large_is_dropped_and_the_rest_goes_on) {
    struct pkt *p[3] = {lab_tcp(&lab, 1, 10, 0, TH_ACK), lab_tcp(&lab, 2, 3000, 0, TH_ACK),
                        lab_tcp(&lab, 3, 10, 0, TH_ACK)};
    uint32_t seq_no[2] = {1, 3};
    uint64_t dropped = 0;
    open_both(0, 0);
    cr_assert_eq(link_send_batch(a.link, p, 3, 1, &dropped), 3);
    cr_assert_eq(dropped, 1);
    for (int i = 0; i < 3; i++)
        lab_free(&lab, p[i]);
    expect(2, seq_no);
}

static void expect_refusal(const char *ifname, const struct mac *mac, int code, const char *words) {
    struct afpacket_shared sh;
    struct addr addr = addr_v4(IP_A);
    char err[256] = "";
    cr_assert_eq(afpacket_open(ifname, mac, &addr, 1, &sh, err, sizeof(err)), -code, "%s", err);
    cr_assert(strstr(err, words) != NULL, "\"%s\" lacks \"%s\"", err, words);
    cr_assert(strchr(err, '\n') == NULL);
}

Test(afpacket, refusals_say_how_to_mend_it) {
    struct mac own, group = {{1, 2, 3, 4, 5, 6}};
    expect_refusal("v7", &mac_a, ENODEV, "no interface v7");
    expect_refusal("v7", &mac_a, ENODEV, "v1, v0");
    expect_refusal("an-interface-name-too-long", &mac_a, ENODEV, "there are:");
    expect_refusal("lo", &mac_a, EINVAL, "not an Ethernet interface");
    expect_refusal("v0", &group, EINVAL, "group address");
    run("ip link set v0 address 02:00:00:00:00:77");
    own = (struct mac){{2, 0, 0, 0, 0, 0x77}};
    expect_refusal("v0", &own, EINVAL, "v0 itself");
    run("ip link set v0 down");
    expect_refusal("v0", &mac_a, ENETDOWN, "ip link set v0 up");
    run("ip link set v0 up");
    cr_assert_eq(seteuid(65534), 0);
    expect_refusal("v0", &mac_a, EPERM, "CAP_NET_RAW");
    cr_assert_eq(seteuid(0), 0);
}

#include "tests/unit/link_util.h"

#include "stack/base/timer.h"
#include "stack/link/gso.h"
#include "stack/link/sim.h"

#define MS 1000000ull

static struct lab lab;
static struct sim_wire *wire;
static uint8_t buf[GSO_FRAME_MAX];
static const struct link_caps offloads = {.mtu = 1500, .gso_max = 65521, .tx_csum = true};
static const struct link_caps plain = {.mtu = 1500};

static void setup(void) {
    lab_init(&lab);
}
static void teardown(void) {
    sim_wire_free(wire);
    lab_end(&lab);
}
TestSuite(sim, .init = setup, .fini = teardown);

static struct link *make(struct impair impair, const struct link_caps *caps) {
    struct impair both[2] = {impair, impair};
    wire = sim_wire_new(both, caps);
    cr_assert(wire != NULL);
    return sim_wire_end(wire, 0);
}

/* Sends a segment from end 0; returns the frames refused. */
static uint64_t send_tcp(uint32_t seq_no, uint32_t len, uint16_t mss, uint64_t now) {
    struct pkt *p = lab_tcp(&lab, seq_no, len, mss, TH_ACK);
    uint64_t dropped = 0;
    cr_assert_eq(link_send_batch(sim_wire_end(wire, 0), &p, 1, now, &dropped), 1);
    lab_free(&lab, p);
    return dropped;
}

/* Takes one frame at end 1, whole, to buf; 0 when there is none. */
static uint32_t receive(uint64_t now, struct frame *f) {
    struct link *l = sim_wire_end(wire, 1);
    if (link_recv_batch(l, f, 1, now) == 0)
        return 0;
    struct frame copy = *f;
    uint32_t len = read_frame(&copy, buf, sizeof(buf));
    link_recv_done(l, 1);
    return len;
}

Test(sim, perfect_wire_passes_frames_whole_and_in_order) {
    struct frame f;
    struct seen s;
    make((struct impair){0}, &offloads);
    send_tcp(1, 100, 0, 5);
    send_tcp(2, 60000, 1448, 5);
    cr_assert_eq(link_next_event(sim_wire_end(wire, 1)), 5);
    cr_assert_eq(link_next_event(sim_wire_end(wire, 0)), TIME_NEVER);
    uint32_t len = receive(5, &f);
    cr_assert_eq(f.csum, FRAME_CSUM_PARTIAL);
    check_frame(buf, len, true, &s);
    cr_assert_eq(s.tcp.seq.v, 1);
    len = receive(5, &f);
    cr_assert_eq(f.gso_size, 1448);
    cr_assert_lt(f.linear, f.len, "a large frame shows only its head");
    check_frame(buf, len, true, &s);
    cr_assert_eq(s.payload_len, 60000);
    cr_assert_eq(receive(5, &f), 0);
}

Test(sim, without_offloads_frames_are_split_and_finished) {
    struct frame f;
    struct seen s;
    make((struct impair){0}, &plain);
    send_tcp(10, 3000, 1448, 0);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t len = receive(0, &f);
        cr_assert_eq(f.csum, FRAME_CSUM_UNKNOWN);
        check_frame(buf, len, false, &s);
        cr_assert_eq(s.tcp.seq.v, 10 + 1448 * i);
    }
    cr_assert_eq(receive(0, &f), 0);
}

Test(sim, mtu_is_enforced) {
    struct frame f;
    make((struct impair){0}, &offloads);
    cr_assert_eq(send_tcp(1, 1500 - 52, 0, 0), 0);
    cr_assert_eq(send_tcp(1, 1501 - 52, 0, 0), 1);
    cr_assert_eq(send_tcp(1, 5000, 1449, 0), 0, "a whole super-frame is the far end's affair");
    cr_assert_gt(receive(0, &f), 0);
    cr_assert_gt(receive(0, &f), 0);
    cr_assert_eq(receive(0, &f), 0);
}

Test(sim, delay_and_its_event) {
    struct frame f;
    make((struct impair){.delay_ns = 10 * MS}, &offloads);
    send_tcp(1, 10, 0, 3 * MS);
    cr_assert_eq(link_next_event(sim_wire_end(wire, 1)), 13 * MS);
    cr_assert_eq(receive(13 * MS - 1, &f), 0);
    cr_assert_gt(receive(13 * MS, &f), 0);
}

/* What goes to or from far-port is later by far-delay, keeps its own order, and holds nobody up. */
Test(sim, a_far_port_goes_a_longer_way) {
    struct frame f;
    struct seen s;
    make((struct impair){.delay_ns = 10 * MS, .far_port = 2000, .far_ns = 30 * MS}, &offloads);
    send_tcp(1, 10, 0, 0);
    send_tcp(2, 10, 0, MS);
    lab.dport = 2001;
    send_tcp(3, 10, 0, 2 * MS);
    lab.sport = 2000;
    send_tcp(4, 10, 0, 3 * MS);
    static const struct {
        uint64_t at;
        uint32_t seq_no;
    } due[] = {{12 * MS, 3}, {40 * MS, 1}, {41 * MS, 2}, {43 * MS, 4}};
    for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++) {
        cr_assert_eq(receive(due[i].at - 1, &f), 0);
        check_frame(buf, receive(due[i].at, &f), true, &s);
        cr_assert_eq(s.tcp.seq.v, due[i].seq_no);
    }
}

Test(sim, bottleneck_spaces_frames_and_drops_the_tail) {
    struct frame f;
    /* 1566 bytes at 12.528 Mbit/s take 1 ms; the queue has room for three. */
    make((struct impair){.rate_bps = 12528000, .queue_bytes = 3 * 1566},
         &(struct link_caps){.mtu = 1600});
    for (uint32_t i = 0; i < 10; i++)
        send_tcp(i, 1500, 0, 0);
    struct sim_stats st;
    sim_wire_stats(wire, 0, &st);
    cr_assert_eq(st.frames, 10);
    cr_assert_eq(st.queue_drops, 7);
    for (uint64_t i = 1; i <= 3; i++) {
        cr_assert_eq(receive(i * MS - 1, &f), 0);
        cr_assert_gt(receive(i * MS, &f), 0);
    }
    cr_assert_eq(receive(1000 * MS, &f), 0);
    send_tcp(1, 1500, 0, 2000 * MS);
    cr_assert_eq(link_next_event(sim_wire_end(wire, 1)), 2001 * MS, "an idle bottleneck is free");
    cr_assert_gt(receive(2001 * MS, &f), 0);
}

/* 10,000 frames through everything at once: the shares come out as asked for, each damaged frame
 * differs in exactly one bit, and no frame is unaccounted for. */
Test(sim, shares_are_as_asked) {
    enum { N = 10000 };
    struct frame f;
    struct sim_stats st;
    uint32_t got = 0, damaged = 0, behind = 0, last = 0;
    static uint8_t good[2000];
    make((struct impair){.loss_ppm = 100000,
                         .dup_ppm = 50000,
                         .reorder_ppm = 20000,
                         .corrupt_ppm = 30000,
                         .delay_ns = MS,
                         .reorder_ns = 3 * MS,
                         .seed = 7},
         &offloads);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t now = i * MS;
        send_tcp(i, 64, 0, now);
        for (uint32_t len; (len = receive(now, &f)) > 0; got++) {
            struct gso_src src;
            uint32_t no, best = UINT32_MAX;
            /* Which one was it? Compare with the last few. */
            for (uint32_t k = i < 8 ? 0 : i - 8; k <= i && best > 1; k++) {
                struct pkt *p = lab_tcp(&lab, k, 64, 0, TH_ACK);
                uint32_t bits = 0;
                gso_from_pkt(&src, p);
                cr_assert_eq(gso_build(&src, 0, good), len);
                for (uint32_t b = 0; b < len; b++)
                    bits += (uint32_t)__builtin_popcount(good[b] ^ buf[b]);
                if (bits < best) {
                    best = bits;
                    no = k;
                }
                lab_free(&lab, p);
            }
            cr_assert_leq(best, 1);
            damaged += best;
            if (no < last)
                behind++;
            last = no;
            cr_assert_arr_eq(buf, good, ETH_HDR_LEN);
        }
    }
    while (receive(UINT64_MAX - 1, &f) > 0)
        got++;
    sim_wire_stats(wire, 0, &st);
    cr_assert_eq(st.frames, N);
    cr_assert_eq(got, N - st.lost + st.dupped);
    cr_assert(st.lost > 900 && st.lost < 1100, "%lu lost", st.lost);
    cr_assert(st.dupped > 390 && st.dupped < 510, "%lu dupped", st.dupped);
    cr_assert(st.reordered > 130 && st.reordered < 230, "%lu reordered", st.reordered);
    cr_assert(st.corrupted > 210 && st.corrupted < 330, "%lu corrupted", st.corrupted);
    cr_assert(damaged >= st.corrupted - 3, "the last few were not looked at");
    cr_assert_geq(behind, st.reordered / 2);
}

Test(sim, jitter_keeps_the_order) {
    struct frame f;
    struct seen s;
    make((struct impair){.delay_ns = MS, .jitter_ns = 50 * MS}, &offloads);
    for (uint32_t i = 0; i < 200; i++)
        send_tcp(i, 10, 0, i * MS);
    for (uint32_t i = 0; i < 200; i++) {
        uint64_t at = link_next_event(sim_wire_end(wire, 1));
        cr_assert(at >= (i + 1) * MS && at < (i + 200) * MS);
        check_frame(buf, receive(at, &f), true, &s);
        cr_assert_eq(s.tcp.seq.v, i);
    }
}

Test(sim, loss_is_per_segment_of_a_super_frame) {
    struct frame f;
    struct seen s;
    struct sim_stats st;
    uint32_t got = 0;
    make((struct impair){.loss_ppm = 200000, .seed = 3}, &offloads);
    for (int i = 0; i < 20; i++)
        send_tcp(1, 50 * 1000, 1000, 0);
    sim_wire_stats(wire, 0, &st);
    cr_assert_eq(st.frames, 1000);
    for (uint32_t len; (len = receive(0, &f)) > 0; got++)
        check_frame(buf, len, false, &s);
    cr_assert_eq(got, 1000 - st.lost);
    cr_assert(got > 740 && got < 860);
}

static void run_of_losses(uint64_t seed, uint8_t out[300]) {
    struct frame f;
    struct seen s;
    make((struct impair){.loss_ppm = 500000, .seed = seed}, &offloads);
    memset(out, 0, 300);
    for (uint32_t i = 0; i < 300; i++)
        send_tcp(i, 10, 0, 0);
    for (uint32_t len; (len = receive(0, &f)) > 0;) {
        check_frame(buf, len, true, &s);
        out[s.tcp.seq.v] = 1;
    }
    sim_wire_free(wire);
}

Test(sim, same_seed_same_run) {
    uint8_t a[300], b[300], c[300];
    run_of_losses(7, a);
    run_of_losses(7, b);
    run_of_losses(8, c);
    make((struct impair){0}, &plain); /* for teardown */
    cr_assert_arr_eq(a, b, 300);
    cr_assert_neq(memcmp(a, c, 300), 0);
}

Test(sim, arp_is_not_corrupted) {
    struct frame f;
    make((struct impair){.corrupt_ppm = 1000000}, &offloads);
    for (int i = 0; i < 50; i++) {
        struct pkt *p = pkt_get(&lab.pkts), *list[1] = {p};
        uint64_t dropped = 0;
        memset(pkt_push(p, 28), 0x11, 28);
        struct eth_hdr eh = {.dst = eth_broadcast, .src = mac_a, .type = ETH_ARP};
        eth_build(pkt_push(p, ETH_HDR_LEN), &eh);
        link_send_batch(sim_wire_end(wire, 0), list, 1, 0, &dropped);
        lab_free(&lab, p);
        cr_assert_eq(receive(0, &f), 42);
        for (int k = 14; k < 42; k++)
            cr_assert_eq(buf[k], 0x11);
    }
}

/* More than the queue can hold: counted, and what was taken comes out unharmed. */
Test(sim, full_queue_drops_and_counts) {
    struct frame f;
    struct seen s;
    struct sim_stats st;
    uint64_t got = 0;
    make((struct impair){.delay_ns = MS}, &offloads);
    for (int i = 0; i < 700; i++)
        send_tcp(1, 60000, 1448, 0);
    sim_wire_stats(wire, 0, &st);
    cr_assert_gt(st.queue_drops, 0);
    for (uint32_t len; (len = receive(MS, &f)) > 0; got++)
        check_frame(buf, len, true, &s);
    cr_assert_eq(got, 700 - st.queue_drops);
    cr_assert_gt(got, 400);
}

Test(sim, frames_need_not_be_read) {
    struct link *l = make((struct impair){0}, &offloads), *far = sim_wire_end(wire, 1);
    struct frame f[4];
    (void)l;
    for (uint32_t i = 0; i < 4; i++)
        send_tcp(i * 100000, 50000, 1448, 0);
    cr_assert_eq(link_recv_batch(far, f, 4, 0), 4);
    read_frame(&f[2], buf, sizeof(buf));
    link_recv_done(far, 4);
    cr_assert_eq(link_recv_batch(far, f, 4, 0), 0);
}

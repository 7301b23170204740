#include "tests/unit/link_util.h"

#include "stack/base/timer.h"
#include "stack/link/gso.h"
#include "stack/link/sim.h"

#define MS  1000000ull
#define MEM (8u << 20)

/* An impaired link at end 0 of a perfect wire; end 1 is the far host. */
static struct lab lab;
static struct sim_wire *wire;
static struct link *near_end, *far_end;
static void *mem;
static uint8_t buf[GSO_FRAME_MAX];

static void setup(void) {
    static const struct impair none[2];
    lab_init(&lab);
    wire = sim_wire_new(none, &(struct link_caps){.mtu = 1500, .gso_max = 65521, .tx_csum = true});
    far_end = sim_wire_end(wire, 1);
    mem = aligned_alloc(64, MEM);
    memset(mem, 0, MEM);
}
static void teardown(void) {
    if (near_end != NULL)
        near_end->ops->close(near_end);
    sim_wire_free(wire);
    free(mem);
    lab_end(&lab);
}
TestSuite(impair, .init = setup, .fini = teardown);

static void make(struct impair out, struct impair in) {
    cr_assert(impair_init(mem, MEM, &out, &in));
    near_end = link_impair_new(sim_wire_end(wire, 0), mem);
    cr_assert(near_end != NULL);
}

static void send_on(struct link *l, uint32_t seq_no, uint32_t len, uint16_t mss, uint64_t now) {
    struct pkt *p = lab_tcp(&lab, seq_no, len, mss, TH_ACK);
    uint64_t dropped = 0;
    cr_assert_eq(link_send_batch(l, &p, 1, now, &dropped), 1);
    cr_assert_eq(dropped, 0);
    lab_free(&lab, p);
}

/* One frame, whole, in buf; its length, or 0. */
static uint32_t receive_on(struct link *l, uint64_t now, struct frame *f) {
    if (link_recv_batch(l, f, 1, now) == 0)
        return 0;
    struct frame copy = *f;
    uint32_t len = read_frame(&copy, buf, sizeof(buf));
    link_recv_done(l, 1);
    return len;
}

/* What a program does: poll at the time that the link has named. */
static void poll_near(uint64_t now) {
    struct frame f[LINK_BATCH];
    int n = link_recv_batch(near_end, f, LINK_BATCH, now);
    if (n > 0)
        link_recv_done(near_end, n);
}

Test(impair, nothing_to_do_passes_through) {
    struct frame f;
    struct seen s;
    make((struct impair){0}, (struct impair){0});
    send_on(near_end, 1, 30000, 1448, 0);
    uint32_t len = receive_on(far_end, 0, &f);
    cr_assert_eq(f.gso_size, 1448, "not even split");
    check_frame(buf, len, true, &s);
    send_on(far_end, 5, 30000, 1448, 0);
    len = receive_on(near_end, 0, &f);
    cr_assert_eq(f.gso_size, 1448);
    check_frame(buf, len, true, &s);
    cr_assert_eq(link_next_event(near_end), TIME_NEVER);
}

Test(impair, outgoing_frames_wait_and_are_sent_by_a_later_poll) {
    struct frame f;
    struct seen s;
    make((struct impair){.delay_ns = 10 * MS}, (struct impair){0});
    send_on(near_end, 1, 3000, 1448, 0);
    cr_assert_eq(receive_on(far_end, 5 * MS, &f), 0);
    cr_assert_eq(link_next_event(near_end), 10 * MS);
    poll_near(10 * MS);
    for (uint32_t i = 0; i < 3; i++) {
        check_frame(buf, receive_on(far_end, 10 * MS, &f), false, &s);
        cr_assert_eq(s.tcp.seq.v, 1 + i * 1448);
    }
    cr_assert_eq(link_next_event(near_end), TIME_NEVER);
}

Test(impair, incoming_frames_are_split_and_wait) {
    struct frame f;
    struct seen s;
    make((struct impair){0}, (struct impair){.delay_ns = 10 * MS});
    send_on(far_end, 1, 60000, 1448, 0);
    cr_assert_eq(receive_on(near_end, 0, &f), 0);
    cr_assert_eq(link_next_event(near_end), 10 * MS);
    for (uint32_t i = 0; i < 42; i++) {
        check_frame(buf, receive_on(near_end, 10 * MS, &f), false, &s);
        cr_assert_eq(s.tcp.seq.v, 1 + i * 1448);
        cr_assert_eq(f.csum, FRAME_CSUM_UNKNOWN);
    }
    cr_assert_eq(receive_on(near_end, 10 * MS, &f), 0);
}

/* More than a batch stands at the inner link: all of it is taken, so that a delay is one of each
 * frame's arrival. */
Test(impair, takes_in_all_there_is) {
    struct frame f;
    make((struct impair){0}, (struct impair){.delay_ns = 10 * MS});
    for (uint32_t i = 0; i < 100; i++)
        send_on(far_end, i, 10, 0, 0);
    poll_near(0);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert_gt(receive_on(near_end, 10 * MS, &f), 0);
}

Test(impair, loss_both_ways) {
    struct frame f;
    uint32_t out = 0, in = 0;
    make((struct impair){.loss_ppm = 300000, .seed = 1},
         (struct impair){.loss_ppm = 100000, .seed = 2});
    for (uint32_t i = 0; i < 1000; i++) {
        send_on(near_end, i, 10, 0, i);
        send_on(far_end, i, 10, 0, i);
        out += receive_on(far_end, i, &f) > 0;
        in += receive_on(near_end, i, &f) > 0;
    }
    cr_assert(out > 640 && out < 760, "%u", out);
    cr_assert(in > 860 && in < 940, "%u", in);
}

/* Gilbert's model: the share that is lost stays, but they are lost in rows. */
Test(impair, loss_in_bursts) {
    struct frame f;
    uint32_t arrived = 0, bursts = 0;
    bool was_lost = false;
    make((struct impair){.loss_ppm = 200000, .burst = 5, .seed = 3}, (struct impair){0});
    for (uint32_t i = 0; i < 20000; i++) {
        send_on(near_end, i, 10, 0, i);
        bool lost = receive_on(far_end, i, &f) == 0;
        bursts += lost && !was_lost;
        arrived += !lost;
        was_lost = lost;
    }
    cr_assert(arrived > 15000 && arrived < 17000, "%u", arrived);
    cr_assert(bursts > 700 && bursts < 900, "%u", bursts); /* about 4,000 / 5 */
}

/* What one process put in, another one over the same memory sends. */
Test(impair, another_process_sends_what_is_due) {
    struct frame f;
    make((struct impair){.delay_ns = MS}, (struct impair){0});
    send_on(near_end, 1, 10, 0, 0);
    near_end->ops->close(near_end);
    near_end = link_impair_new(sim_wire_end(wire, 0), mem);
    cr_assert_eq(link_next_event(near_end), MS);
    poll_near(MS);
    cr_assert_gt(receive_on(far_end, MS, &f), 0);
}

/* A process dies inside (the first word, busy, is left set, and the queue in disorder): what was
 * on the way is lost, and all goes on. */
Test(impair, death_inside_loses_only_what_was_on_the_way) {
    struct frame f;
    struct seen s;
    make((struct impair){.delay_ns = MS}, (struct impair){.delay_ns = MS});
    for (uint32_t i = 0; i < 20; i++) {
        send_on(near_end, i, 3000, 1448, 0);
        send_on(far_end, i, 10, 0, 0);
    }
    poll_near(0);
    *(uint32_t *)mem = 1;
    send_on(near_end, 99, 10, 0, 0);
    poll_near(MS);
    check_frame(buf, receive_on(far_end, MS, &f), false, &s);
    cr_assert_eq(s.tcp.seq.v, 99);
    cr_assert_eq(receive_on(far_end, MS, &f), 0);
    cr_assert_eq(link_next_event(near_end), TIME_NEVER);
}

/* A carrier that takes nothing for a while. */
struct stubborn {
    struct link link;
    int room, got;
};
static int stubborn_recv(struct link *l, struct frame *f, int max, uint64_t now) {
    (void)l, (void)f, (void)max, (void)now;
    return 0;
}
static int stubborn_send(struct link *l, struct pkt *const *p, int n, uint64_t now, uint64_t *dr) {
    struct stubborn *s = (struct stubborn *)l;
    (void)p, (void)now, (void)dr;
    int k = n < s->room ? n : s->room;
    s->room -= k;
    s->got += k;
    return k;
}
static uint64_t stubborn_next(struct link *l) {
    (void)l;
    return TIME_NEVER;
}

Test(impair, what_the_carrier_does_not_take_is_kept) {
    static const struct link_ops ops = {
        .recv_batch = stubborn_recv, .send_batch = stubborn_send, .next_event = stubborn_next};
    struct stubborn st = {.link = {.ops = &ops, .caps = {.mtu = 1500}}, .room = 50};
    struct impair out = {.delay_ns = MS}, in = {0};
    cr_assert(impair_init(mem, MEM, &out, &in));
    near_end = link_impair_new(&st.link, mem);
    for (uint32_t i = 0; i < 100; i++)
        send_on(near_end, i, 10, 0, 0);
    poll_near(MS);
    cr_assert_eq(st.got, 50);
    uint64_t retry = link_next_event(near_end);
    cr_assert(retry > MS && retry < 2 * MS);
    st.room = 1000;
    poll_near(retry);
    cr_assert_eq(st.got, 100);
    cr_assert_eq(link_next_event(near_end), TIME_NEVER);
}

Test(impair, memory_must_hold_what_is_on_the_way) {
    struct impair none = {0};
    struct impair fat = {.rate_bps = 1000000000, .delay_ns = 100 * MS}; /* 12.5 MB */
    cr_assert_not(impair_init(mem, MEM, &fat, &none));
    cr_assert_not(impair_init(mem, 100, &none, &none));
    fat.delay_ns = 10 * MS;
    cr_assert(impair_init(mem, MEM, &fat, &none));
    cr_assert(impair_init(mem, MEM, &fat, &fat));
}

static struct impair parsed(const char *text) {
    struct impair i;
    const char *why = impair_parse(text, &i);
    cr_assert(why == NULL, "%s: %s", text, why);
    return i;
}

Test(impair_parse, every_word) {
    struct impair i =
        parsed("loss=1%,reorder=0.5%,delay=10ms,dup=250ppm,corrupt=0.0001%,jitter=1.5ms,"
               "rate=10Mbit,queue=64KB,seed=7,reorder-by=3us,burst=4,mark=30KB,"
               "far-port=5002,far-delay=30ms");
    cr_assert_eq(i.loss_ppm, 10000);
    cr_assert_eq(i.reorder_ppm, 5000);
    cr_assert_eq(i.dup_ppm, 250);
    cr_assert_eq(i.corrupt_ppm, 1);
    cr_assert_eq(i.delay_ns, 10 * MS);
    cr_assert_eq(i.jitter_ns, 1500000);
    cr_assert_eq(i.reorder_ns, 3000);
    cr_assert_eq(i.burst, 4);
    cr_assert_eq(i.rate_bps, 10000000);
    cr_assert_eq(i.queue_bytes, 65536);
    cr_assert_eq(i.mark_bytes, 30 << 10);
    cr_assert_eq(i.far_port, 5002);
    cr_assert_eq(i.far_ns, 30 * MS);
    cr_assert_eq(i.seed, 7);
}

Test(impair_parse, units_and_edges) {
    cr_assert_eq(parsed("").loss_ppm, 0);
    cr_assert_eq(parsed("loss=100%").loss_ppm, 1000000);
    cr_assert_eq(parsed("delay=2s").delay_ns, 2000000000);
    cr_assert_eq(parsed("rate=2.5Gbit").rate_bps, 2500000000);
    cr_assert_eq(parsed("rate=9600bit").rate_bps, 9600);
    cr_assert_eq(parsed("queue=1MB").queue_bytes, 1 << 20);
}

Test(impair_parse, mistakes_are_named) {
    static const struct {
        const char *text, *word;
    } t[] = {{"loss", "word=value"},
             {"loss=", "loss:"},
             {"loss=1", "loss:"},
             {"loss=101%", "loss:"},
             {"loss=-1%", "loss:"},
             {"lost=1%", "the words are"},
             {"delay=10", "delay:"},
             {"delay=61s", "delay:"},
             {"delay=ms", "delay:"},
             {"rate=10MB", "rate:"},
             {"queue=2000MB", "queue:"},
             {"seed=x", "seed:"},
             {"far-port=65536", "far-port:"},
             {"far-delay=30", "far-delay:"},
             {"loss=1%,", NULL},
             {"loss=1%,,", "word="},
             {"=1%", "the words are"},
             {"delay=99999999999999999999s", "delay:"}};
    struct impair i;
    for (size_t k = 0; k < sizeof(t) / sizeof(t[0]); k++) {
        const char *why = impair_parse(t[k].text, &i);
        if (t[k].word == NULL)
            cr_assert(why == NULL, "%s: %s", t[k].text, why);
        else
            cr_assert(why != NULL && strstr(why, t[k].word) != NULL, "%s: %s", t[k].text,
                      why != NULL ? why : "(taken)");
    }
}

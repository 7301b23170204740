/* A process is killed inside the stack, again and again, at moments nobody has chosen: a child
 * drives two hosts whose memory it shares with its parent, is sent SIGKILL, and the parent repairs
 * both and goes on. What may be lost is the connection on which the child was sending or receiving
 * (its program is dead), and those marked dirty; all others must deliver every byte. */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/sock_bulk.h"

#define NCONN     6
#define KILLS     60
#define RING      512
#define FRAME_MAX 1600

/* A wire in shared memory; a frame counts once `head` says so. */
struct shared_wire {
    struct link link[2];
    struct {
        _Atomic uint32_t head, tail; /* frames ever written, read */
        uint32_t len[RING];
        uint8_t frame[RING][FRAME_MAX];
    } to[2]; /* to end i */
};

struct shared {
    struct world w;
    struct bulk b[NCONN];
    struct shared_wire wire;
    _Atomic uint64_t ops;
    _Atomic int current; /* the connection that the child works on; -1: none */
};
static struct shared *sh;

static int end_of(struct link *l) {
    return (int)(l - sh->wire.link);
}

static int wire_recv(struct link *l, struct frame *f, int max, uint64_t now) {
    typeof(&sh->wire.to[0]) q = &sh->wire.to[end_of(l)];
    int n = 0;
    (void)now;
    for (; n < max && q->tail + (uint32_t)n != q->head; n++) {
        uint32_t at = (q->tail + (uint32_t)n) % RING;
        frame_from_mem(&f[n], q->frame[at], q->len[at]);
        f[n].csum = FRAME_CSUM_PARTIAL; /* this wire finishes no checksum */
    }
    return n;
}
static void wire_recv_done(struct link *l, int n) {
    sh->wire.to[end_of(l)].tail += (uint32_t)n;
}
static int wire_send(struct link *l, struct pkt *const *p, int n, uint64_t now, uint64_t *dropped) {
    typeof(&sh->wire.to[0]) q = &sh->wire.to[!end_of(l)];
    (void)now;
    for (int i = 0; i < n; i++) {
        struct iovec iov[1 + PKT_FRAGS_MAX];
        if (q->head - q->tail == RING) {
            (*dropped)++;
            continue;
        }
        uint32_t at = q->head % RING, len = 0;
        int k = pkt_iov(p[i], iov);
        cr_assert_leq(pkt_len(p[i]), FRAME_MAX);
        for (int j = 0; j < k; j++) {
            memcpy(q->frame[at] + len, iov[j].iov_base, iov[j].iov_len);
            len += (uint32_t)iov[j].iov_len;
        }
        q->len[at] = len;
        q->head++;
    }
    return n;
}
static uint64_t wire_next(struct link *l) {
    typeof(&sh->wire.to[0]) q = &sh->wire.to[end_of(l)];
    return q->head != q->tail ? sh->w.now_ns : TIME_NEVER;
}
static const struct link_ops wire_ops = {.recv_batch = wire_recv,
                                         .recv_done = wire_recv_done,
                                         .send_batch = wire_send,
                                         .next_event = wire_next};

static void setup(void) {
    struct stack_config cfg;
    struct impair perfect = {.seed = 1};
    sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(sh, MAP_FAILED);
    stack_config_default(&cfg, 1);
    world_init_with(&sh->w, &cfg, &perfect, MAP_SHARED);
    for (int i = 0; i < 2; i++) {
        sh->wire.link[i] = (struct link){.ops = &wire_ops, .caps = {.mtu = 1500}};
        sh->w.h[i].link = &sh->wire.link[i];
    }
    sh->current = -1;
}
static void teardown(void) {
    world_free(&sh->w);
    munmap(sh, sizeof(*sh));
}
TestSuite(stack_crash, .init = setup, .fini = teardown);

/* One turn of everything. */
static void turn(struct rand *r) {
    int i = (int)rand_below(r, NCONN);
    sh->current = i;
    bulk_step(&sh->w, &sh->b[i], i % 2, !(i % 2));
    sh->current = -1;
    int host = (int)rand_below(r, 2);
    stack_poll(sh->w.h[host].st, sh->w.h[host].link, sh->w.now_ns, NULL);
    sh->w.now_ns += rand_below(r, 200000);
    sh->ops++;
}

static void child_main(uint64_t seed) {
    struct rand r;
    uint8_t s[16] = {0};
    memcpy(s, &seed, sizeof(seed));
    rand_init(&r, s);
    for (;;)
        turn(&r);
}

static void kill_one(struct rand *r, int round) {
    uint64_t target = sh->ops + 1 + rand_below(r, 400);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        child_main((uint64_t)round);
    while (sh->ops < target)
        sched_yield();
    for (volatile uint32_t i = rand_below(r, 20000); i > 0; i--)
        ;
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

static void renew(int i) {
    struct world *w = &sh->w;
    int c = i % 2, s = !c;
    sh->b[i] = (struct bulk){.p = connect_pair(w, c, s, (uint16_t)(5000 + i)), .total = 3000000};
}

static void drop(int i) {
    int c = i % 2, s = !c;
    sock_put(sh->w.h[c].st, sh->b[i].p.c, sh->w.h[c].proc);
    sock_put(sh->w.h[s].st, sh->b[i].p.s, sh->w.h[s].proc);
}

/* Resets that repair has caused; the connections concerned are given up and made anew. */
static uint32_t take_stock(int was_current) {
    uint32_t resets = 0;
    for (int i = 0; i < NCONN; i++) {
        bulk_step(&sh->w, &sh->b[i], i % 2, !(i % 2));
        if (i == was_current || sh->b[i].reset) {
            resets += i != was_current;
            drop(i);
            renew(i);
        }
    }
    return resets;
}

Test(stack_crash, others_go_on, .timeout = 120) {
    struct rand r;
    uint8_t seed[16] = {42};
    uint32_t resets = 0;
    rand_init(&r, seed);
    for (int i = 0; i < NCONN; i++)
        renew(i);
    for (int round = 0; round < KILLS; round++) {
        kill_one(&r, round);
        int current = sh->current;
        sh->current = -1;
        for (int h = 0; h < 2; h++) {
            stack_repair(sh->w.h[h].st, sh->w.now_ns);
            tcp_foreach(sh->w.h[h].st, check_one, NULL);
        }
        world_run(&sh->w, 20 * MS);
        /* The connection that the program was working on cannot be checked: how much of its last
         * call took effect is known to the dead only. */
        if (current >= 0)
            sh->b[current].reset = true;
        resets += take_stock(current);
        for (int i = 0; i < NCONN; i++) {
            if (!bulk_done(&sh->b[i]))
                continue;
            drop(i);
            renew(i);
        }
    }
    uint64_t repaired = sh->w.h[0].st->ctr.repaired_conns + sh->w.h[1].st->ctr.repaired_conns;
    cr_log_info("%u resets, %llu connections repaired", resets, (unsigned long long)repaired);
    cr_assert_leq(resets, repaired, "a connection was lost that was not marked dirty");
    cr_assert_leq(repaired, 2ull * KILLS);
    /* And now to the end. */
    for (int i = 0; i < NCONN; i++) {
        bulk_finish(&sh->w, &sh->b[i], 1, i % 2, !(i % 2), 600 * S);
        cr_assert_not(sh->b[i].reset);
        drop(i);
    }
    world_run(&sh->w, 300 * S);
    check_all_given_back(&sh->w, 0);
    check_all_given_back(&sh->w, 1);
}

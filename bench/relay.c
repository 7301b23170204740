/* relay IF1 IF2 IMPAIRMENT [SEED]     hands every frame that comes in at one interface out at the
 *                                     other, impaired (stack/link/sim.h), until it is killed
 *
 * A wire between two hosts that is equally bad to all who use it, kernel or our stack; the kernel
 * here has no netem. Frames are taken as they are: the hosts' offloads must be off, so that each is
 * one segment. Both ways draw from the same SEED. */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "bench/bench.h"
#include "stack/base/timer.h"
#include "stack/link/impair.h"

#define QUEUE_MEM  (256u << 20) /* a direction's frames on the way */
#define SOCKET_MEM (64 << 20)
#define BATCH      64

struct way {
    int in, out;
    struct impair_dir dir;
};

static uint8_t frame[GSO_FRAME_MAX];

static int open_interface(const char *name) {
    struct sockaddr_ll sll = {.sll_family = AF_PACKET,
                              .sll_protocol = htons(ETH_P_ALL),
                              .sll_ifindex = (int)if_nametoindex(name)};
    struct packet_mreq promiscuous = {.mr_ifindex = sll.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    int one = 1, size = SOCKET_MEM, s = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    if (s < 0 || setsockopt(s, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
        setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
        setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0 ||
        setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof(promiscuous)) < 0 ||
        bind(s, (struct sockaddr *)&sll, sizeof(sll)) < 0)
        bench_fail(name);
    return s;
}

static void way_init(struct way *w, const struct impair *im, int in, int out) {
    void *mem = aligned_alloc(64, QUEUE_MEM);
    if (mem == NULL)
        bench_fail("aligned_alloc");
    memset(mem, 0, QUEUE_MEM);
    w->in = in;
    w->out = out;
    if (!impair_dir_init(&w->dir, im, mem, QUEUE_MEM))
        bench_fail("impair_dir_init");
}

static void take_in(struct way *w) {
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(w->in, frame, sizeof(frame), 0);
        if (n < 0 && errno != EAGAIN && errno != ENETDOWN)
            bench_fail("recv");
        if (n <= 0)
            return;
        impair_dir_put(&w->dir, frame, (uint32_t)n, 0, FRAME_CSUM_UNKNOWN, bench_now_ns());
    }
}

static void hand_out(struct way *w) {
    struct frameq_meta m;
    for (int i = 0; i < BATCH && frameq_next(&w->dir.q) <= bench_now_ns(); i++) {
        frameq_pop(&w->dir.q, &m, frame);
        if (send(w->out, frame, m.len, 0) < 0 && errno != ENOBUFS && errno != ENETDOWN)
            bench_fail("send");
    }
}

static _Noreturn void relay(struct way way[2]) {
    struct pollfd fds[2] = {{.fd = way[0].in, .events = POLLIN},
                            {.fd = way[1].in, .events = POLLIN}};
    for (;;) {
        uint64_t now = bench_now_ns(), next = TIME_NEVER;
        for (int i = 0; i < 2; i++) {
            take_in(&way[i]);
            hand_out(&way[i]);
            uint64_t due = frameq_next(&way[i].dir.q);
            next = due < next ? due : next;
        }
        uint64_t wait = next > now ? next - now : 0;
        struct timespec t = {.tv_sec = (time_t)(wait / 1000000000u),
                             .tv_nsec = (long)(wait % 1000000000u)};
        ppoll(fds, 2, next == TIME_NEVER ? NULL : &t, NULL);
    }
}

int main(int argc, char **argv) {
    static struct way way[2];
    struct impair im;
    const char *mistake = argc >= 4 ? impair_parse(argv[3], &im) : "";
    if (mistake != NULL) {
        fprintf(stderr, "relay IF1 IF2 IMPAIRMENT [SEED]\n%s\n", mistake);
        return 2;
    }
    if (argc > 4)
        im.seed = (uint64_t)bench_number(argv[4]);
    int a = open_interface(argv[1]), b = open_interface(argv[2]);
    way_init(&way[0], &im, a, b);
    im.seed += 1000000;
    way_init(&way[1], &im, b, a);
    puts("ready");
    fflush(stdout);
    relay(way);
}

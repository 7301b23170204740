/* goodput serve PORT               receives, tells the sender after the time it asks for, for ever
 * goodput ADDR PORT SECONDS        sends all the time; prints Mbit/s of what the other had received
 *                                  in order in that time, the first round trips included, and
 *                                  the mean smoothed round-trip time in ms
 *
 * Unlike bulk it doesn't wait for what lies in buffers, which on a bad path may take minutes. */
#include <errno.h>
#include <poll.h>

#include "bench/bench.h"

#define CHUNK_BYTES (64u * 1024u)

static char buffer[CHUNK_BYTES];

static int wait_for(int s, short events, uint64_t until_ns) {
    struct pollfd p = {.fd = s, .events = events};
    uint64_t now = bench_now_ns();
    if (now >= until_ns)
        return 0;
    if (poll(&p, 1, (int)((until_ns - now) / 1000000u) + 1) < 0)
        bench_fail("poll");
    return p.revents;
}

static _Noreturn void serve(const char *port) {
    int listener = bench_listen(port);
    for (;;) {
        int s = bench_accept(listener);
        uint64_t length_ns, total = 0;
        ssize_t n = recv(s, &length_ns, sizeof(length_ns), MSG_WAITALL);
        uint64_t until = bench_now_ns() + length_ns;
        while (n > 0 && bench_now_ns() < until) {
            if (wait_for(s, POLLIN, until) == 0)
                continue;
            n = recv(s, buffer, sizeof(buffer), 0);
            total += n > 0 ? (uint64_t)n : 0;
        }
        if (send(s, &total, sizeof(total), 0) != (ssize_t)sizeof(total))
            perror("serve");
        while (recv(s, buffer, sizeof(buffer), 0) > 0) /* until the sender knows */
            ;
        close(s);
    }
}

/* The smoothed round-trip time, looked at every so often. */
#define RTT_EVERY_NS 20000000u
struct rtt_mean {
    double sum_us;
    unsigned n;
    uint64_t last_ns;
};

static void rtt_sample(struct rtt_mean *m, int s) {
    struct tcp_info info;
    socklen_t len = sizeof(info);
    uint64_t now = bench_now_ns();
    if (now - m->last_ns < RTT_EVERY_NS || getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    m->last_ns = now;
    m->sum_us += info.tcpi_rtt;
    m->n++;
}

static void measure(const char *addr, const char *port, const char *seconds) {
    struct sockaddr_in sin = bench_addr(addr, port);
    int s = bench_connect(&sin);
    uint64_t length_ns = (uint64_t)bench_number(seconds) * 1000000000u, arrived;
    uint64_t until = bench_now_ns() + 4 * length_ns + 10000000000u;
    if (send(s, &length_ns, sizeof(length_ns), 0) != (ssize_t)sizeof(length_ns))
        bench_fail("send");
    struct rtt_mean rtt = {0};
    int ready;
    while ((ready = wait_for(s, POLLIN | POLLOUT, until)) != 0 && !(ready & POLLIN)) {
        rtt_sample(&rtt, s);
        if (send(s, buffer, sizeof(buffer), MSG_DONTWAIT) < 0 && errno != EAGAIN)
            bench_fail("send");
    }
    if (ready == 0 || recv(s, &arrived, sizeof(arrived), MSG_WAITALL) != (ssize_t)sizeof(arrived))
        bench_fail("recv");
    printf("%.3f %.2f\n", (double)arrived * 8000 / (double)length_ns,
           rtt.n > 0 ? rtt.sum_us / rtt.n / 1000 : 0.0);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    if (argc != 4 || bench_number(argv[3]) < 1) {
        fprintf(stderr, "goodput serve PORT | goodput ADDR PORT SECONDS\n");
        return 2;
    }
    measure(argv[1], argv[2], argv[3]);
    return 0;
}

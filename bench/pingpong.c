/* pingpong serve PORT [spin]               sends every 64 bytes back, for ever
 * pingpong ADDR PORT ROUNDS [spin]         prints the round trip's median and 99th percentile in µs
 *
 * Blocking sockets, or with `spin` non-blocking ones asked over and over. */
#include <errno.h>
#include <stdbool.h>

#include "bench/bench.h"

#define MESSAGE_BYTES 64u
#define WARM_UP       1000 /* rounds not counted */

/* All of a message; false at the end of the stream. */
static bool receive(int s, char *message, int flags) {
    size_t got = 0;
    while (got < MESSAGE_BYTES) {
        ssize_t n = recv(s, message + got, MESSAGE_BYTES - got, flags);
        if (n == 0)
            return false;
        if (n > 0)
            got += (size_t)n;
        else if (errno != EAGAIN)
            bench_fail("recv");
    }
    return true;
}

static _Noreturn void serve(const char *port, int flags) {
    int listener = bench_listen(port);
    for (;;) {
        char message[MESSAGE_BYTES];
        int s = bench_accept(listener);
        bench_nodelay(s);
        while (receive(s, message, flags))
            if (send(s, message, sizeof(message), 0) != (ssize_t)sizeof(message))
                bench_fail("send");
        close(s);
    }
}

static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void measure(const char *addr, const char *port, long rounds, int flags) {
    struct sockaddr_in sin = bench_addr(addr, port);
    int s = bench_connect(&sin);
    uint64_t *took_ns = calloc((size_t)rounds, sizeof(*took_ns));
    char message[MESSAGE_BYTES] = {0};
    if (took_ns == NULL)
        bench_fail("calloc");
    bench_nodelay(s);
    for (long i = -WARM_UP; i < rounds; i++) {
        uint64_t began = bench_now_ns();
        if (send(s, message, sizeof(message), 0) != (ssize_t)sizeof(message) ||
            !receive(s, message, flags))
            bench_fail("round");
        if (i >= 0)
            took_ns[i] = bench_now_ns() - began;
    }
    qsort(took_ns, (size_t)rounds, sizeof(*took_ns), by_size);
    printf("%.2f %.2f\n", (double)took_ns[rounds / 2] / 1000,
           (double)took_ns[rounds * 99 / 100] / 1000);
    free(took_ns);
}

int main(int argc, char **argv) {
    int flags = argc > 3 && strcmp(argv[argc - 1], "spin") == 0 ? MSG_DONTWAIT : 0;
    if (argc >= 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], flags);
    if (argc < 4 || bench_number(argv[3]) < 1) {
        fprintf(stderr, "pingpong serve PORT [spin] | pingpong ADDR PORT ROUNDS [spin]\n");
        return 2;
    }
    measure(argv[1], argv[2], bench_number(argv[3]), flags);
    return 0;
}

/* bulk serve PORT               takes in a connection's bytes, answers with their number, for ever
 * bulk ADDR PORT SECONDS        sends for so long, prints Gbit/s of what had arrived at the end
 *
 * The clock stops when the receiver's count has come back: what lies in buffers is not counted as
 * transferred. */
#include "bench/bench.h"

#define CHUNK_BYTES (256u * 1024u)

static char buffer[CHUNK_BYTES];

static _Noreturn void serve(const char *port) {
    int listener = bench_listen(port);
    for (;;) {
        int s = bench_accept(listener);
        uint64_t total = 0;
        ssize_t n;
        while ((n = recv(s, buffer, sizeof(buffer), 0)) > 0)
            total += (uint64_t)n;
        if (n < 0 || send(s, &total, sizeof(total), 0) != (ssize_t)sizeof(total))
            perror("serve");
        close(s);
    }
}

static void measure(const char *addr, const char *port, const char *seconds) {
    struct sockaddr_in sin = bench_addr(addr, port);
    int s = bench_connect(&sin);
    uint64_t began = bench_now_ns(), now = began, sent = 0, arrived;
    uint64_t length_ns = (uint64_t)bench_number(seconds) * 1000000000u;
    for (; now - began < length_ns; now = bench_now_ns()) {
        ssize_t n = send(s, buffer, sizeof(buffer), 0);
        if (n < 0)
            bench_fail("send");
        sent += (uint64_t)n;
    }
    shutdown(s, SHUT_WR);
    if (recv(s, &arrived, sizeof(arrived), MSG_WAITALL) != (ssize_t)sizeof(arrived))
        bench_fail("recv");
    if (arrived != sent) {
        fprintf(stderr, "%llu bytes sent, %llu arrived\n", (unsigned long long)sent,
                (unsigned long long)arrived);
        exit(1);
    }
    printf("%.3f\n", (double)arrived * 8 / (double)(bench_now_ns() - began));
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    if (argc != 4 || bench_number(argv[3]) < 1) {
        fprintf(stderr, "bulk serve PORT | bulk ADDR PORT SECONDS\n");
        return 2;
    }
    measure(argv[1], argv[2], argv[3]);
    return 0;
}

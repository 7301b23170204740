/* connrate serve PORT          accepts, sends a byte and closes, for ever
 * connrate ADDR PORT COUNT     so many connections one after the other; prints connections/s
 *
 * The server closes first, so TIME-WAIT stays with it, and the client's ports are free again. */
#include "bench/bench.h"

static _Noreturn void serve(const char *port) {
    int listener = bench_listen(port);
    for (;;) {
        int s = bench_accept(listener);
        if (send(s, "x", 1, 0) != 1)
            perror("send");
        close(s);
    }
}

static void measure(const char *addr, const char *port, long count) {
    struct sockaddr_in sin = bench_addr(addr, port);
    uint64_t began = bench_now_ns();
    for (long i = 0; i < count; i++) {
        char byte;
        int s = bench_connect(&sin);
        if (recv(s, &byte, 1, 0) != 1 || recv(s, &byte, 1, 0) != 0)
            bench_fail("recv");
        close(s);
    }
    printf("%.0f\n", (double)count * 1e9 / (double)(bench_now_ns() - began));
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    if (argc != 4 || bench_number(argv[3]) < 1) {
        fprintf(stderr, "connrate serve PORT | connrate ADDR PORT COUNT\n");
        return 2;
    }
    measure(argv[1], argv[2], bench_number(argv[3]));
    return 0;
}

/* What the measuring programs share: ordinary sockets, a clock, and giving up. They know of no
 * stack; bench/run.sh runs each on ours and on the kernel's. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline _Noreturn void bench_fail(const char *what) {
    perror(what);
    exit(1);
}

static inline uint64_t bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline long bench_number(const char *text) {
    return strtol(text, NULL, 10);
}

static inline struct sockaddr_in bench_addr(const char *addr, const char *port) {
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)bench_number(port))};
    if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1) {
        fprintf(stderr, "not an IPv4 address: %s\n", addr);
        exit(1);
    }
    return sin;
}

/* A stream socket; with the congestion control that BENCH_CC names, where it is set. */
static inline int bench_socket(void) {
    const char *cc = getenv("BENCH_CC");
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        bench_fail("socket");
    if (cc != NULL && setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, cc, (socklen_t)strlen(cc)) < 0)
        bench_fail("TCP_CONGESTION");
    return s;
}

/* A listening socket on every address. Says "ready" on stdout. */
static inline int bench_listen(const char *port) {
    struct sockaddr_in sin = bench_addr("0.0.0.0", port);
    int one = 1, s = bench_socket();
    if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(s, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(s, 512) < 0)
        bench_fail("listen");
    puts("ready");
    fflush(stdout);
    return s;
}

static inline int bench_connect(const struct sockaddr_in *sin) {
    int s = bench_socket();
    if (connect(s, (const struct sockaddr *)sin, sizeof(*sin)) < 0)
        bench_fail("connect");
    return s;
}

static inline int bench_accept(int listener) {
    int s = accept(listener, NULL, NULL);
    if (s < 0)
        bench_fail("accept");
    return s;
}

static inline void bench_nodelay(int s) {
    int one = 1;
    if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        bench_fail("TCP_NODELAY");
}

#endif

/* For the tests of stack/sock and stack.c: two hosts on a perfect simulated wire, in virtual time,
 * and the calls of a program in one line each. */
#ifndef TESTS_UNIT_SOCK_WORLD_H
#define TESTS_UNIT_SOCK_WORLD_H

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "stack/link/sim.h"
#include "stack/stack.h"

#define MS 1000000ull
#define S  1000000000ull

struct host {
    struct stack *st;
    struct link *link;
    uint32_t proc;
    size_t mem_size;
    void *mem;
};

struct world {
    struct sim_wire *wire;
    struct host h[2];
    uint64_t now_ns;
    int mmap_flags;
};

/* 10.0.0.1 and 10.0.0.2. */
static inline void host_init(struct world *w, int i, const struct stack_config *base) {
    struct stack_config cfg = *base;
    struct host *h = &w->h[i];
    uint8_t seed[16] = {1, 2, 3, (uint8_t)i};
    cfg.net.mac = (struct mac){{2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
    cfg.net.naddrs = 1;
    cfg.net.addr[0].addr = addr_v4(0x0a000001u + (uint32_t)i);
    cfg.net.addr[0].net = (struct prefix){addr_v4(0x0a000000u), ADDR_V4_PLEN + 24};
    h->mem_size = stack_mem_size(&cfg);
    h->mem = mmap(NULL, h->mem_size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | w->mmap_flags, -1, 0);
    cr_assert(h->mem != MAP_FAILED);
    h->st = stack_init(h->mem, h->mem_size, &cfg, seed, w->now_ns);
    cr_assert_not_null(h->st);
    h->link = sim_wire_end(w->wire, i);
    int proc = proc_attach(h->st, 100 + i, 1);
    cr_assert_geq(proc, 0);
    h->proc = (uint32_t)proc;
}

static inline void world_init_with(struct world *w, const struct stack_config *cfg,
                                   const struct impair *impair, int mmap_flags) {
    struct link_caps caps = {.mtu = 1500};
    struct impair im[2] = {*impair, *impair};
    memset(w, 0, sizeof(*w));
    w->now_ns = 1000 * S;
    w->mmap_flags = mmap_flags;
    w->wire = sim_wire_new(im, &caps);
    cr_assert_not_null(w->wire);
    host_init(w, 0, cfg);
    host_init(w, 1, cfg);
}

static inline void world_init(struct world *w) {
    struct stack_config cfg;
    struct impair perfect = {.seed = 1};
    stack_config_default(&cfg, 1);
    world_init_with(w, &cfg, &perfect, MAP_PRIVATE);
}

static inline void world_free(struct world *w) {
    for (int i = 0; i < 2; i++)
        munmap(w->h[i].mem, w->h[i].mem_size);
    sim_wire_free(w->wire);
}

/* Lets both run for that long, in virtual time. */
static inline void world_run(struct world *w, uint64_t ns) {
    uint64_t end = w->now_ns + ns;
    for (int same = 0;;) {
        uint64_t next = TIME_NEVER;
        for (int i = 0; i < 2; i++) {
            uint64_t n = stack_poll(w->h[i].st, w->h[i].link, w->now_ns, NULL);
            next = n < next ? n : next;
        }
        /* What the second has just sent, the first does not know of yet. */
        for (int i = 0; i < 2; i++) {
            uint64_t n = link_next_event(w->h[i].link);
            next = n < next ? n : next;
        }
        if (next > w->now_ns || ++same > 1000) {
            if (next > end)
                break;
            cr_assert_leq(same, 1000, "the stack asks to be called again for ever");
            w->now_ns = next;
            same = 0;
        }
    }
    w->now_ns = end;
    for (int i = 0; i < 2; i++)
        stack_set_time(w->h[i].st, end);
}

static inline void settle(struct world *w) {
    world_run(w, 10 * MS);
}

/* ---- calls ---- */

static inline struct sockaddr_in ip(const char *addr, uint16_t port) {
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    cr_assert_eq(inet_pton(AF_INET, addr, &in.sin_addr), 1);
    return in;
}

static inline struct sock *xopen(struct host *h, int type) {
    struct sock *so = NULL;
    int err = sock_open(h->st, h->proc, AF_INET, type, 0, 0, &so);
    cr_assert_eq(err, 0, "sock_open: %d", err);
    return so;
}

static inline int xbind(struct host *h, struct sock *so, const char *addr, uint16_t port) {
    struct sockaddr_in in = ip(addr, port);
    return sock_bind(h->st, so, (struct sockaddr *)&in, sizeof(in));
}

static inline int xconnect(struct host *h, struct sock *so, const char *addr, uint16_t port) {
    struct sockaddr_in in = ip(addr, port);
    return sock_connect(h->st, so, (struct sockaddr *)&in, sizeof(in));
}

static inline struct sock *xlisten(struct host *h, const char *addr, uint16_t port) {
    struct sock *so = xopen(h, SOCK_STREAM);
    int one = 1;
    cr_assert_eq(sock_setopt(h->st, so, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    int err = xbind(h, so, addr, port);
    cr_assert_eq(err, 0, "bind: %d", err);
    err = sock_listen(h->st, so, 128);
    cr_assert_eq(err, 0, "listen: %d", err);
    return so;
}

static inline int xaccept(struct host *h, struct sock *l, struct sock **out) {
    return sock_accept(h->st, l, h->proc, 0, NULL, NULL, out);
}

static inline ssize_t xsend(struct host *h, struct sock *so, const void *buf, size_t len) {
    struct iovec iov = {(void *)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return sock_send(h->st, so, &msg, 0);
}

static inline ssize_t xrecv(struct host *h, struct sock *so, void *buf, size_t len, int flags) {
    struct iovec iov = {buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    return sock_recv(h->st, so, &msg, flags);
}

static inline ssize_t xsendto(struct host *h, struct sock *so, const void *buf, size_t len,
                              const char *addr, uint16_t port) {
    struct sockaddr_in in = ip(addr, port);
    struct iovec iov = {(void *)buf, len};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &in, .msg_namelen = sizeof(in)};
    return sock_send(h->st, so, &msg, 0);
}

static inline int getint(struct host *h, struct sock *so, int level, int name) {
    int v = -12345;
    socklen_t len = sizeof(v);
    int err = sock_getopt(h->st, so, level, name, &v, &len);
    return err != 0 ? err : v;
}

static inline int setint(struct host *h, struct sock *so, int level, int name, int v) {
    return sock_setopt(h->st, so, level, name, &v, sizeof(v));
}

static inline uint16_t local_port(struct host *h, struct sock *so) {
    struct sockaddr_in in = {0};
    socklen_t len = sizeof(in);
    cr_assert_eq(sock_getname(h->st, so, false, (struct sockaddr *)&in, &len), 0);
    return ntohs(in.sin_port);
}

/* A connection: client[0] on host c, server on host s, through a listener that is closed again. */
struct pair {
    struct sock *c, *s;
};
static inline struct pair connect_pair(struct world *w, int c, int s, uint16_t port) {
    const char *name = c == s ? "127.0.0.1" : s == 0 ? "10.0.0.1" : "10.0.0.2";
    struct sock *l = xlisten(&w->h[s], "0.0.0.0", port);
    struct pair p = {.c = xopen(&w->h[c], SOCK_STREAM)};
    int err = xconnect(&w->h[c], p.c, name, port);
    cr_assert_eq(err, -EINPROGRESS, "connect: %d", err);
    /* Segments may be lost: each is sent again, within a minute. */
    for (int i = 0; i < 6000 && err != 0; i++) {
        settle(w);
        err = xconnect(&w->h[c], p.c, name, port);
        cr_assert(err == 0 || err == -EALREADY, "connect: %d", err);
    }
    for (err = -EAGAIN; err == -EAGAIN;) {
        err = xaccept(&w->h[s], l, &p.s);
        settle(w);
    }
    cr_assert_eq(err, 0, "accept: %d", err);
    sock_put(w->h[s].st, l, w->h[s].proc);
    return p;
}

#endif

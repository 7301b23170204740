/* stack/sock/open.c and addr.c: making socks, finding them by inode, addresses. */
#include "tests/unit/sock_world.h"

static struct world w;

static int try_open(int family, int type, int protocol) {
    struct sock *so;
    return sock_open(w.h[0].st, w.h[0].proc, family, type, protocol, 0, &so);
}

Test(sock_open, errnos_of_socket) {
    world_init(&w);
    cr_assert_eq(try_open(AF_INET, SOCK_STREAM, IPPROTO_TCP), 0);
    cr_assert_eq(try_open(AF_INET, SOCK_DGRAM, IPPROTO_UDP), 0);
    cr_assert_eq(try_open(AF_INET6, SOCK_STREAM, 0), -EAFNOSUPPORT);
    cr_assert_eq(try_open(AF_INET, SOCK_STREAM, IPPROTO_UDP), -EPROTONOSUPPORT);
    cr_assert_eq(try_open(AF_INET, SOCK_DGRAM, IPPROTO_TCP), -EPROTONOSUPPORT);
    cr_assert_eq(try_open(AF_INET, SOCK_SEQPACKET, 0), -ESOCKTNOSUPPORT);
    cr_assert_eq(try_open(AF_INET, SOCK_STREAM, 100000), -EINVAL);
    cr_assert_eq(try_open(AF_INET, SOCK_STREAM, -1), -EINVAL);
    cr_assert_eq(sock_count(w.h[0].st), 2);
    world_free(&w);
}

Test(sock_open, none_left) {
    world_init(&w);
    int err, n = 0;
    while ((err = try_open(AF_INET, SOCK_STREAM, 0)) == 0)
        n++;
    cr_assert_eq(err, -ENFILE);
    cr_assert_eq(n, 256);
    world_free(&w);
}

Test(sock_open, by_inode) {
    world_init(&w);
    struct stack *st = w.h[0].st;
    struct sock *so[100];
    for (uint64_t i = 0; i < 100; i++)
        cr_assert_eq(sock_open(st, w.h[0].proc, AF_INET, SOCK_STREAM, 0, 1000 + i, &so[i]), 0);
    for (uint64_t i = 0; i < 100; i++)
        cr_assert_eq(sock_find_ino(st, 1000 + i), so[i]);
    cr_assert_null(sock_find_ino(st, 999));
    sock_set_ino(st, so[5], 77);
    cr_assert_null(sock_find_ino(st, 1005));
    cr_assert_eq(sock_find_ino(st, 77), so[5]);
    sock_put(st, so[5], w.h[0].proc);
    cr_assert_null(sock_find_ino(st, 77));
    world_free(&w);
}

Test(sock_open, names_are_cut_but_their_length_is_told) {
    world_init(&w);
    struct sock *so = xopen(&w.h[0], SOCK_STREAM);
    cr_assert_eq(xbind(&w.h[0], so, "10.0.0.1", 5000), 0);
    uint8_t buf[32];
    memset(buf, 0xee, sizeof(buf));
    socklen_t len = 4;
    cr_assert_eq(sock_getname(w.h[0].st, so, false, (struct sockaddr *)buf, &len), 0);
    cr_assert_eq(len, sizeof(struct sockaddr_in));
    cr_assert_eq(buf[4], 0xee, "nothing is written past the caller's length");
    len = 0x80000000u;
    cr_assert_eq(sock_getname(w.h[0].st, so, false, (struct sockaddr *)buf, &len), -EINVAL);
    world_free(&w);
}

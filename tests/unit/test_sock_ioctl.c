/* stack/sock/ioctl.c. */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tests/unit/sock_world.h"

static struct world w;

static int ask(struct host *h, struct sock *so, unsigned long req) {
    int v = -1;
    int err = sock_ioctl(h->st, so, req, &v);
    return err != 0 ? err : v;
}

Test(sock_ioctl, stream) {
    world_init(&w);
    struct pair p = connect_pair(&w, 0, 1, 5000);
    cr_assert_eq(xsend(&w.h[0], p.c, "hello", 5), 5);
    cr_assert_eq(ask(&w.h[0], p.c, TIOCOUTQ), 5);
    settle(&w);
    cr_assert_eq(ask(&w.h[1], p.s, FIONREAD), 5);
    world_run(&w, S);
    cr_assert_eq(ask(&w.h[0], p.c, TIOCOUTQ), 0, "acknowledged");
    cr_assert_eq(ask(&w.h[0], p.c, SIOCOUTQNSD), 0);
    cr_assert_eq(ask(&w.h[0], p.c, SIOCATMARK), 0);
    cr_assert_eq(ask(&w.h[0], p.c, SIOCGIFCONF), -ENOTTY);
    struct sock *l = xlisten(&w.h[0], "0.0.0.0", 5001);
    cr_assert_eq(ask(&w.h[0], l, FIONREAD), -EINVAL);
    world_free(&w);
}

Test(sock_ioctl, dgram_tells_the_size_of_the_next) {
    world_init(&w);
    struct sock *c = xopen(&w.h[0], SOCK_DGRAM), *s = xopen(&w.h[1], SOCK_DGRAM);
    static char big[3000];
    xbind(&w.h[1], s, "0.0.0.0", 53);
    cr_assert_eq(ask(&w.h[1], s, FIONREAD), 0);
    xsendto(&w.h[0], c, big, 3000, "10.0.0.2", 53);
    xsendto(&w.h[0], c, "abc", 3, "10.0.0.2", 53);
    settle(&w);
    cr_assert_eq(ask(&w.h[1], s, FIONREAD), 3000);
    cr_assert_eq(xrecv(&w.h[1], s, big, 3000, 0), 3000);
    cr_assert_eq(ask(&w.h[1], s, FIONREAD), 3);
    cr_assert_eq(ask(&w.h[1], s, TIOCOUTQ), 0);
    cr_assert_eq(ask(&w.h[1], s, SIOCATMARK), -ENOTTY);
    world_free(&w);
}

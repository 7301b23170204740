/* stack/sock/describe.c. */
#include "tests/unit/sock_world.h"

static struct world w;

Test(sock_describe, lines) {
    world_init(&w);
    struct host *a = &w.h[0];
    struct sock *l = xlisten(a, "0.0.0.0", 5000);
    struct pair p = connect_pair(&w, 0, 1, 5001);
    struct sock *u = xopen(a, SOCK_DGRAM);
    xbind(a, u, "10.0.0.1", 53);
    sock_set_ino(a->st, u, 4242);
    static char buf[4096];
    int n = sock_describe(a->st, buf, sizeof(buf));
    cr_assert_eq((size_t)n, strlen(buf));
    cr_assert(strstr(buf, "LISTEN") && strstr(buf, "0.0.0.0:5000"), "%s", buf);
    cr_assert(strstr(buf, "ESTAB") && strstr(buf, "10.0.0.2:5001"), "%s", buf);
    cr_assert(strstr(buf, "10.0.0.1:53") && strstr(buf, "ino:4242"), "%s", buf);
    cr_assert(strstr(buf, "users:(pid=100)"), "%s", buf);
    /* Cut, it still says how long it would be. */
    char small[10];
    cr_assert_eq(sock_describe(a->st, small, sizeof(small)), n);
    cr_assert_eq(strlen(small), 9);
    cr_assert_eq(sock_describe(a->st, NULL, 0), n);
    /* An orphan is listed, with nobody holding it. */
    sock_put(a->st, p.c, a->proc);
    sock_describe(a->st, buf, sizeof(buf));
    cr_assert(strstr(buf, "FIN-WAIT"), "%s", buf);
    (void)l;
    world_free(&w);
}

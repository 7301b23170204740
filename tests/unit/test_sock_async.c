/* stack/sock/async.c: signals that are due to a socket's owner. */
#include <fcntl.h>
#include <signal.h>

#include "tests/unit/sock_world.h"

static struct world w;
static void setup(void) {
    world_init(&w);
}
static void teardown(void) {
    world_free(&w);
}
TestSuite(sock_async, .init = setup, .fini = teardown);

#define A (&w.h[0])
#define B (&w.h[1])

static void send_byte(struct sock *so, int flags) {
    struct iovec iov = {"x", 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    cr_assert_eq(sock_send(A->st, so, &msg, flags), 1);
    settle(&w);
}

Test(sock_async, sigurg_for_the_owner) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sock_owner to;
    int sig;
    send_byte(p.c, MSG_OOB);
    cr_assert_not(sock_next_signal(B->st, &to, &sig), "nobody owns it");
    sock_owner(p.s)->kind = F_OWNER_PID;
    sock_owner(p.s)->id = 77;
    send_byte(p.c, MSG_OOB);
    cr_assert_not(sock_next_signal(B->st, &to, &sig), "whoever set it may not signal him");
    sock_owner(p.s)->may = true;
    send_byte(p.c, MSG_OOB);
    cr_assert(sock_next_signal(B->st, &to, &sig));
    cr_assert(to.id == 77 && to.kind == F_OWNER_PID && sig == SIGURG);
    cr_assert_not(sock_next_signal(B->st, &to, &sig), "once");
}

Test(sock_async, sigio_with_o_async) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sock_owner to;
    int sig;
    *sock_owner(p.s) = (struct sock_owner){.kind = F_OWNER_PID, .id = 77, .may = true};
    send_byte(p.c, 0);
    cr_assert_not(sock_next_signal(B->st, &to, &sig));
    sock_owner(p.s)->async = true;
    send_byte(p.c, 0);
    cr_assert(sock_next_signal(B->st, &to, &sig) && sig == SIGIO);
    sock_owner(p.s)->sig = SIGUSR1;
    send_byte(p.c, 0);
    cr_assert(sock_next_signal(B->st, &to, &sig) && sig == SIGUSR1);
}

Test(sock_async, a_closed_socket_has_no_signals_due) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sock_owner to;
    int sig;
    *sock_owner(p.s) = (struct sock_owner){.kind = F_OWNER_PID, .id = 77, .may = true};
    send_byte(p.c, MSG_OOB);
    sock_put(B->st, p.s, B->proc);
    cr_assert_not(sock_next_signal(B->st, &to, &sig));
}

Test(sock_async, signals_that_are_due_survive_a_repair) {
    struct pair p = connect_pair(&w, 0, 1, 5000);
    struct sock_owner to;
    int sig;
    *sock_owner(p.s) = (struct sock_owner){.kind = F_OWNER_PID, .id = 77, .may = true};
    send_byte(p.c, MSG_OOB);
    stack_repair(B->st, w.now_ns);
    cr_assert(sock_next_signal(B->st, &to, &sig) && sig == SIGURG);
}

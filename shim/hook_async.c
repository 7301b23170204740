/* Signal-driven I/O on sockets of ours: who is the owner (fcntl and ioctl), and sending the signals
 * that the stack says are due. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "shim/hook.h"

int sockatmark(int fd);

void host_send_signals(struct host *h) {
    struct sock_owner to;
    int sig;
    while (sock_next_signal(h->st, &to, &sig)) {
        if (to.kind == F_OWNER_TID)
            REAL(syscall)(SYS_tkill, to.id, sig);
        else
            (void)kill(to.kind == F_OWNER_PGRP ? -to.id : to.id, sig);
    }
}

/* F_SETOWN's number: a process, or a group as its negative. 0, -EINVAL, -ESRCH (fcntl(2)). To whom
 * the caller may send no signal, none is sent (as in Linux, which asks when it sends). */
static int set_owner(struct sock *so, int who) {
    struct sock_owner *o = sock_owner(so);
    if (who == INT32_MIN)
        return -EINVAL;
    bool may = kill(who, 0) == 0;
    if (who != 0 && !may && errno == ESRCH)
        return -ESRCH;
    o->may = may;
    o->kind = who < 0 ? F_OWNER_PGRP : F_OWNER_PID;
    o->id = who < 0 ? -who : who;
    return 0;
}

static int get_owner(struct sock *so) {
    const struct sock_owner *o = sock_owner(so);
    return o->kind == F_OWNER_PGRP ? -o->id : o->kind == F_OWNER_PID ? o->id : 0;
}

static int set_owner_ex(struct sock *so, const struct f_owner_ex *ex) {
    struct sock_owner *o = sock_owner(so);
    if (ex->type != F_OWNER_TID && ex->type != F_OWNER_PID && ex->type != F_OWNER_PGRP)
        return -EINVAL;
    bool may = kill(ex->type == F_OWNER_PGRP ? -ex->pid : ex->pid, 0) == 0;
    if (ex->pid != 0 && !may && errno == ESRCH)
        return -ESRCH;
    o->may = may;
    o->kind = ex->type;
    o->id = ex->pid;
    return 0;
}

int async_fcntl(int fd, struct sock *so, int cmd, void *arg) {
    struct host *h = hook_enter(fd, so);
    int r = 0;
    if (h == NULL)
        return -errno;
    switch (cmd) {
    case F_SETOWN:
        r = set_owner(so, (int)(intptr_t)arg);
        break;
    case F_GETOWN: /* the C library's own fcntl knows a group from an error by it */
        r = get_owner(so);
        break;
    case F_SETOWN_EX:
        r = set_owner_ex(so, arg);
        break;
    case F_GETOWN_EX:
        *(struct f_owner_ex *)arg =
            (struct f_owner_ex){.type = sock_owner(so)->kind, .pid = sock_owner(so)->id};
        break;
    case F_SETSIG:
        if ((intptr_t)arg < 0 || (intptr_t)arg >= NSIG)
            r = -EINVAL;
        else
            sock_owner(so)->sig = (int)(intptr_t)arg;
        break;
    default: /* F_GETSIG */
        r = sock_owner(so)->sig;
        break;
    }
    host_leave(h);
    return r;
}

int async_ioctl(int fd, struct sock *so, unsigned long req, void *arg) {
    struct host *h = hook_enter(fd, so);
    int r = 0;
    if (h == NULL)
        return -errno;
    switch (req) {
    case FIOASYNC:
        sock_owner(so)->async = *(int *)arg != 0;
        break;
    case FIOSETOWN:
    case SIOCSPGRP:
        r = set_owner(so, *(int *)arg);
        break;
    case FIOGETOWN:
    case SIOCGPGRP:
        *(int *)arg = get_owner(so);
        break;
    default:
        r = -ENOTTY;
        break;
    }
    host_leave(h);
    return r;
}

/* The C library's own makes its ioctl past our hook. */
HOOK int sockatmark(int fd) {
    int at = 0;
    return ioctl(fd, SIOCATMARK, &at) < 0 ? -1 : at;
}

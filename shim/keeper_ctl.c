#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shim/attach.h"
#include "shim/bell.h"
#include "shim/keeper.h"
#include "shim/real.h"
#include "shim/segment.h"

#define BACKLOG 1024

int keeper_ctl_open(const char *ifname) {
    struct sockaddr_un sa;
    socklen_t len = bell_control_name(ifname, &sa);
    int fd = REAL(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (REAL(bind)(fd, (struct sockaddr *)&sa, len) == 0 && REAL(listen)(fd, BACKLOG) == 0)
        return fd;
    int e = errno;
    REAL(close)(fd);
    return -e;
}

void keeper_ctl_accept(struct keeper *k) {
    int conn;
    while ((conn = REAL(accept4)(k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        if (!keeper_watch(k, conn, EPOLLIN | EPOLLRDHUP, TAG_CONN, (uint32_t)conn))
            REAL(close)(conn);
}

static void refuse(struct control_reply *r, int error, const char *text) {
    r->error = error;
    snprintf(r->text, sizeof(r->text), "%s", text);
}

/* Is the sender somebody who can share our segment? */
static bool check(struct keeper *k, int conn, const struct control_request *q,
                  struct control_reply *r) {
    struct ucred cred = {.pid = -1};
    socklen_t len = sizeof(cred);
    struct shared *sh = k->host.sh;
    if (memcmp(q->build_id, sh->build_id, sizeof(sh->build_id)) != 0) {
        r->error = EPROTO;
        snprintf(r->text, sizeof(r->text),
                 "the stack on %s was started by another build of libshim.so: end its programs, "
                 "then stop it: kill %d",
                 sh->cfg.ifname, getpid());
        return false;
    }
    (void)REAL(getsockopt)(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len);
    if (q->op == CONTROL_ATTACH && cred.pid != q->pid) {
        refuse(r, EPERM, "the stack's keeper lives in another pid namespace: start it in this one");
        return false;
    }
    return true;
}

static void attach(struct keeper *k, const struct control_request *q, struct control_reply *r) {
    struct stack *st = k->host.st;
    keeper_procs_reap(k); /* what its predecessor on the same terminal held is free now */
    host_enter(&k->host);
    r->old_proc = proc_find(st, q->pid, q->starttime);
    int proc = proc_attach(st, q->pid, q->starttime);
    host_leave(&k->host);
    if (proc < 0) {
        refuse(r, EAGAIN, "too many processes on this host");
        return;
    }
    r->proc = (uint32_t)proc;
    k->idle_ns = 0;
    keeper_log(k, "process %d attaches", q->pid);
    keeper_procs_sync(k);
}

static void answer(struct keeper *k, int conn, struct control_reply *r, bool with_fds) {
    int fds[2] = {k->host.memfd, k->host.packet_fd};
    struct iovec iov = {r, sizeof(*r)};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(fds))];
    } c;
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (with_fds) {
        memset(&c, 0, sizeof(c));
        m.msg_control = &c;
        m.msg_controllen = sizeof(c);
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(fds));
        memcpy(CMSG_DATA(h), fds, sizeof(fds));
    }
    (void)REAL(sendmsg)(conn, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void keeper_ctl_request(struct keeper *k, int conn) {
    struct control_request q;
    ssize_t n = REAL(recv)(conn, &q, sizeof(q), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n != (ssize_t)sizeof(q) || q.magic != CONTROL_MAGIC) {
        REAL(close)(conn); /* the end, or a stranger */
        return;
    }
    struct control_reply r = {.magic = CONTROL_MAGIC,
                              .id = k->host.sh->id,
                              .proc = PROC_NONE,
                              .old_proc = PROC_NONE,
                              .keeper_pid = getpid()};
    memcpy(r.build_id, k->host.sh->build_id, sizeof(r.build_id));
    memcpy(r.ifname, k->host.sh->cfg.ifname, sizeof(r.ifname));
    bool fds = false;
    switch (q.op) {
    case CONTROL_ATTACH:
    case CONTROL_OBSERVE:
        if (check(k, conn, &q, &r) && q.op == CONTROL_ATTACH)
            attach(k, &q, &r);
        fds = r.error == 0;
        break;
    case CONTROL_REJOIN:
        break;
    case CONTROL_SETTLE:
        keeper_procs_reap(k);
        break;
    case CONTROL_STOP:
        keeper_ask_to_leave(k);
        break;
    default:
        refuse(&r, EINVAL, "no such request");
        break;
    }
    answer(k, conn, &r, fds);
}

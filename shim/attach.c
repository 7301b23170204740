#include "shim/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim/bell.h"
#include "shim/fdtab.h"
#include "shim/launch.h"
#include "shim/lock.h"
#include "shim/real.h"
#include "shim/segment.h"

#define ATTACH_TRIES     40
#define ATTACH_TIMEOUT_S 10
#define ORPHAN_PATIENCE  150 /* times ORPHAN_STEP_NS: for another process to start the successor */
#define ORPHAN_STEP_NS   10000000ull
#define NAME_PREFIX      "@shimstack/"

uint64_t process_starttime(int32_t pid) {
    char path[32], text[512];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = REAL(read)(fd, text, sizeof(text) - 1);
    REAL(close)(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* field 2 may hold blanks; field 22 is wanted */
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    return p != NULL ? strtoull(p + 1, NULL, 10) : 0;
}

/* ---- finding ---- */

struct names {
    char keeper[2][16]; /* the first two different ones */
    int nkeepers;
    char other[16]; /* a host without a keeper, perhaps */
};

/* One line of /proc/net/unix: "… @shimstack/veth0" is a keeper, "…/veth0/pid/7" a process. */
static void note_name(struct names *n, const char *line) {
    const char *at = strstr(line, NAME_PREFIX);
    if (at == NULL)
        return;
    at += strlen(NAME_PREFIX);
    size_t len = strcspn(at, "/@ \n"); /* a trailing NUL of a name is shown as '@' */
    if (len == 0 || len >= sizeof(n->other))
        return;
    char name[16] = "";
    memcpy(name, at, len);
    if (at[len] == '/') {
        memcpy(n->other, name, sizeof(name));
        return;
    }
    for (int i = 0; i < n->nkeepers && i < 2; i++)
        if (strcmp(n->keeper[i], name) == 0)
            return;
    if (n->nkeepers < 2)
        memcpy(n->keeper[n->nkeepers], name, sizeof(name));
    n->nkeepers++;
}

static void scan_names(struct names *n) {
    memset(n, 0, sizeof(*n));
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, "/proc/net/unix", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    char buf[4096];
    size_t have = 0;
    ssize_t got;
    while ((got = REAL(read)(fd, buf + have, sizeof(buf) - 1 - have)) > 0) {
        have += (size_t)got;
        buf[have] = '\0';
        char *line = buf, *nl;
        for (; (nl = strchr(line, '\n')) != NULL; line = nl + 1) {
            *nl = '\0';
            note_name(n, line);
        }
        have = strlen(line);
        if (have >= sizeof(buf) - 1)
            have = 0; /* no line is that long but one full of NULs in a name: not ours */
        memmove(buf, line, have);
    }
    REAL(close)(fd);
}

bool attach_find(char ifname[16], bool *alive, char *err, size_t errlen) {
    struct names n;
    const char *env = getenv("SHIMSTACK_IF");
    ifname[0] = err[0] = '\0';
    *alive = false;
    if (env != NULL && env[0] != '\0' && strlen(env) < 16 && strchr(env, '/') == NULL) {
        memcpy(ifname, env, strlen(env) + 1);
        return true;
    }
    scan_names(&n);
    *alive = n.nkeepers > 0 || n.other[0] != '\0';
    if (n.nkeepers > 1) {
        snprintf(err, errlen, "which stack? There are some on %s, %s%s: name one, SHIMSTACK_IF=%s",
                 n.keeper[0], n.keeper[1], n.nkeepers > 2 ? " …" : "", n.keeper[0]);
        return false;
    }
    memcpy(ifname, n.nkeepers == 1 ? n.keeper[0] : n.other, 16);
    return ifname[0] != '\0';
}

/* ---- talking ---- */

int attach_connect(const char *ifname) {
    struct sockaddr_un sa;
    socklen_t len = bell_control_name(ifname, &sa);
    int fd = REAL(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval tv = {.tv_sec = ATTACH_TIMEOUT_S};
    REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    REAL(setsockopt)(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    if (REAL(connect)(fd, (struct sockaddr *)&sa, len) == 0)
        return fd;
    int e = errno;
    REAL(close)(fd);
    return -e;
}

static void take_fds(struct msghdr *m, int fds[2]) {
    int got[2] = {-1, -1};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(got, CMSG_DATA(c),
                   c->cmsg_len >= CMSG_LEN(sizeof(got)) ? sizeof(got) : sizeof(got[0]));
    for (int i = 0; i < 2; i++) {
        if (fds != NULL)
            fds[i] = got[i];
        else if (got[i] >= 0)
            REAL(close)(got[i]);
    }
}

int attach_request(int ctl, enum control_op op, struct control_reply *reply, int fds[2]) {
    struct control_request req = {.magic = CONTROL_MAGIC, .op = op, .pid = getpid()};
    segment_build_id(req.build_id);
    req.starttime = process_starttime(req.pid);
    if (REAL(send)(ctl, &req, sizeof(req), MSG_NOSIGNAL) < 0)
        return errno == EPIPE ? -ECONNRESET : -errno;
    struct iovec iov = {reply, sizeof(*reply)};
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } c;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    ssize_t n;
    do
        n = REAL(recvmsg)(ctl, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    if (n == 0)
        return -ECONNRESET;
    take_fds(&m, fds);
    return n == (ssize_t)sizeof(*reply) && reply->magic == CONTROL_MAGIC ? 0 : -EPROTO;
}

/* ---- joining ---- */

static void drop_all(struct host *h) {
    host_drop_fd(h->packet_fd);
    host_drop_fd(h->memfd);
    host_drop_fd(h->ctl_fd);
    host_drop_fd(h->bell_fd);
    h->packet_fd = h->memfd = h->ctl_fd = h->bell_fd = -1;
}

static int no_room(struct host *h, char *err, size_t errlen) {
    drop_all(h);
    snprintf(err, errlen,
             "no room for the shim's own descriptors: raise RLIMIT_NOFILE (ulimit -n)");
    return -EMFILE;
}

/* Takes over what the keeper has sent. */
static int settle_in(struct host *h, int ctl, int fds[2], const struct control_reply *r, char *err,
                     size_t errlen) {
    h->memfd = host_adopt_fd(fds[0]);
    h->packet_fd = host_adopt_fd(fds[1]);
    h->ctl_fd = host_adopt_fd(ctl);
    h->pid = getpid();
    int ringer = bell_open_ringer(r->ifname, h->pid);
    h->bell_fd = ringer >= 0 ? host_adopt_fd(ringer) : ringer;
    if (h->memfd < 0 || h->packet_fd < 0 || h->ctl_fd < 0 || h->bell_fd < 0)
        return no_room(h, err, errlen);
    int e = segment_map(h->memfd, err, errlen);
    if (e == 0) {
        h->sh = SEGMENT_ADDR;
        h->st = h->sh->st;
        e = segment_open_link(h, err, errlen);
        if (e < 0)
            segment_unmap();
    }
    if (e < 0) {
        drop_all(h);
        return e;
    }
    h->proc = r->proc;
    h->generation = 1;
    return 0;
}

/* One attempt at a keeper that runs. -ECONNRESET: it is leaving, try again. */
static int join(struct host *h, const char *ifname, uint32_t *old_proc, char *err, size_t errlen) {
    int ctl = attach_connect(ifname);
    if (ctl < 0)
        return ctl;
    struct control_reply r = {0};
    int fds[2] = {-1, -1};
    int e = attach_request(ctl, CONTROL_ATTACH, &r, fds);
    if (e == 0 && r.error != 0) {
        snprintf(err, errlen, "%.*s", (int)sizeof(r.text), r.text);
        e = -r.error;
    } else if (e == 0 && (fds[0] < 0 || fds[1] < 0)) {
        snprintf(err, errlen, "the keeper's descriptors did not arrive: is RLIMIT_NOFILE reached?");
        e = -EMFILE;
    } else if (e == 0) {
        *old_proc = r.old_proc;
        return settle_in(h, ctl, fds, &r, err, errlen);
    } else if (e != -ECONNRESET) {
        snprintf(err, errlen, "the keeper of the stack on %s does not answer: %s", ifname,
                 strerror(-e));
    }
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            REAL(close)(fds[i]);
    REAL(close)(ctl);
    return e;
}

static bool keeper_is_absent(int e) {
    return e == -ECONNREFUSED || e == -ECONNRESET || e == -ENOENT;
}

static void warn_of_settings(const struct host *h) {
    char names[200];
    if (config_differs(&h->sh->cfg, names, sizeof(names)))
        host_say_once("the stack on %s was started with other settings than %s of this program "
                      "says: those hold until it has ended",
                      h->sh->cfg.ifname, names);
}

/* Of the namespace's own settings. */
static void warn_of_what_is_left(const struct host *h) {
    const struct config *cfg = &h->sh->cfg;
    if (cfg->routes_left > 0)
        host_say_once(
            "%d routes of this namespace have no room in the stack on %s, which takes %d: "
            "those that matter can be named with --route",
            cfg->routes_left, cfg->ifname, NET_CONF_ROUTES);
    if (h->sh->sysctl_left[0] != '\0')
        host_say_once("%s of this namespace says something that the stack on %s cannot do: its "
                      "default stays; --sysctl can set another",
                      h->sh->sysctl_left, cfg->ifname);
}

int attach_host(struct host *h, bool start, char *err, size_t errlen) {
    char ifname[16];
    bool alive;
    uint32_t old_proc = PROC_NONE;
    int e = -ENOENT, orphan = 0;
    for (int i = 0; i < ATTACH_TRIES; i++) {
        bool known = attach_find(ifname, &alive, err, errlen);
        if (!known && err[0] != '\0')
            return -ENODEV;
        e = known ? join(h, ifname, &old_proc, err, errlen) : -ENOENT;
        if (!keeper_is_absent(e))
            break;
        struct names n;
        scan_names(&n);
        if (n.other[0] != '\0' && (!known || strcmp(n.other, ifname) == 0) &&
            orphan < ORPHAN_PATIENCE) {
            /* A host without a keeper: it was killed, and one of the processes is about to start
             * its successor. A second stack with the same address would be a disaster. */
            struct timespec step = {.tv_nsec = ORPHAN_STEP_NS};
            nanosleep(&step, NULL);
            orphan++;
            i--;
            continue;
        }
        err[0] = '\0';
        if (!start)
            return -ENOENT;
        e = launch_keeper(-1, -1, ifname, err, errlen);
        if (e == 0)
            e = join(h, ifname, &old_proc, err, errlen);
        if (!keeper_is_absent(e))
            break;
    }
    if (e < 0) {
        if (err[0] == '\0')
            snprintf(err, errlen, "no keeper to be had: %s", strerror(-e));
        return e;
    }
    warn_of_settings(h);
    warn_of_what_is_left(h);
    fdtab_reconcile(h);
    if (old_proc != PROC_NONE) {
        host_enter(h);
        proc_detach(h->st, old_proc);
        host_leave(h);
    }
    return 0;
}

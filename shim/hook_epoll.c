/* epoll over sockets of ours and descriptors of the kernel.
 *
 * Theory of operation. An epoll descriptor is a real one: the kernel's files are registered there.
 * Registrations of our sockets are watches in a watch set of the stack, one set per epoll instance
 * of this process, made when the first socket of ours is added. epoll_wait gathers from both.
 *
 * struct epoll is process-private. Its registrations are a table indexed by the descriptor number
 * (reserved at full size, untouched pages cost nothing); a watch's `data` is that number, the
 * program's own data lie in the table. The table is read and written under the host's lock only.
 *
 * Invariants: reg.so != NULL is a registration; reg.w is its watch, or NULL in a fork child that
 * has not used the instance yet (the parent's watches are the parent's: wait_ready makes new ones).
 * A registration dies with the last descriptor that this process has of the sock, as in Linux; one
 * whose own number was closed while a duplicate lives is an orphan and counted.
 *
 * Not done: an epoll instance inside another one reports only the kernel's files; a change made by
 * a fork child to an inherited instance does not reach the parent's. */
#include <string.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/hook.h"

#define COLLECT_MAX 128 /* events of ours a lock hold */
#define KICK_DATA   0x5348494d4b49434bull

struct epoll_reg {
    struct sock *so;
    struct watch *w;
    uint64_t data;
    uint32_t events;
};

struct epoll {
    struct epoll *next;    /* of this process; under the lock */
    _Atomic uint32_t refs; /* descriptors, and threads in epoll_wait */
    struct watchset *ws;   /* NULL: none yet */
    struct epoll_reg *regs;
    _Atomic uint32_t n_regs;
    uint32_t n_orphans;
    int high; /* one past the highest number registered */
    bool kernel_first;
    bool has_kernel; /* something of the kernel's was added */
    /* Threads that wait in the kernel alone, because nothing of ours was registered. When that
     * changes, an eventfd (kick_fd >= 0) in the kernel's set gets them out. */
    uint32_t kernel_waiters;
    int kick_fd;
};

static struct epoll *instances; /* under the lock, once any of them has a socket of ours */
static _Atomic bool any_instance;
static pthread_mutex_t make_lock = PTHREAD_MUTEX_INITIALIZER; /* of `instances` beside the host's */

/* ---- life ---- */

static struct epoll *epoll_new(void) {
    struct epoll *ep = calloc(1, sizeof(*ep));
    if (ep == NULL)
        return NULL;
    ep->refs = 1;
    ep->kick_fd = -1;
    return ep;
}

struct epoll *epoll_get(struct epoll *ep) {
    atomic_fetch_add(&ep->refs, 1);
    return ep;
}

void epoll_put(struct epoll *ep) {
    if (atomic_fetch_sub(&ep->refs, 1) != 1)
        return;
    if (ep->regs != NULL) {
        struct host *h = host_get();
        if (h != NULL) {
            host_enter(h);
            struct epoll **p = &instances;
            while (*p != ep)
                p = &(*p)->next;
            *p = ep->next;
            if (ep->ws != NULL)
                watchset_free(h->st, ep->ws);
            host_leave(h);
        }
        munmap(ep->regs, fdtab_size * sizeof(*ep->regs));
    }
    free(ep);
}

/* Under the lock: ready for registrations of ours. 0 or -ENOMEM. */
static int epoll_prepare(struct host *h, struct epoll *ep) {
    if (ep->regs == NULL) {
        void *mem = mmap(NULL, fdtab_size * sizeof(*ep->regs), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mem == MAP_FAILED)
            return -ENOMEM;
        ep->regs = mem;
        ep->next = instances;
        instances = ep;
        any_instance = true;
    }
    if (ep->ws == NULL) {
        ep->ws = watchset_new(h->st, h->proc);
        if (ep->ws == NULL)
            return -ENOMEM;
    }
    return 0;
}

/* Under the lock: the watches that a fork child lacks. */
static int epoll_restore(struct host *h, struct epoll *ep) {
    if (ep->ws != NULL)
        return 0;
    if (epoll_prepare(h, ep) < 0)
        return -ENOMEM;
    for (int fd = 0; fd < ep->high; fd++) {
        struct epoll_reg *reg = &ep->regs[fd];
        if (reg->so == NULL || reg->w != NULL)
            continue;
        reg->w = watch_add(h->st, ep->ws, reg->so, reg->events, (uint64_t)fd);
        if (reg->w == NULL)
            return -ENOMEM;
    }
    return 0;
}

void epoll_fork_child(void) {
    make_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER; /* its owner is not in this process */
    for (struct epoll *ep = instances; ep != NULL; ep = ep->next) {
        ep->ws = NULL;
        ep->kernel_waiters = 0;
        ep->kick_fd = -1;
        for (int fd = 0; fd < ep->high; fd++)
            ep->regs[fd].w = NULL;
    }
}

void epoll_host_lost(void) {
    for (struct epoll *ep = instances; ep != NULL; ep = ep->next) {
        ep->ws = NULL;
        memset(ep->regs, 0, (size_t)ep->high * sizeof(*ep->regs));
        ep->n_regs = ep->n_orphans = 0;
        ep->high = 0;
    }
}

/* ---- registrations, under the lock ---- */

static void reg_remove(struct host *h, struct epoll *ep, int fd) {
    struct epoll_reg *reg = &ep->regs[fd];
    if (reg->w != NULL)
        watch_del(h->st, reg->w);
    if (!fd_is_still(fd, reg->so) && ep->n_orphans > 0)
        ep->n_orphans--;
    *reg = (struct epoll_reg){0};
    ep->n_regs--;
}

void epoll_forget(struct host *h, int fd, struct sock *so, bool last) {
    if (!any_instance)
        return;
    for (struct epoll *ep = instances; ep != NULL; ep = ep->next) {
        if (ep->n_regs == 0)
            continue;
        if (fd < ep->high && ep->regs[fd].so == so) {
            ep->n_orphans++;
            if (last)
                reg_remove(h, ep, fd);
        }
        for (int i = 0; last && ep->n_orphans > 0 && i < ep->high; i++)
            if (ep->regs[i].so == so)
                reg_remove(h, ep, i);
    }
}

static int reg_add(struct host *h, struct epoll *ep, int fd, struct sock *so,
                   const struct epoll_event *ev) {
    struct epoll_reg *reg = &ep->regs[fd];
    if (reg->so == so)
        return -EEXIST;
    if (reg->so != NULL) /* an orphan whose number has come back: Linux would keep both */
        reg_remove(h, ep, fd);
    struct watch *w = watch_add(h->st, ep->ws, so, ev->events, (uint64_t)fd);
    if (w == NULL)
        return -ENOSPC; /* as at the limit in max_user_watches */
    *reg = (struct epoll_reg){so, w, ev->data.u64, ev->events};
    ep->n_regs++;
    if (fd >= ep->high)
        ep->high = fd + 1;
    return 0;
}

static int reg_change(struct host *h, struct epoll *ep, int op, int fd, struct sock *so,
                      const struct epoll_event *ev) {
    int r = epoll_restore(h, ep);
    if (r == 0)
        r = epoll_prepare(h, ep);
    if (r < 0)
        return r;
    if (op == EPOLL_CTL_ADD)
        return reg_add(h, ep, fd, so, ev);
    struct epoll_reg *reg = &ep->regs[fd];
    if (reg->so != so)
        return -ENOENT;
    if (op == EPOLL_CTL_DEL) {
        reg_remove(h, ep, fd);
        return 0;
    }
    if (op != EPOLL_CTL_MOD || ((ev->events | reg->events) & EPOLLEXCLUSIVE))
        return -EINVAL; /* epoll_ctl(2) */
    reg->events = ev->events;
    reg->data = ev->data.u64;
    watch_mod(h->st, reg->w, ev->events, (uint64_t)fd);
    return 0;
}

/* ---- epoll_ctl ---- */

/* The instance behind epfd, made when it is an epoll descriptor not known yet (inherited). */
static struct epoll *epoll_of(int epfd, int fd) {
    struct epoll *ep = fd_epoll(epfd);
    if (ep != NULL)
        return ep;
    /* The kernel's socket behind ours is never registered: an epoll descriptor says ENOENT. */
    if (REAL(epoll_ctl)(epfd, EPOLL_CTL_DEL, fd, NULL) == 0 || errno != ENOENT)
        return NULL;
    ep = epoll_new();
    if (ep == NULL || !fd_set_epoll(epfd, ep)) {
        free(ep);
        errno = ENOMEM;
        return NULL;
    }
    ep->has_kernel = true; /* perhaps */
    return ep;
}

/* Threads that wait in the kernel alone learn that there is something of ours now. */
static void kick_waiters(int epfd, struct epoll *ep) {
    pthread_mutex_lock(&make_lock);
    if (ep->kernel_waiters > 0 && ep->kick_fd < 0) {
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd >= 0)
            fd = host_adopt_fd(fd);
        struct epoll_event ev = {.events = EPOLLIN, .data.u64 = KICK_DATA};
        if (fd >= 0 && REAL(epoll_ctl)(epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
            host_drop_fd(fd);
            fd = -1;
        }
        ep->kick_fd = fd;
    }
    pthread_mutex_unlock(&make_lock);
}

HOOK int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev) {
    struct sock *so = fd_sock(fd);
    if (so == NULL) {
        struct epoll *ep = fd_epoll(epfd);
        if (ep != NULL)
            ep->has_kernel = true;
        return REAL(epoll_ctl)(epfd, op, fd, ev);
    }
    if (ev == NULL && op != EPOLL_CTL_DEL)
        return (int)hook_ret(-EFAULT);
    struct epoll *ep = epoll_of(epfd, fd);
    if (ep == NULL)
        return -1;
    struct host *h = hook_enter(fd, so);
    if (h == NULL)
        return -1;
    bool first = ep->n_regs == 0;
    int r = reg_change(h, ep, op, fd, so, ev);
    host_leave(h);
    if (first && r == 0)
        kick_waiters(epfd, ep);
    return (int)hook_ret(r);
}

/* ---- epoll_wait ---- */

/* Ready sockets of ours into ev[]; n at most. */
static int collect_ours(struct host *h, struct epoll *ep, struct epoll_event *ev, int n) {
    struct sock_event got[COLLECT_MAX];
    int out = 0;
    int k = watchset_collect(h->st, ep->ws, got, n < COLLECT_MAX ? n : COLLECT_MAX);
    for (int i = 0; i < k; i++) {
        struct epoll_reg *reg = &ep->regs[got[i].data];
        if (reg->so != NULL)
            ev[out++] = (struct epoll_event){.events = got[i].events, .data.u64 = reg->data};
    }
    return out;
}

static int collect_kernel(int epfd, struct epoll_event *ev, int n) {
    int r = n > 0 ? REAL(epoll_wait)(epfd, ev, n, 0) : 0;
    int out = 0;
    for (int i = 0; i < r; i++)
        if (ev[i].data.u64 != KICK_DATA)
            ev[out++] = ev[i];
    return r < 0 ? -errno : out;
}

/* What is ready now, of both; they take turns at going first, for the case that max is full. */
static int collect(struct host *h, int epfd, struct epoll *ep, struct epoll_event *ev, int max) {
    int kernel = 0, ours;
    ep->kernel_first = !ep->kernel_first;
    bool first = ep->has_kernel && ep->kernel_first;
    if (first && (kernel = collect_kernel(epfd, ev, max)) < 0)
        return kernel;
    host_enter(h);
    int r = epoll_restore(h, ep);
    ours = r < 0 ? r : collect_ours(h, ep, ev + kernel, max - kernel);
    host_leave(h);
    if (ours < 0)
        return kernel > 0 ? kernel : ours;
    if (ep->has_kernel && !first && (kernel = collect_kernel(epfd, ev + ours, max - ours)) < 0)
        return ours > 0 ? ours : kernel;
    return ours + kernel;
}

static int wait_both(int epfd, struct epoll *ep, struct epoll_event *ev, int max, uint64_t deadline,
                     const sigset_t *mask) {
    struct host *h = host_get();
    if (h == NULL)
        return -errno;
    for (bool again = false;; again = true) {
        int n = collect(h, epfd, ep, ev, max);
        if (n != 0)
            return n;
        if (deadline == 0 || (again && deadline != WAIT_FOREVER && host_now() >= deadline))
            return 0;
        if (fd_epoll(epfd) != ep)
            return -EBADF;
        int r = wait_set(h, ep->ws, epfd, deadline, mask);
        if (r == -EAGAIN)
            deadline = 0; /* one last look */
        else if (r < 0)
            return r;
    }
}

/* Nothing of ours is registered: the kernel's epoll_wait, left early (-EAGAIN) when that changes.
 */
static int wait_kernel(int epfd, struct epoll *ep, struct epoll_event *ev, int max,
                       uint64_t deadline, const sigset_t *mask) {
    uint64_t now = host_now(), left = deadline > now ? deadline - now : 0;
    struct timespec ts = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    pthread_mutex_lock(&make_lock);
    bool changed = ep->n_regs > 0;
    ep->kernel_waiters += !changed;
    pthread_mutex_unlock(&make_lock);
    if (changed)
        return -EAGAIN;
    int r = REAL(epoll_pwait2)(epfd, ev, max, deadline == WAIT_FOREVER ? NULL : &ts, mask);
    int err = errno, out = 0;
    for (int i = 0; i < r; i++)
        if (ev[i].data.u64 != KICK_DATA)
            ev[out++] = ev[i];
    pthread_mutex_lock(&make_lock);
    if (--ep->kernel_waiters == 0 && ep->kick_fd >= 0) {
        REAL(epoll_ctl)(epfd, EPOLL_CTL_DEL, ep->kick_fd, NULL);
        host_drop_fd(ep->kick_fd);
        ep->kick_fd = -1;
    }
    pthread_mutex_unlock(&make_lock);
    if (r < 0)
        return -err;
    return r > 0 && out == 0 ? -EAGAIN : out;
}

/* True: *result is what the call returns. False: an epoll instance that we know nothing of. */
static bool wait_ours(int epfd, struct epoll_event *ev, int max, uint64_t deadline,
                      const sigset_t *mask, int *result) {
    struct epoll *ep = fd_epoll(epfd);
    if (ep == NULL)
        return false;
    if (max <= 0 || (size_t)max > INT32_MAX / sizeof(*ev)) {
        *result = (int)hook_ret(-EINVAL);
        return true;
    }
    epoll_get(ep);
    int r;
    do
        r = ep->n_regs > 0 ? wait_both(epfd, ep, ev, max, deadline, mask)
                           : wait_kernel(epfd, ep, ev, max, deadline, mask);
    while (r == -EAGAIN);
    epoll_put(ep);
    *result = (int)hook_ret(r);
    return true;
}

HOOK int epoll_wait(int epfd, struct epoll_event *ev, int max, int timeout_ms) {
    return epoll_pwait(epfd, ev, max, timeout_ms, NULL);
}

HOOK int epoll_pwait(int epfd, struct epoll_event *ev, int max, int timeout_ms,
                     const sigset_t *mask) {
    int r;
    if (wait_ours(epfd, ev, max, deadline_after_ms(timeout_ms), mask, &r))
        return r;
    return REAL(epoll_pwait)(epfd, ev, max, timeout_ms, mask);
}

HOOK int epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
                      const sigset_t *mask) {
    int r;
    uint64_t deadline;
    if (deadline_after_timespec(timeout, &deadline) < 0)
        return -1;
    if (wait_ours(epfd, ev, max, deadline, mask, &r))
        return r;
    return REAL(epoll_pwait2)(epfd, ev, max, timeout, mask);
}

bool epoll_any_ready(struct host *h, struct epoll *ep) {
    if (ep->n_regs == 0)
        return false;
    host_enter(h);
    bool ready = epoll_restore(h, ep) == 0 && watchset_any_ready(h->st, ep->ws);
    host_leave(h);
    return ready;
}

/* ---- epoll_create ---- */

static int enter_new(int epfd) {
    struct epoll *ep = epfd < 0 || !fdtab_init() ? NULL : epoll_new();
    if (ep != NULL && !fd_set_epoll(epfd, ep))
        free(ep);
    return epfd;
}

HOOK int epoll_create(int size) {
    return enter_new(REAL(epoll_create)(size));
}
HOOK int epoll_create1(int flags) {
    return enter_new(REAL(epoll_create1)(flags));
}

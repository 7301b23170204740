/* Theory of operation (D7). A wait has three stages: look, spin, sleep.
 *
 * Spinning looks, without the lock and without a system call, at the RX ring, the stack's next
 * deadline, and sh->activity, which every entry into the stack by anybody counts up: only when one
 * of them has changed is the lock taken and the real question asked. How long: the knob
 * (SHIMSTACK_SPIN) while spinning has lately paid off in this thread, else a sixteenth of it.
 *
 * Sleeping loses no wake-up: watches are registered and the question asked again under the lock;
 * from then on whoever makes it true rings the bell. The link's own wake-up needs no registration
 * order, since its descriptor is level-triggered. A signal handler that runs between the last look
 * and the sleep rings this thread's bell (signals_set_nudge).
 *
 * A few of the program's kernel descriptors are added to the thread's epoll for the length of the
 * sleep, so that EPOLLEXCLUSIVE on the link keeps its meaning. For many, poll(2) sleeps on them and
 * on the thread's epoll descriptor instead; the kernel then wakes another sleeper as well, which
 * costs less than two calls for each. */
#include "shim/wait.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "shim/bell.h"
#include "shim/fdtab.h"
#include "shim/lock.h"
#include "shim/real.h"
#include "shim/signals.h"
#include "shim/waiter.h"

#define EPOLL_KFDS_MAX    4 /* as many of the program's descriptors go into the thread's epoll */
#define KFDS_ON_STACK     64
#define SPIN_LOOKS        16 /* looks between two readings of the clock */
#define SPIN_PREEMPTED_NS 15000u
#define SPIN_SCORE_MAX    8
#define NAP_NS            1000000u /* where there is no waiter to be had */
#define POLL_ALWAYS       ((uint32_t)(POLLERR | POLLHUP))

enum wait_kind { FOR_SOCK, FOR_RECV, FOR_POLL, FOR_SET };

struct wait_for {
    enum wait_kind kind;
    /* FOR_SOCK, FOR_RECV */
    struct sock *so;
    uint32_t events;
    const struct iovec *iov;
    int niov;
    size_t got;
    /* FOR_POLL */
    struct pollfd *fds;
    struct sock *const *socks;
    nfds_t n;
    /* Kernel descriptors to be waited for too; room for one more. */
    struct pollfd *kfds;
    nfds_t nk;
    bool kernel_ready;
    /* FOR_SET */
    struct watchset *ws;
    /* How it ends by a signal. */
    bool any_handler;
    const sigset_t *sigmask;
};

/* ---- the question ---- */

static int poll_socks_ready(struct host *h, struct wait_for *wf) {
    int ready = 0;
    for (nfds_t i = 0; i < wf->n; i++) {
        struct sock *so = wf->socks[i];
        if (so == NULL)
            continue;
        uint32_t ev = POLLNVAL; /* another thread has closed it */
        if (fd_is_still(wf->fds[i].fd, so))
            ev = sock_ready(h->st, so) & ((uint32_t)(uint16_t)wf->fds[i].events | POLL_ALWAYS);
        wf->fds[i].revents = (short)ev;
        ready += ev != 0;
    }
    return ready;
}

/* Under the lock. > 0: yes; 0: not yet; -EBADF. */
static int ask(struct host *h, struct wait_for *wf) {
    switch (wf->kind) {
    case FOR_RECV:
        if (wf->got > 0)
            return 1;
        /* fall through */
    case FOR_SOCK:
        if (sock_refs(h->st, wf->so, h->proc) == 0)
            return -EBADF;
        return wf->events != 0 &&
               (sock_call_ready(h->st, wf->so) & (wf->events | POLL_ALWAYS)) != 0;
    case FOR_POLL:
        return poll_socks_ready(h, wf);
    case FOR_SET:
        return watchset_any_ready(h->st, wf->ws);
    }
    return 0;
}

/* Enters. A reader lends its buffer for the poll that is part of it. */
static void enter(struct host *h, struct wait_for *wf) {
    if (wf->kind != FOR_RECV) {
        host_enter(h);
        return;
    }
    host_enter_quiet(h);
    struct direct_recv d = {.iov = wf->iov, .niov = wf->niov};
    if (!host_pending(h, h->st->now_ns))
        return;
    if (sock_refs(h->st, wf->so, h->proc) > 0)
        d.t = sock_direct(h->st, wf->so);
    if (d.t != NULL)
        h->st->direct = &d;
    host_poll(h);
    h->st->direct = NULL;
    wf->got = d.got;
}

static bool ask_kernel(struct wait_for *wf) {
    if (wf->nk > 0 && REAL(poll)(wf->kfds, wf->nk, 0) > 0)
        wf->kernel_ready = true;
    return wf->kernel_ready;
}

static int look(struct host *h, struct wait_for *wf) {
    enter(h, wf);
    int r = ask(h, wf);
    host_leave(h);
    return r;
}

/* ---- spinning ---- */

static __thread int spin_score;

static bool may_spin(void) {
    static _Atomic int cpus;
    int n = atomic_load_explicit(&cpus, memory_order_relaxed);
    if (n == 0) {
        cpu_set_t set;
        n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
        atomic_store(&cpus, n);
    }
    return n > 1;
}

/* > 0, < 0: as look; 0: in vain. *preempted: somebody else wanted this CPU. */
static int spin_for(struct host *h, struct wait_for *wf, uint64_t until_ns, bool *preempted) {
    struct shared *sh = h->sh;
    uint64_t seen = atomic_load_explicit(&sh->activity, memory_order_acquire);
    uint64_t now = host_now(), before;
    bool without_restart;
    do {
        for (int i = 0; i < SPIN_LOOKS; i++) {
            uint64_t count = atomic_load_explicit(&sh->activity, memory_order_acquire);
            if (count != seen || host_pending(h, now)) {
                seen = count + 1; /* our own look will count */
                int r = look(h, wf);
                if (r != 0)
                    return r;
                now = host_now();
            }
            __builtin_ia32_pause();
        }
        if (ask_kernel(wf))
            return 1;
        before = now;
        now = host_now();
        *preempted = now - before > SPIN_PREEMPTED_NS;
    } while (now < until_ns && !*preempted && !signals_seen(&without_restart));
    return 0;
}

static int spin(struct host *h, struct wait_for *wf, uint64_t deadline_ns) {
    uint64_t budget = (uint64_t)h->sh->cfg.spin_us * 1000u;
    if (budget == 0 || !may_spin())
        return 0;
    if (spin_score <= 0 && spin_score % 32 != 0) /* it hasn't paid; try in earnest now and then */
        budget /= 16;
    uint64_t until_ns = host_now() + budget;
    bool preempted = false;
    int r = spin_for(h, wf, until_ns < deadline_ns ? until_ns : deadline_ns, &preempted);
    if (preempted)
        spin_score = -1; /* the peer may be waiting for this very CPU: sleep */
    else if (r == 0)
        spin_score = spin_score > -1024 ? spin_score - 1 : 0;
    else
        spin_score = spin_score < 0 ? 2 : spin_score < SPIN_SCORE_MAX ? spin_score + 2 : spin_score;
    return r;
}

/* ---- registering, under the lock ---- */

static int register_watches(struct host *h, struct waiter *w, struct wait_for *wf) {
    switch (wf->kind) {
    case FOR_SOCK:
    case FOR_RECV:
        /* Like the kernel's file reference: the socket outlives a close() by another thread. */
        if (sock_get(h->st, wf->so, h->proc) < 0)
            return -ENOMEM;
        w->held = wf->so;
        if (wf->events != 0 && watch_add(h->st, w->ws, wf->so, wf->events, 0) == NULL)
            return -ENOMEM;
        return 0;
    case FOR_POLL:
        for (nfds_t i = 0; i < wf->n; i++)
            if (wf->socks[i] != NULL &&
                watch_add(h->st, w->ws, wf->socks[i], (uint16_t)wf->fds[i].events, i) == NULL)
                return -ENOMEM;
        return 0;
    case FOR_SET:
        w->sleeps_on = wf->ws;
        return 0;
    }
    return 0;
}

/* Another thread of this process may sleep on the same epoll instance: the bell is its now. */
static uint32_t hand_on_set(struct host *h, struct waiter *w, struct watchset *ws) {
    w->sleeps_on = NULL;
    watchset_wake(ws);
    struct waiter *other = waiter_on_set(ws);
    if (other == NULL)
        return 0;
    watchset_sleep(ws, other->bell);
    return watchset_any_ready(h->st, ws) ? other->bell : 0;
}

/* Returns a bell to be rung before leaving, 0: none. */
static uint32_t unregister_watches(struct host *h, struct waiter *w, struct wait_for *wf) {
    if (wf->kind == FOR_SET)
        return hand_on_set(h, w, wf->ws);
    watchset_wake(w->ws);
    watchset_clear(h->st, w->ws);
    struct sock *held = w->held;
    w->held = NULL;
    if (held != NULL)
        sock_put(h->st, held, h->proc);
    return 0;
}

/* ---- sleeping ---- */

static const struct timespec *until(uint64_t wake_ns, struct timespec *ts) {
    if (wake_ns == WAIT_FOREVER)
        return NULL;
    uint64_t now = host_now(), left = wake_ns > now ? wake_ns - now : 0;
    ts->tv_sec = (time_t)(left / 1000000000u);
    ts->tv_nsec = (long)(left % 1000000000u);
    return ts;
}

static int epoll_sleep(int ep, struct epoll_event *ev, int max, uint64_t wake_ns,
                       const sigset_t *mask) {
    static _Atomic bool lacks_ns;
    struct timespec room;
    const struct timespec *ts = until(wake_ns, &room);
    if (REAL(epoll_pwait2) != NULL && !atomic_load_explicit(&lacks_ns, memory_order_relaxed)) {
        int r = REAL(epoll_pwait2)(ep, ev, max, ts, mask);
        if (r >= 0 || errno != ENOSYS)
            return r;
        atomic_store(&lacks_ns, true);
    }
    int ms = -1;
    if (ts != NULL)
        ms = ts->tv_sec > 1000000 ? 1000000000
                                  : (int)(ts->tv_sec * 1000 + (ts->tv_nsec + 999999) / 1000000);
    return REAL(epoll_pwait)(ep, ev, max, ms, mask);
}

/* The program's descriptors into the thread's epoll. One that comes twice is added once, for all
 * that is asked of it. What epoll refuses (a closed number, a regular file) poll has reported. */
static void add_kfds(struct waiter *w, const struct wait_for *wf) {
    for (nfds_t i = 0; i < wf->nk; i++) {
        struct epoll_event ev = {.data.u32 = WAITER_PROGRAM};
        bool before = false;
        for (nfds_t k = 0; k < wf->nk; k++)
            if (wf->kfds[k].fd == wf->kfds[i].fd) {
                ev.events |= (uint16_t)wf->kfds[k].events;
                before |= k < i;
            }
        if (wf->kfds[i].fd >= 0 && !before)
            (void)REAL(epoll_ctl)(w->ep, EPOLL_CTL_ADD, wf->kfds[i].fd, &ev);
    }
}
static void del_kfds(struct waiter *w, const struct wait_for *wf) {
    for (nfds_t i = 0; i < wf->nk; i++)
        if (wf->kfds[i].fd >= 0)
            (void)REAL(epoll_ctl)(w->ep, EPOLL_CTL_DEL, wf->kfds[i].fd, NULL);
}

/* An event loop's epoll descriptor stays in for its next wait. */
static void keep_epfd(struct waiter *w, const struct wait_for *wf) {
    int epfd = wf->kind == FOR_SET ? wf->kfds[0].fd : -1;
    if (w->kept_epfd >= 0 && w->kept_epfd != epfd)
        (void)REAL(epoll_ctl)(w->ep, EPOLL_CTL_DEL, w->kept_epfd, NULL);
    w->kept_epfd = epfd;
    struct epoll_event ev = {.events = EPOLLIN, .data.u32 = WAITER_PROGRAM};
    if (epfd >= 0)
        (void)REAL(epoll_ctl)(w->ep, EPOLL_CTL_ADD, epfd, &ev);
}

static void take_events(struct host *h, struct waiter *w, struct wait_for *wf,
                        const struct epoll_event *ev, int n) {
    bool lost = false;
    for (int i = 0; i < n; i++) {
        int error;
        socklen_t len = sizeof(error);
        switch (ev[i].data.u32) {
        case WAITER_BELL:
            bell_drain(w->bell_fd);
            break;
        case WAITER_LINK: /* an interface that went down says so until it is asked */
            if (ev[i].events & EPOLLERR)
                (void)REAL(getsockopt)(h->packet_fd, SOL_SOCKET, SO_ERROR, &error, &len);
            break;
        case WAITER_KEEPER:
            lost = true;
            break;
        case WAITER_PROGRAM:
            wf->kernel_ready = true;
            break;
        default:
            break;
        }
    }
    if (lost)
        host_keeper_lost(h);
}

static void sleep_on_epoll(struct host *h, struct waiter *w, struct wait_for *wf,
                           uint64_t wake_ns) {
    struct epoll_event ev[8];
    bool set = wf->kind == FOR_SET;
    keep_epfd(w, wf);
    if (!set)
        add_kfds(w, wf);
    int n = epoll_sleep(w->ep, ev, sizeof(ev) / sizeof(ev[0]), wake_ns, wf->sigmask);
    if (!set)
        del_kfds(w, wf);
    take_events(h, w, wf, ev, n);
}

static void sleep_on_poll(struct host *h, struct waiter *w, struct wait_for *wf, uint64_t wake_ns) {
    struct epoll_event ev[8];
    struct timespec room;
    keep_epfd(w, wf);
    wf->kfds[wf->nk] = (struct pollfd){.fd = w->ep, .events = POLLIN};
    int n = REAL(ppoll)(wf->kfds, wf->nk + 1, until(wake_ns, &room), wf->sigmask);
    if (n <= 0)
        return;
    bool own = wf->kfds[wf->nk].revents != 0;
    wf->kernel_ready = n > own;
    if (own) {
        n = REAL(epoll_wait)(w->ep, ev, sizeof(ev) / sizeof(ev[0]), 0);
        take_events(h, w, wf, ev, n);
    }
}

static bool interrupted(const struct wait_for *wf) {
    bool without_restart;
    return signals_seen(&without_restart) && (wf->any_handler || without_restart);
}

/* One turn: asks, and sleeps if the answer is no. 0: ask again. *registered as it is afterwards. */
static int turn(struct host *h, struct waiter *w, struct wait_for *wf, uint64_t deadline_ns,
                bool *registered) {
    enter(h, wf);
    int r = ask(h, wf);
    if (r == 0 && wf->kernel_ready)
        r = 1;
    if (r == 0 && interrupted(wf))
        r = -EINTR;
    if (r == 0 && h->st->now_ns >= deadline_ns)
        r = -EAGAIN;
    if (r == 0 && !*registered) {
        *registered = true;
        r = register_watches(h, w, wf);
    }
    if (r != 0) {
        uint32_t bell = *registered ? unregister_watches(h, w, wf) : 0;
        if (bell != 0)
            wait_ring(h, bell);
        host_leave(h);
        return r;
    }
    watchset_sleep(wf->kind == FOR_SET ? wf->ws : w->ws, w->bell);
    uint64_t wake_ns = host_leave_to_sleep(h, deadline_ns);
    if (wf->nk <= EPOLL_KFDS_MAX)
        sleep_on_epoll(h, w, wf, wake_ns);
    else
        sleep_on_poll(h, w, wf, wake_ns);
    return 0;
}

/* Without a waiter (no descriptor left): short naps. Slow, but right. */
static int nap(struct host *h, struct wait_for *wf, uint64_t deadline_ns) {
    struct timespec ts = {.tv_nsec = NAP_NS};
    host_say_once("no descriptor or watch left to sleep on: this program will be slow");
    for (;;) {
        (void)REAL(ppoll)(NULL, 0, &ts, wf->sigmask);
        int r = ask_kernel(wf) ? 1 : look(h, wf);
        if (r != 0)
            return r;
        if (interrupted(wf))
            return -EINTR;
        if (host_now() >= deadline_ns)
            return -EAGAIN;
    }
}

static int sleep_for(struct host *h, struct wait_for *wf, uint64_t deadline_ns) {
    struct waiter *w = waiter_begin(h, (uintptr_t)__builtin_frame_address(0));
    if (w == NULL)
        return nap(h, wf, deadline_ns);
    bool registered = false;
    int r;
    signals_set_nudge(waiter_nudge);
    do
        r = turn(h, w, wf, deadline_ns, &registered);
    while (r == 0);
    signals_set_nudge(NULL);
    waiter_end(w);
    return r;
}

/* 0: the answer is yes; -EAGAIN, -EINTR, -EBADF, -ENOMEM. */
static int run(struct host *h, struct wait_for *wf, uint64_t deadline_ns) {
    signals_seen_reset();
    bool kernel = ask_kernel(wf);
    int r = look(h, wf);
    if (r == 0 && kernel)
        r = 1;
    if (r == 0 && (deadline_ns == 0 || host_now() >= deadline_ns))
        return -EAGAIN;
    if (r == 0)
        r = spin(h, wf, deadline_ns);
    if (r == 0)
        r = sleep_for(h, wf, deadline_ns);
    return r > 0 ? 0 : r;
}

/* ---- the calls ---- */

int wait_sock(struct host *h, struct sock *so, uint32_t events, uint64_t deadline_ns,
              bool restartable) {
    struct wait_for wf = {
        .kind = FOR_SOCK, .so = so, .events = events, .any_handler = !restartable};
    return run(h, &wf, deadline_ns);
}

int wait_recv(struct host *h, struct sock *so, const struct iovec *iov, int niov,
              uint64_t deadline_ns, size_t *got) {
    struct wait_for wf = {.kind = FOR_RECV,
                          .so = so,
                          .events = POLLIN,
                          .iov = iov,
                          .niov = niov,
                          .any_handler =
                              deadline_ns != WAIT_FOREVER /* signal(7): no restart then */};
    int r = run(h, &wf, deadline_ns);
    *got = wf.got;
    return r;
}

int wait_set(struct host *h, struct watchset *ws, int epfd, uint64_t deadline_ns,
             const sigset_t *sigmask) {
    struct pollfd kfd[2] = {{.fd = epfd, .events = POLLIN}};
    struct wait_for wf = {
        .kind = FOR_SET, .ws = ws, .kfds = kfd, .nk = 1, .any_handler = true, .sigmask = sigmask};
    return run(h, &wf, deadline_ns);
}

static int poll_kernel_only(struct pollfd *fds, nfds_t n, uint64_t deadline_ns,
                            const sigset_t *sigmask) {
    struct timespec room;
    int r = REAL(ppoll)(fds, n, until(deadline_ns, &room), sigmask);
    return r < 0 ? -errno : r;
}

/* Runs with kfds in place, and brings the answers together. */
static int poll_mixed(struct host *h, struct wait_for *wf, uint64_t deadline_ns) {
    wf->nk = 0;
    for (nfds_t i = 0; i < wf->n; i++)
        if (wf->socks[i] == NULL)
            wf->kfds[wf->nk++] = (struct pollfd){.fd = wf->fds[i].fd, .events = wf->fds[i].events};
    int r = run(h, wf, deadline_ns);
    if (r < 0 && r != -EAGAIN)
        return r;
    if (wf->kernel_ready)
        (void)REAL(poll)(wf->kfds, wf->nk, 0);
    int ready = 0;
    nfds_t k = 0;
    for (nfds_t i = 0; i < wf->n; i++) {
        if (wf->socks[i] == NULL)
            wf->fds[i].revents = wf->kfds[k++].revents;
        ready += wf->fds[i].revents != 0;
    }
    return ready;
}

int wait_poll(struct host *h, struct pollfd *fds, struct sock *const *so, nfds_t n,
              uint64_t deadline_ns, const sigset_t *sigmask) {
    if (h == NULL)
        return poll_kernel_only(fds, n, deadline_ns, sigmask);
    struct pollfd few[KFDS_ON_STACK + 1];
    struct wait_for wf = {.kind = FOR_POLL,
                          .fds = fds,
                          .socks = so,
                          .n = n,
                          .kfds = few,
                          .any_handler = true,
                          .sigmask = sigmask};
    size_t size = (n + 1) * sizeof(*few);
    if (n > KFDS_ON_STACK) { /* not malloc: poll may be called in a signal handler */
        wf.kfds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (wf.kfds == MAP_FAILED)
            return -ENOMEM;
    }
    int r = poll_mixed(h, &wf, deadline_ns);
    if (wf.kfds != few)
        munmap(wf.kfds, size);
    return r;
}

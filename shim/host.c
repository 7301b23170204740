#include "shim/host.h"

#include "shim/sysctl.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "shim/attach.h"
#include "shim/bell.h"
#include "shim/launch.h"
#include "shim/lock.h"
#include "shim/real.h"
#include "shim/segment.h"
#include "shim/signals.h"
#include "shim/wait.h"
#include "shim/waiter.h"
#include "stack/link/tap.h"

/* The keeper lets the driver be first by this much. */
#define KEEPER_SLACK_NS 1000000ull
#define LEAVE_BELLS     16
/* While one process starts a new keeper, the others wait for it this long. */
#define ADOPT_PATIENCE_NS 1000000000ull

static struct host the_host = {.packet_fd = -1, .memfd = -1, .ctl_fd = -1, .bell_fd = -1};
static _Atomic bool attached;
static pthread_mutex_t attach_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread uint32_t embryo = PROC_NONE;

uint64_t host_now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void host_say_once(const char *fmt, ...) {
    static _Atomic(const char *) said[64];
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        const char *expected = NULL;
        if (atomic_compare_exchange_strong(&said[i], &expected, fmt))
            break;
        if (expected == fmt)
            return;
    }
    char line[512];
    int saved = errno, n = snprintf(line, sizeof(line), "shimstack: ");
    va_list ap;
    va_start(ap, fmt);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    va_end(ap);
    if (n > (int)sizeof(line) - 2)
        n = (int)sizeof(line) - 2;
    line[n++] = '\n';
    (void)!REAL(write)(2, line, (size_t)n);
    errno = saved;
}

/* ---- joining ---- */

/* Signals are blocked meanwhile: a handler that used a socket would find the mutex taken. */
static struct host *attach_slow(bool start) {
    sigset_t all, before;
    char err[256] = "";
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_mutex_lock(&attach_lock);
    int r = 0;
    if (!atomic_load(&attached)) {
        r = attach_host(&the_host, start, err, sizeof(err));
        if (r == 0)
            atomic_store_explicit(&attached, true, memory_order_release);
    }
    pthread_mutex_unlock(&attach_lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        return &the_host;
    if (start || r != -ENOENT)
        host_say_once("%s", err);
    errno = ENETDOWN;
    return NULL;
}

struct host *host_get(void) {
    if (__builtin_expect(atomic_load_explicit(&attached, memory_order_acquire), 1))
        return &the_host;
    return attach_slow(true);
}

struct host *host_peek(void) {
    if (__builtin_expect(atomic_load_explicit(&attached, memory_order_acquire), 1))
        return &the_host;
    int saved = errno;
    struct host *h = attach_slow(false);
    errno = saved;
    return h;
}

void attach_fd_moved(int from, int to) {
    struct host *h = &the_host;
    if (h->packet_fd == from) {
        h->packet_fd = to;
        afpacket_set_fd(h->packet, to);
    } else if (h->memfd == from) {
        h->memfd = to;
    } else if (h->ctl_fd == from) {
        h->ctl_fd = to;
    } else if (h->bell_fd == from) {
        h->bell_fd = to;
    } else if (h->tap != NULL && link_tap_fd(h->tap) == from) {
        link_tap_set_fd(h->tap, to);
    }
}

/* ---- the keeper's successor ---- */

/* A connection to the keeper that runs now, if it is one of this very host. */
static int rejoin(struct host *h) {
    int ctl = attach_connect(h->sh->cfg.ifname);
    if (ctl < 0)
        return ctl;
    struct control_reply r;
    int e = attach_request(ctl, CONTROL_REJOIN, &r, NULL);
    if (e == 0 && r.id != h->sh->id) {
        host_say_once(
            "the keeper of %s was lost, and another stack runs there now: the connections "
            "of this program will suffer",
            h->sh->cfg.ifname);
        atomic_store(&h->sh->keeper_gave_way, 1);
        e = -ESTALE;
    }
    if (e < 0) {
        REAL(close)(ctl);
        return e;
    }
    int high = host_adopt_fd(ctl), old = h->ctl_fd;
    if (high < 0)
        return high;
    h->ctl_fd = high;
    h->generation++;
    host_drop_fd(old);
    return 0;
}

static void find_or_start_keeper(struct host *h) {
    struct shared *sh = h->sh;
    char err[256], ifname[16];
    for (int tries = 0; tries < 200 && !atomic_load(&sh->keeper_gave_way); tries++) {
        int r = rejoin(h);
        if (r == 0 || r == -ESTALE)
            return;
        uint64_t now = host_now(), began = atomic_load(&sh->adopting_ns);
        if (now - began >= ADOPT_PATIENCE_NS &&
            atomic_compare_exchange_strong(&sh->adopting_ns, &began, now)) {
            if (launch_keeper(h->memfd, h->packet_fd, ifname, err, sizeof(err)) < 0) {
                host_say_once("the keeper was lost and cannot be replaced: %s", err);
                return;
            }
        } else {
            struct timespec step = {.tv_nsec = 5000000};
            nanosleep(&step, NULL);
        }
    }
}

void host_keeper_lost(struct host *h) {
    uint64_t generation = h->generation;
    if (h->keeper || atomic_load(&h->sh->keeper_gave_way))
        return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_mutex_lock(&attach_lock);
    if (h->generation == generation)
        find_or_start_keeper(h);
    pthread_mutex_unlock(&attach_lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void host_settle(struct host *h) {
    struct control_reply r;
    int ctl = attach_connect(h->sh->cfg.ifname);
    if (ctl < 0)
        return;
    (void)attach_request(ctl, CONTROL_SETTLE, &r, NULL);
    REAL(close)(ctl);
}

void host_child_is_gone(int32_t pid) {
    struct host *h = &the_host;
    if (!atomic_load(&attached))
        return;
    uint32_t iter = 0;
    int32_t have = 0;
    uint64_t starttime;
    host_enter(h);
    while (have != pid && proc_next(h->st, &iter, &have, &starttime) != PROC_NONE)
        ;
    host_leave(h);
    if (have == pid)
        host_settle(h);
}

/* ---- entering and leaving ---- */

bool host_pending(const struct host *h, uint64_t now_ns) {
    return now_ns >= atomic_load_explicit(&h->sh->next_ns, memory_order_relaxed) ||
           afpacket_pending(h->packet);
}

void host_live_sysctl(struct host *h) {
    struct tcp_config tcp;
    if (h == NULL || !h->sh->cfg.live_sysctl)
        return;
    tcp_config_default(&tcp);
    (void)sysctl_load(&tcp, &h->sh->cfg);
    host_enter(h);
    tcp_set_config(h->st, &tcp);
    host_leave(h);
}

void host_enter_quiet(struct host *h) {
    signals_hold();
    lock_take(h);
    uint64_t now = host_now();
    stack_set_time(h->st, now);
    if (!h->keeper)
        atomic_store_explicit(&h->sh->driven_ns, now, memory_order_relaxed);
}

void host_enter(struct host *h) {
    host_enter_quiet(h);
    if (host_pending(h, h->st->now_ns))
        host_poll(h);
}

void host_poll(struct host *h) {
    uint64_t next = stack_poll(h->st, h->link, h->st->now_ns, NULL);
    atomic_store_explicit(&h->sh->next_ns, next, memory_order_relaxed);
}

/* Under the lock: a set counts as rung from here on, so a process that was killed or stopped before
 * it had really rung the bell would leave a sleeper that nobody wakes. False: there may be more. */
static bool ring_bells(struct host *h) {
    uint32_t bell;
    for (int i = 0; i < LEAVE_BELLS; i++) {
        if ((bell = sock_next_bell(h->st)) == 0)
            return true;
        wait_ring(h, bell);
    }
    return false;
}

/* What must be done under the lock. deadline_ns 0: does not go to sleep. *ring_keeper: it must wake
 * earlier than it means to. Returns when a sleeper should wake. */
static uint64_t prepare_to_leave(struct host *h, uint64_t deadline_ns, bool *ring_keeper) {
    struct shared *sh = h->sh;
    uint64_t now = h->st->now_ns, next = stack_flush(h->st, h->link, now), wake = deadline_ns;
    atomic_store_explicit(&sh->next_ns, next, memory_order_relaxed);
    atomic_store_explicit(&sh->activity,
                          atomic_load_explicit(&sh->activity, memory_order_relaxed) + 1,
                          memory_order_release);
    /* Somebody wakes for the deadline: the keeper at the latest. A driver, if there is one whose
     * time has not passed, is let come first; if it was killed or stopped, the slack is all that
     * is lost. */
    uint64_t driver = atomic_load_explicit(&sh->driver_wake_ns, memory_order_relaxed);
    if (deadline_ns != 0 && next != TIME_NEVER && (driver < now || driver > next)) {
        atomic_store_explicit(&sh->driver_wake_ns, driver = next, memory_order_relaxed);
        if (next < wake)
            wake = next;
    }
    uint64_t limit = driver >= now && driver <= next && next < TIME_NEVER - KEEPER_SLACK_NS
                         ? next + KEEPER_SLACK_NS
                         : next;
    *ring_keeper =
        !h->keeper && limit < atomic_load_explicit(&sh->keeper_wake_ns, memory_order_relaxed);
    if (*ring_keeper)
        atomic_store_explicit(&sh->keeper_wake_ns, limit, memory_order_relaxed);
    return wake;
}

static uint64_t leave(struct host *h, uint64_t deadline_ns) {
    bool ring_keeper;
    int saved = errno;
    uint64_t wake = prepare_to_leave(h, deadline_ns, &ring_keeper);
    bool lost =
        ring_keeper && !bell_ring(h, BELL_KEEPER) && atomic_load(&h->sh->keeper_gave_way) == 0;
    while (__builtin_expect(!ring_bells(h), 0)) { /* many: others get their turn between */
        lock_give(h);
        lock_take(h);
    }
    host_send_signals(h);
    lock_give(h);
    signals_release();
    if (__builtin_expect(lost, 0))
        host_keeper_lost(h);
    errno = saved;
    return wake;
}

void host_leave(struct host *h) {
    (void)leave(h, 0);
}

uint64_t host_leave_to_sleep(struct host *h, uint64_t deadline_ns) {
    return leave(h, deadline_ns);
}

/* ---- fork ---- */

void host_fork_prepare(void) {
    if (!atomic_load(&attached))
        return;
    struct host *h = &the_host;
    host_enter(h);
    int e = proc_attach(h->st, 0, 0);
    embryo = e >= 0 ? (uint32_t)e : PROC_NONE;
    if (e >= 0 && proc_inherit(h->st, h->proc, embryo) < 0) {
        proc_detach(h->st, embryo);
        embryo = PROC_NONE;
    }
    host_leave(h);
    if (embryo == PROC_NONE)
        host_say_once("no room for another process on this host: the child of fork has no sockets");
}

void host_fork_parent(int32_t pid) {
    if (embryo == PROC_NONE)
        return;
    struct host *h = &the_host;
    host_enter(h);
    uint32_t iter = embryo;
    int32_t have = -1;
    uint64_t starttime;
    /* The child may have named itself already, and even be gone. */
    if (proc_next(h->st, &iter, &have, &starttime) == embryo && have == 0) {
        /* A child of posix_spawn may have attached by itself after its exec. */
        starttime = pid < 0 ? 0 : process_starttime(pid);
        if (pid < 0 || proc_find(h->st, pid, starttime) != PROC_NONE)
            proc_detach(h->st, embryo);
        else
            proc_set_pid(h->st, embryo, pid, starttime);
    }
    host_leave(h);
    embryo = PROC_NONE;
    if (pid >= 0)
        wait_ring(h, BELL_KEEPER); /* it watches whom it finds attached */
}

void host_fork_child(void) {
    pthread_mutex_init(&attach_lock, NULL); /* another thread may have held it */
    lock_fork_child();
    signals_fork_child();
    waiter_fork_child();
    if (!atomic_load(&attached))
        return;
    struct host *h = &the_host;
    h->pid = getpid();
    h->proc = embryo;
    embryo = PROC_NONE;
    host_enter(h);
    uint64_t starttime = process_starttime(h->pid);
    if (h->proc == PROC_NONE) {
        int e = proc_attach(h->st, h->pid, starttime);
        h->proc = e >= 0 ? (uint32_t)e : PROC_NONE;
    } else {
        proc_set_pid(h->st, h->proc, h->pid, starttime);
    }
    host_leave(h);
    wait_ring(h, BELL_KEEPER);
}

/* Theory of operation. One epoll loop. The keeper drives the stack only while nobody else does:
 *
 * - The packet socket is registered with EPOLLEXCLUSIVE behind all threads of the host, so that a
 *   frame wakes the keeper only when no thread sleeps on the link. Whoever registers later rings,
 *   and the keeper goes to the end of the queue again (keeper_requeue).
 * - A frame that wakes it while an application has just been in the stack (driven_ns) is the
 *   application's: that one spins, or computes between two calls. The keeper then takes the socket
 *   out of its epoll and looks again BUSY_NS later, until applications have been idle that long.
 * - Deadlines: it sleeps until sh->keeper_wake_ns at most, which whoever makes an earlier deadline
 *   lowers, and rings. Where a sleeping thread is the driver the keeper comes KEEPER_SLACK_NS later
 *   (host.c), and mostly finds it done.
 * - It never waits for the lock to drive: who holds it drives. It looks after a lock that does not
 *   move at all (lock_nudge_owner).
 *
 * It ends when no process is attached and no connection is left, LINGER_NS later, so that programs
 * started one after the other find it running. */
#include "shim/keeper.h"

#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shim/bell.h"
#include "shim/lock.h"
#include "shim/real.h"

#define BUSY_NS   1000000ull
#define STUCK_NS  20000000ull
#define LINGER_NS 300000000ull
#define DRIVE_MAX 64 /* polls in a row, before events are looked at again */

static uint64_t tag_data(enum keeper_tag tag, uint32_t number) {
    return (uint64_t)tag << 32 | number;
}

bool keeper_watch(struct keeper *k, int fd, uint32_t events, enum keeper_tag tag, uint32_t number) {
    struct epoll_event ev = {.events = events, .data.u64 = tag_data(tag, number)};
    return REAL(epoll_ctl)(k->ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* ---- log ---- */

static void log_line(struct keeper *k, uint64_t at_ns, const char *text) {
    char line[LOG_LINELEN + 80];
    int n = snprintf(line, sizeof(line), "shimstack[%s] %llu.%06llu %s\n", k->host.sh->cfg.ifname,
                     (unsigned long long)(at_ns / 1000000000u),
                     (unsigned long long)(at_ns % 1000000000u / 1000u), text);
    if (n > 0)
        (void)!REAL(write)(k->log_fd, line,
                           (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void keeper_log(struct keeper *k, const char *fmt, ...) {
    char text[LOG_LINELEN];
    if (k->log_fd < 0 || k->host.sh->cfg.log_level < LOG_INFO)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_line(k, host_now(), text);
}

static void print_stack_log(struct keeper *k) {
    char text[LOG_LINELEN];
    uint64_t at_ns;
    while (k->log_fd >= 0 && log_read(&k->host.st->log, &k->log_cursor, &at_ns, text) > 0)
        log_line(k, at_ns, text);
}

/* ---- the link ---- */

static void watch_link(struct keeper *k, bool on) {
    if (on == k->link_watched || (on && k->link_gone))
        return;
    if (on)
        (void)keeper_watch(k, k->host.packet_fd, EPOLLIN | EPOLLEXCLUSIVE, TAG_LINK, 0);
    else
        (void)REAL(epoll_ctl)(k->ep, EPOLL_CTL_DEL, k->host.packet_fd, NULL);
    k->link_watched = on;
}

static void requeue(struct keeper *k) {
    if (atomic_exchange(&k->host.sh->keeper_requeue, 0) != 0 && k->link_watched) {
        watch_link(k, false);
        watch_link(k, true);
    }
}

static void link_error(struct keeper *k) {
    int error = 0;
    socklen_t len = sizeof(error);
    char name[IF_NAMESIZE];
    (void)REAL(getsockopt)(k->host.packet_fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (if_indextoname(k->host.sh->ifindex, name) == NULL) {
        keeper_log(k, "the interface was deleted");
        watch_link(k, false);
        k->link_gone = true;
    } else {
        keeper_log(k, "%s: %s", name, strerror(error));
    }
}

/* ---- driving ---- */

static bool app_is_active(const struct keeper *k, uint64_t now) {
    uint64_t driven = atomic_load(&k->host.sh->driven_ns);
    return driven != 0 && (now < driven || now - driven < BUSY_NS);
}

/* The lock is taken, and has not changed hands for long: is its owner stopped? */
static void look_after_lock(struct keeper *k, uint64_t now) {
    uint32_t seq = atomic_load(&k->host.sh->lock_seq);
    if (seq != k->stuck_seq || k->stuck_ns == 0) {
        k->stuck_seq = seq;
        k->stuck_ns = now;
    } else if (now - k->stuck_ns >= STUCK_NS) {
        lock_nudge_owner(&k->host);
        k->stuck_ns = now;
    }
}

/* One poll. False: somebody else is at it. */
static bool drive(struct keeper *k) {
    struct host *h = &k->host;
    for (int i = 0; i < DRIVE_MAX; i++) {
        if (!lock_try(h)) {
            look_after_lock(k, host_now());
            return false;
        }
        k->stuck_ns = 0;
        stack_set_time(h->st, host_now());
        host_poll(h);
        host_leave(h);
        if (!host_pending(h, host_now()))
            break;
    }
    return true;
}

/* What is due, and when to look again. */
static uint64_t work(struct keeper *k, bool frames) {
    struct shared *sh = k->host.sh;
    uint64_t now = host_now(), next = atomic_load(&sh->next_ns), wake;
    bool active = app_is_active(k, now);
    bool due = now >= atomic_load(&sh->keeper_wake_ns) && now >= next;
    bool idle_again = k->busy && !active;
    k->busy = active && (frames || k->busy);
    if (due || idle_again || (frames && !active)) {
        if (!drive(k))
            k->busy = true;
        now = host_now();
        next = atomic_load(&sh->next_ns);
    }
    watch_link(k, !k->busy);
    if (k->busy) {
        wake = now + BUSY_NS;
    } else {
        uint64_t driver = atomic_load(&sh->driver_wake_ns);
        bool driven = driver >= now && driver <= next && next != TIME_NEVER;
        wake = driven ? next + BUSY_NS : next;
    }
    atomic_store(&sh->keeper_wake_ns, wake);
    /* An earlier deadline may have been made meanwhile, by one that saw the old value. */
    uint64_t again = atomic_load(&sh->next_ns);
    if (!k->busy && again < next)
        wake = again;
    return wake;
}

/* ---- the end ---- */

static bool nothing_left(struct keeper *k) {
    uint32_t live = 0, timewait = 0;
    struct host *h = &k->host;
    if ((h->sh->cfg.stay && !k->asked_to_leave) || !lock_try(h))
        return false;
    bool none = proc_count(h->st) == 0;
    if (none)
        tcp_count(h->st, &live, &timewait);
    lock_give(h);
    /* Without the interface no connection can end properly. */
    return none && ((live == 0 && timewait == 0) || k->link_gone || k->asked_to_leave);
}

/* When the keeper leaves at the latest; sets k->leaving. */
static uint64_t check_end(struct keeper *k) {
    if (!nothing_left(k)) {
        k->idle_ns = 0;
        return TIME_NEVER;
    }
    uint64_t now = host_now();
    if (k->idle_ns == 0)
        k->idle_ns = now;
    if (now - k->idle_ns >= LINGER_NS || k->asked_to_leave)
        k->leaving = true;
    return k->idle_ns + LINGER_NS;
}

/* ---- the loop ---- */

void keeper_ask_to_leave(struct keeper *k) {
    keeper_log(k, "asked to leave");
    k->asked_to_leave = true;
}

static void signal_event(struct keeper *k) {
    struct signalfd_siginfo si;
    if (REAL(read)(k->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
        return;
    keeper_ask_to_leave(k);
}

/* True: frames have arrived. */
static bool handle(struct keeper *k, const struct epoll_event *ev) {
    switch (ev->data.u64 >> 32) {
    case TAG_LINK:
        if (ev->events & EPOLLERR)
            link_error(k);
        return true;
    case TAG_BELL:
        bell_drain((int)(uint32_t)ev->data.u64);
        requeue(k);
        keeper_procs_sync(k);
        return false;
    case TAG_LISTEN:
        keeper_ctl_accept(k);
        return false;
    case TAG_CONN:
        keeper_ctl_request(k, (int)(uint32_t)ev->data.u64);
        return false;
    case TAG_SIGNAL:
        signal_event(k);
        return false;
    default: /* TAG_DEATHS: dealt with first */
        return false;
    }
}

static int sleep_until(struct keeper *k, struct epoll_event *ev, int max, uint64_t wake_ns) {
    uint64_t now = host_now(), left = wake_ns > now ? wake_ns - now : 0;
    struct timespec ts = {(time_t)(left / 1000000000u), (long)(left % 1000000000u)};
    if (REAL(epoll_pwait2) != NULL) {
        int n = REAL(epoll_pwait2)(k->ep, ev, max, wake_ns == TIME_NEVER ? NULL : &ts, NULL);
        if (n >= 0 || errno != ENOSYS)
            return n;
    }
    int ms = left > 1000000000000u ? 1000000 : (int)((left + 999999) / 1000000);
    return REAL(epoll_wait)(k->ep, ev, max, wake_ns == TIME_NEVER ? -1 : ms);
}

void keeper_run(struct keeper *k) {
    struct epoll_event ev[64];
    bool frames = true; /* whatever has come before */
    while (!k->leaving) {
        uint64_t wake = work(k, frames), end = check_end(k);
        print_stack_log(k);
        if (k->leaving)
            break;
        frames = false;
        int n = sleep_until(k, ev, 64, wake < end ? wake : end);
        keeper_procs_reap(k);
        for (int i = 0; i < n; i++)
            frames |= handle(k, &ev[i]);
    }
    /* Somebody may have knocked at the last moment: it finds the door shut, and starts a successor
     * when all is put back in order (keeper_release comes before the end of listen_fd). */
    keeper_release(k);
}

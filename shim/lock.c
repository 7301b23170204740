/* Theory of operation. Critical sections are short (microseconds), so a waiter first spins a
 * little, then sleeps on the futex. Three things can go wrong with the owner:
 *
 * - It dies. The kernel marks the mutex; the next one to lock gets EOWNERDEAD, repairs the stack
 *   (stack_repair resets what was being changed, and only that), brings the link in step, and goes
 *   on. Counted as `repairs`.
 * - It is stopped (SIGSTOP, ^Z). Who has waited LOCK_PATIENCE_NS looks the owner up in /proc. If it
 *   is in state T, its number goes to sh->stop_pid and it gets SIGCONT. It runs on, leaves the
 * lock, finds its number there and stops itself again. So a stopped program stays stopped to its
 * user, who sees it running for microseconds.
 * - A debugger holds it (state t). Nothing can be done about that: said once, and waited for.
 */
#include "shim/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shim/real.h"

#define LOCK_SPINS       256 /* about 10 µs of `pause` */
#define LOCK_PATIENCE_NS 20000000ull

static __thread int32_t self_tid;

static int32_t my_tid(void) {
    if (__builtin_expect(self_tid == 0, 0))
        self_tid = (int32_t)REAL(syscall)(SYS_gettid);
    return self_tid;
}
void lock_fork_child(void) {
    self_tid = 0;
}

void lock_init(struct shared *sh) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&sh->lock, &a);
    pthread_mutexattr_destroy(&a);
}

/* State letter of a thread, '\0' when it is gone (or in a pid namespace that we don't see). */
static char thread_state(int32_t pid, int32_t tid) {
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
    int fd = (int)REAL(syscall)(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return '\0';
    ssize_t n = REAL(read)(fd, text, sizeof(text) - 1);
    REAL(close)(fd);
    if (n <= 0)
        return '\0';
    text[n] = '\0';
    const char *paren = strrchr(text, ')'); /* the name may hold anything */
    return paren != NULL && paren[1] == ' ' ? paren[2] : '\0';
}

void lock_nudge_owner(struct host *h) {
    struct shared *sh = h->sh;
    int32_t pid = atomic_load(&sh->lock_pid), tid = atomic_load(&sh->lock_tid);
    uint32_t seq = atomic_load(&sh->lock_seq);
    if (pid == 0 || tid == 0)
        return;
    char state = thread_state(pid, tid);
    if (atomic_load(&sh->lock_seq) != seq || atomic_load(&sh->lock_tid) != tid)
        return; /* it has left meanwhile */
    if (state == 'T') {
        atomic_store(&sh->stop_pid, pid);
        if (kill(pid, SIGCONT) < 0)
            host_say_once("process %d was stopped while it held the stack's lock, and may not be "
                          "continued by this user: kill -CONT %d",
                          pid, pid);
    } else if (state == 't') {
        host_say_once("process %d is held by a debugger while it holds the stack's lock: all "
                      "programs of this host wait for it",
                      pid);
    }
}

static int wait_for_it(struct host *h) {
    pthread_mutex_t *m = &h->sh->lock;
    for (int i = 0; i < LOCK_SPINS; i++) {
        __builtin_ia32_pause();
        if (i % 8 == 7) {
            int r = pthread_mutex_trylock(m);
            if (r != EBUSY)
                return r;
        }
    }
    for (;;) {
        struct timespec until;
        uint64_t at = host_now() + LOCK_PATIENCE_NS;
        until.tv_sec = (time_t)(at / 1000000000u);
        until.tv_nsec = (long)(at % 1000000000u);
        int r = pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &until);
        if (r != ETIMEDOUT)
            return r;
        lock_nudge_owner(h);
    }
}

/* The last owner died inside. If we die here too, the next one finds the same and repairs again. */
static void repair(struct host *h) {
    stack_repair(h->st, host_now());
    afpacket_resync(h->packet);
    pthread_mutex_consistent(&h->sh->lock);
}

static void taken(struct host *h, int r) {
    struct shared *sh = h->sh;
    if (__builtin_expect(r != 0, 0)) {
        if (r != EOWNERDEAD) { /* the mutex itself is destroyed: nothing is safe any more */
            host_say_once("the stack's lock is broken (%s): giving up", strerror(r));
            _exit(70);
        }
        repair(h);
    }
    atomic_store_explicit(&sh->lock_pid, h->pid, memory_order_relaxed);
    atomic_store_explicit(&sh->lock_tid, my_tid(), memory_order_relaxed);
    uint32_t seq = atomic_load_explicit(&sh->lock_seq, memory_order_relaxed);
    atomic_store_explicit(&sh->lock_seq, seq + 1, memory_order_relaxed);
}

void lock_take(struct host *h) {
    int r = pthread_mutex_trylock(&h->sh->lock);
    if (__builtin_expect(r == EBUSY, 0))
        r = wait_for_it(h);
    taken(h, r);
}

bool lock_try(struct host *h) {
    int r = pthread_mutex_trylock(&h->sh->lock);
    if (r == EBUSY)
        return false;
    taken(h, r);
    return true;
}

void lock_give(struct host *h) {
    struct shared *sh = h->sh;
    atomic_store_explicit(&sh->lock_tid, 0, memory_order_relaxed);
    pthread_mutex_unlock(&sh->lock);
    if (__builtin_expect(atomic_load_explicit(&sh->stop_pid, memory_order_relaxed) == h->pid, 0) &&
        atomic_exchange(&sh->stop_pid, 0) == h->pid)
        kill(h->pid, SIGSTOP);
}

/* Theory of operation. The kernel knows only `on_signal` as a handler; what the program asked for
 * is in handlers[]. SIG_DFL and SIG_IGN go to the kernel as they are. The program's sa_mask and its
 * flags go to the kernel too, except:
 * - SA_SIGINFO is always set (we want the context), and shown to the program as it set it;
 * - SA_RESETHAND is carried out here, since a deferred signal is delivered twice by the kernel.
 *
 * Deferring: on_signal blocks the signal in this thread and in the interrupted context, and queues
 * it to this thread again with the same siginfo. It stays pending in the kernel until host_leave
 * unblocks it. So nothing is stored here, queueing order and merging are the kernel's, and a thread
 * that dies meanwhile loses nothing that it would not have lost.
 *
 * SIGSEGV, SIGBUS, SIGFPE and SIGILL are never deferred: a fault cannot be put off. (Whoever sends
 * such a signal by kill(2) to a thread within the stack, and has a handler that uses a socket, can
 * deadlock: documented, not solved.)
 *
 * Thread cancellation is the same problem by another door: a pthread_cancel() that hit a thread
 * inside the stack would kill it with the lock held. From the first pthread_cancel on, hold
 * switches it off.
 *
 * Not hooked: handlers that are installed by raw system calls (Go's runtime). They run at once. */
#include "shim/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "shim/hook.h"
#include "shim/real.h"

__thread struct signals_thread signals_self;
bool signals_cancel_used;
static __thread sigset_t held; /* valid while signals_self.deferred */

struct handler {
    _Atomic(void (*)(int, siginfo_t *, void *)) fn; /* a one-argument handler ignores the rest */
    _Atomic int flags;                              /* as the program gave them */
};
static struct handler handlers[_NSIG];

/* ---- running ---- */

static bool is_fault(int sig) {
    return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP ||
           sig == SIGSYS;
}

static void defer(int sig, siginfo_t *info, ucontext_t *uc) {
    struct signals_thread *t = &signals_self;
    if (!t->deferred)
        sigemptyset(&held);
    sigaddset(&held, sig);
    t->deferred = true;
    sigaddset(&uc->uc_sigmask, sig);
    sigset_t one; /* with SA_NODEFER it would come in again at once */
    sigemptyset(&one);
    sigaddset(&one, sig);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    REAL(syscall)(SYS_rt_tgsigqueueinfo, getpid(), REAL(syscall)(SYS_gettid), sig, info);
}

static void on_signal(int sig, siginfo_t *info, void *context) {
    int saved = errno;
    struct signals_thread *t = &signals_self;
    if (t->depth > 0 && !is_fault(sig)) {
        defer(sig, info, context);
        errno = saved;
        return;
    }
    void (*fn)(int, siginfo_t *, void *) = atomic_load(&handlers[sig].fn);
    int flags = atomic_load(&handlers[sig].flags);
    t->seen = true;
    if ((flags & SA_RESTART) == 0)
        t->seen_without_restart = true;
    void (*nudge)(void) = t->nudge;
    if ((flags & SA_RESETHAND) != 0) {
        struct sigaction dfl = {.sa_handler = SIG_DFL};
        REAL(sigaction)(sig, &dfl, NULL);
    }
    if (nudge != NULL)
        nudge();
    errno = saved;
    if (fn != NULL)
        fn(sig, info, context);
}

void signals_cancel_hold(void) {
    int old;
    if (signals_self.depth == 1 && !signals_self.cancel_off) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
        signals_self.cancel_off = old == PTHREAD_CANCEL_ENABLE;
    }
}

void signals_release_slow(void) {
    int saved = errno, old;
    if (signals_self.cancel_off) {
        signals_self.cancel_off = false;
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    }
    if (signals_self.deferred) {
        signals_self.deferred = false;
        sigset_t set = held;
        pthread_sigmask(SIG_UNBLOCK, &set, NULL); /* they come in now */
    }
    errno = saved;
}

void signals_seen_reset(void) {
    signals_self.seen = signals_self.seen_without_restart = false;
}
bool signals_seen(bool *without_restart) {
    *without_restart = signals_self.seen_without_restart;
    return signals_self.seen;
}
void signals_set_nudge(void (*nudge)(void)) {
    signals_self.nudge = nudge;
    __asm__ volatile("" ::: "memory");
}
void signals_fork_child(void) {
    signals_self.depth = 0;
    signals_self.nudge = NULL;
}

/* ---- what the program sets and sees ---- */

static bool is_handler(const struct sigaction *sa) {
    return sa->sa_handler != SIG_DFL && sa->sa_handler != SIG_IGN && sa->sa_handler != SIG_ERR &&
           sa->sa_handler != SIG_HOLD;
}

/* What the kernel says, in the program's terms. */
static void translate_old(struct sigaction *old, void (*fn)(int, siginfo_t *, void *), int flags) {
    if (old->sa_sigaction != on_signal)
        return;
    old->sa_sigaction = fn;
    old->sa_flags = (old->sa_flags & ~(SA_SIGINFO | (int)SA_RESETHAND)) |
                    (flags & (SA_SIGINFO | (int)SA_RESETHAND));
}

static int set_action(int sig, const struct sigaction *act, struct sigaction *old) {
    if (sig <= 0 || sig >= _NSIG)
        return REAL(sigaction)(sig, act, old);
    struct handler *h = &handlers[sig];
    sigset_t all, before;
    sigfillset(&all);
    /* No handler of this thread between the two writes. */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    void (*old_fn)(int, siginfo_t *, void *) = atomic_load(&h->fn);
    int old_flags = atomic_load(&h->flags), r;
    if (act != NULL && is_handler(act)) {
        struct sigaction ours = *act;
        ours.sa_sigaction = on_signal;
        ours.sa_flags = (act->sa_flags | SA_SIGINFO) & ~(int)SA_RESETHAND;
        atomic_store(&h->flags, act->sa_flags);
        atomic_store(&h->fn, act->sa_sigaction);
        r = REAL(sigaction)(sig, &ours, old);
        if (r < 0) {
            atomic_store(&h->flags, old_flags);
            atomic_store(&h->fn, old_fn);
        }
    } else {
        r = REAL(sigaction)(sig, act, old);
    }
    if (r == 0 && old != NULL)
        translate_old(old, old_fn, old_flags);
    int e = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = e;
    return r;
}

HOOK int sigaction(int sig, const struct sigaction *act, struct sigaction *old) {
    return set_action(sig, act, old);
}

static sighandler_t set_simple(int sig, sighandler_t handler, int flags) {
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;
    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&act.sa_mask);
    if ((flags & SA_NODEFER) == 0 && sig > 0 && sig < _NSIG)
        sigaddset(&act.sa_mask, sig);
    return set_action(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

static _Atomic uint64_t interrupting; /* siginterrupt(sig, 1) was said: signal() heeds it */

HOOK sighandler_t signal(int sig, sighandler_t handler) {
    bool intr = sig > 0 && sig < _NSIG && (atomic_load(&interrupting) >> (sig - 1) & 1) != 0;
    return set_simple(sig, handler, intr ? 0 : SA_RESTART);
}
HOOK sighandler_t bsd_signal(int sig, sighandler_t handler);
HOOK sighandler_t bsd_signal(int sig, sighandler_t handler) {
    return signal(sig, handler);
}
HOOK sighandler_t ssignal(int sig, sighandler_t handler) {
    return signal(sig, handler);
}
HOOK sighandler_t __sysv_signal(int sig, sighandler_t handler) {
    return set_simple(sig, handler, (int)SA_RESETHAND | SA_NODEFER);
}
HOOK sighandler_t sysv_signal(int sig, sighandler_t handler) {
    return __sysv_signal(sig, handler);
}

HOOK int siginterrupt(int sig, int on) {
    struct sigaction act;
    if (set_action(sig, NULL, &act) < 0)
        return -1;
    uint64_t bit = 1ull << (sig - 1);
    if (on) {
        atomic_fetch_or(&interrupting, bit);
        act.sa_flags &= ~SA_RESTART;
    } else {
        atomic_fetch_and(&interrupting, ~bit);
        act.sa_flags |= SA_RESTART;
    }
    return set_action(sig, &act, NULL);
}

/* System V's sigset(3): SIG_HOLD blocks; anything else sets the handler and unblocks. */
HOOK sighandler_t sigset(int sig, sighandler_t handler) {
    sigset_t set, before;
    sigemptyset(&set);
    if (sigaddset(&set, sig) < 0)
        return SIG_ERR;
    struct sigaction old;
    if (handler == SIG_HOLD) {
        if (pthread_sigmask(SIG_BLOCK, &set, &before) != 0 || set_action(sig, NULL, &old) < 0)
            return SIG_ERR;
    } else {
        struct sigaction act = {.sa_handler = handler};
        if (set_action(sig, &act, &old) < 0 || pthread_sigmask(SIG_UNBLOCK, &set, &before) != 0)
            return SIG_ERR;
    }
    return sigismember(&before, sig) ? SIG_HOLD : old.sa_handler;
}
HOOK int sigignore(int sig) {
    struct sigaction act = {.sa_handler = SIG_IGN};
    return set_action(sig, &act, NULL);
}

HOOK int pthread_cancel(pthread_t thread) {
    __atomic_store_n(&signals_cancel_used, true, __ATOMIC_SEQ_CST);
    return REAL(pthread_cancel)(thread);
}

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "shim/signals.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt is hooked too */

static volatile int runs, last_value, nudges;
static volatile sig_atomic_t in_stack_when_run;

static void on_info(int sig, siginfo_t *info, void *context) {
    (void)sig, (void)context;
    runs++;
    last_value = info->si_value.sival_int;
    in_stack_when_run |= signals_self.depth > 0;
}
static void on_plain(int sig) {
    (void)sig;
    runs++;
}
static void nudge(void) {
    nudges++;
}

static void install(int sig, int flags) {
    struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = flags | SA_SIGINFO};
    sigemptyset(&sa.sa_mask);
    cr_assert_eq(sigaction(sig, &sa, NULL), 0);
    runs = 0;
    in_stack_when_run = 0;
}
static bool is_blocked(int sig) {
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    return sigismember(&set, sig) == 1;
}

Test(signals, run_at_once_outside_the_stack) {
    install(SIGUSR1, 0);
    raise(SIGUSR1);
    cr_assert_eq(runs, 1);
}

Test(signals, wait_until_the_stack_is_left) {
    install(SIGUSR1, 0);
    signals_hold();
    signals_hold();
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711});
    cr_assert_eq(runs, 0);
    signals_release();
    cr_assert_eq(runs, 0);
    errno = EBADMSG;
    signals_release();
    cr_assert_eq(errno, EBADMSG);
    cr_assert_eq(runs, 1);
    cr_assert_eq(last_value, 4711); /* siginfo is the first delivery's */
    cr_assert(!in_stack_when_run);
    cr_assert(!is_blocked(SIGUSR1));
}

Test(signals, several_wait_together_and_nodefer_does_not_loop) {
    install(SIGUSR1, 0);
    install(SIGUSR2, SA_NODEFER);
    install(SIGRTMIN, 0);
    signals_hold();
    raise(SIGUSR1);
    raise(SIGUSR2);
    raise(SIGUSR2); /* pending already: merged, as the kernel does */
    raise(SIGRTMIN);
    raise(SIGRTMIN); /* real-time signals queue */
    cr_assert_eq(runs, 0);
    signals_release();
    cr_assert_eq(runs, 4);
}

Test(signals, a_mask_of_the_program_survives) {
    install(SIGUSR1, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signals_hold();
    raise(SIGUSR1);
    signals_release();
    cr_assert_eq(runs, 1);
    cr_assert(is_blocked(SIGUSR2) && !is_blocked(SIGUSR1));
}

Test(signals, the_program_sees_what_it_set) {
    struct sigaction sa = {.sa_handler = on_plain, .sa_flags = SA_RESTART | (int)SA_RESETHAND}, old;
    sigemptyset(&sa.sa_mask);
    sigaddset(&sa.sa_mask, SIGHUP);
    sigaction(SIGUSR1, &sa, NULL);
    sigaction(SIGUSR1, NULL, &old);
    cr_assert_eq(old.sa_handler, on_plain);
    cr_assert_eq(old.sa_flags & (SA_RESTART | (int)SA_RESETHAND | SA_SIGINFO | SA_NODEFER),
                 SA_RESTART | (int)SA_RESETHAND);
    cr_assert(sigismember(&old.sa_mask, SIGHUP));
    cr_assert_eq(signal(SIGUSR1, SIG_IGN), on_plain);
    cr_assert_eq(signal(SIGUSR1, on_plain), SIG_IGN);
    sigaction(SIGUSR1, NULL, &old);
    cr_assert((old.sa_flags & SA_RESTART) != 0); /* BSD's signal */
    siginterrupt(SIGUSR1, 1);
    sigaction(SIGUSR1, NULL, &old);
    cr_assert((old.sa_flags & SA_RESTART) == 0);
    cr_assert_eq(old.sa_handler, on_plain);
    cr_assert_eq(sigaction(SIGKILL, &sa, NULL), -1);
    cr_assert_eq(errno, EINVAL);
}

Test(signals, resethand_takes_effect_at_the_true_delivery) {
    install(SIGUSR1, (int)SA_RESETHAND);
    struct sigaction old;
    signals_hold();
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    cr_assert_eq(old.sa_sigaction, on_info);
    signals_release();
    cr_assert_eq(runs, 1);
    sigaction(SIGUSR1, NULL, &old);
    cr_assert_eq(old.sa_handler, SIG_DFL);
}

Test(signals, seen_tells_restart_apart) {
    bool without;
    install(SIGUSR1, SA_RESTART);
    install(SIGUSR2, 0);
    signals_seen_reset();
    cr_assert(!signals_seen(&without));
    signals_set_nudge(nudge);
    raise(SIGUSR1);
    cr_assert(signals_seen(&without) && !without);
    raise(SIGUSR2);
    cr_assert(signals_seen(&without) && without);
    signals_set_nudge(NULL);
    raise(SIGUSR2);
    cr_assert_eq(nudges, 2);
}

static void *be_cancelled(void *arg) {
    volatile int *left = arg;
    signals_hold();
    pthread_cancel(pthread_self());
    signals_hold(); /* from the next entry on it is off */
    signals_release();
    signals_release();
    signals_hold();
    pthread_testcancel();
    *left = 1;
    signals_release();
    pthread_testcancel();
    *left = 2;
    return NULL;
}
Test(signals, cancellation_waits_too) {
    int left = 0;
    pthread_t t;
    void *result;
    pthread_create(&t, NULL, be_cancelled, &left);
    pthread_join(t, &result);
    cr_assert_eq(result, PTHREAD_CANCELED);
    cr_assert_eq(left, 1);
}

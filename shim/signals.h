/* Signal handlers and the stack (D9). A handler may call write() on a socket of ours while its
 * thread is inside the stack. So sigaction, signal and their kin are hooked: the kernel gets our
 * handler, which calls the program's at once, unless this thread is inside host_enter/host_leave;
 * then the signal is noted, blocked, and raised again by host_leave. */
#ifndef SHIM_SIGNALS_H
#define SHIM_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* This thread's side of it. */
struct signals_thread {
    int32_t depth;   /* > 0: inside the stack */
    bool deferred;   /* signals wait, blocked, to be let in (`held` in signals.c) */
    bool cancel_off; /* pthread cancellation was switched off by signals_hold */
    bool seen, seen_without_restart;
    void (*nudge)(void); /* set while this thread is about to sleep: called after a handler */
};
extern __thread struct signals_thread signals_self __attribute__((visibility("hidden")));
extern bool signals_cancel_used __attribute__((visibility("hidden")));

void signals_cancel_hold(void);
void signals_release_slow(void);

/* Called by host_enter and host_leave. They nest. */
static inline void signals_hold(void) {
    signals_self.depth++;
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(signals_cancel_used, 0))
        signals_cancel_hold();
}
static inline void signals_release(void) {
    __asm__ volatile("" ::: "memory");
    if (--signals_self.depth == 0 &&
        __builtin_expect(signals_self.deferred || signals_self.cancel_off, 0))
        signals_release_slow();
}
/* Handlers that ran in this thread since the last signals_seen_reset: any, and any without
 * SA_RESTART. */
void signals_seen_reset(void);
bool signals_seen(bool *without_restart);
/* From now until NULL: `nudge` (async-signal-safe) is called after each handler that ran in this
 * thread, so that a sleep which is just about to begin ends at once. */
void signals_set_nudge(void (*nudge)(void));
/* In a fork child. */
void signals_fork_child(void);

#endif

/* Signal-driven I/O: SIGURG for urgent data to the owner (F_SETOWN), and SIGIO for anything else
 * when O_ASYNC is on. The core sends no signal: it keeps a list of socks with signals due, and
 * whoever drives the stack sends them, as it rings bells.
 *
 * Invariant: `signals` of a sock is the truth, the list derived (a crash between taking one off and
 * sending it loses it, as a signal that comes in a burst may be lost anyway). */
#include <poll.h>
#include <signal.h>

#include "stack/sock/sock_internal.h"

#define SIGNAL_URG 1u
#define SIGNAL_IO  2u

static void enlist(struct stack *st, struct sock *so) {
    if (so->signals == 0 || so->on_signals)
        return;
    so->on_signals = true;
    TAILQ_INSERT_TAIL(&st->socks->signals, so, signal_link);
}

void async_raise(struct stack *st, struct sock *so, uint32_t rose) {
    if (so->owner.id == 0 || !so->owner.may)
        return;
    if (rose & TCP_ROSE_URGENT)
        so->signals |= SIGNAL_URG;
    if (so->owner.async && (rose & ~TCP_ROSE_URGENT) != 0)
        so->signals |= SIGNAL_IO;
    enlist(st, so);
}

void async_forget(struct stack *st, struct sock *so) {
    so->signals = 0;
    if (!so->on_signals)
        return;
    so->on_signals = false;
    TAILQ_REMOVE(&st->socks->signals, so, signal_link);
}

void async_relink(struct stack *st, struct sock *so) {
    so->on_signals = false;
    enlist(st, so);
}

bool sock_next_signal(struct stack *st, struct sock_owner *to, int *sig) {
    struct sock *so = TAILQ_FIRST(&st->socks->signals);
    if (so == NULL)
        return false;
    bool urg = so->signals & SIGNAL_URG;
    *to = so->owner;
    *sig = urg ? SIGURG : so->owner.sig != 0 ? so->owner.sig : SIGIO;
    so->signals &= ~(urg ? SIGNAL_URG : SIGNAL_IO);
    if (so->signals == 0)
        async_forget(st, so);
    return true;
}

struct sock_owner *sock_owner(struct sock *so) {
    return &so->owner;
}

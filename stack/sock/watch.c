/* Watches and watch sets: who is told when something happens to a sock.
 *
 * Theory of operation. A watch is on its set's ready list when something may have happened that
 * its owner has not seen. Raising an event walks the sock's watches (few) and does O(1) for each;
 * nothing ever walks all watches of a set. Whether the sock really is ready is asked at collect:
 * a level-triggered watch goes back to the end of the list as long as it is (fairness), an
 * edge-triggered one leaves it until the next event, a one-shot is disarmed until watch_mod.
 *
 * A set that sleeps is put on the list of bells once per sleep. EPOLLEXCLUSIVE: of a sock's
 * exclusive watches, only those up to the first whose set sleeps are told (Linux's
 * __wake_up_common does so); accept passes the word on if more is left (sock_raise_exclusive).
 *
 * A watch whose sock is closed stays until watch_del, and reports POLLNVAL once. */
#include <poll.h>
#include <sys/epoll.h>

#include "stack/sock/sock_internal.h"

#define WATCH_FLAGS  (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)
#define WATCH_ALWAYS ((uint32_t)(POLLERR | POLLHUP)) /* reported whether asked for or not */

static uint32_t watch_mask(const struct watch *w) {
    return w->disarmed ? 0 : (w->events & ~(uint32_t)WATCH_FLAGS) | WATCH_ALWAYS;
}

/* ---- raising ---- */

void watchset_ring(struct stack *st, struct watchset *ws) {
    if (!ws->sleeping || ws->rung)
        return;
    ws->rung = true;
    ws->on_list = true;
    TAILQ_INSERT_TAIL(&st->socks->bells, ws, bell_link);
}

void watch_make_ready(struct watch *w) {
    if (w->ready)
        return;
    w->ready = true;
    TAILQ_INSERT_TAIL(&w->ws->ready, w, ready_link);
}

static void watch_unready(struct watch *w) {
    if (!w->ready)
        return;
    w->ready = false;
    TAILQ_REMOVE(&w->ws->ready, w, ready_link);
}

/* `now`: all current bits; level-triggered watches go by them, so that nothing is missed. */
static void raise_to(struct stack *st, struct sock *so, uint32_t rose, uint32_t now,
                     bool exclusive_only) {
    bool told_one = false;
    struct watch *w;
    TAILQ_FOREACH (w, &so->watches, by_sock) {
        bool exclusive = w->events & EPOLLEXCLUSIVE;
        uint32_t bits = w->events & EPOLLET ? rose : rose | now;
        if (!(bits & watch_mask(w)) || (exclusive ? told_one : exclusive_only))
            continue;
        if (exclusive && w->ws->sleeping && !w->ws->rung)
            told_one = true;
        watch_make_ready(w);
        watchset_ring(st, w->ws);
    }
}

void sock_raise(struct stack *st, struct sock *so, uint32_t rose) {
    if (!TAILQ_EMPTY(&so->watches))
        raise_to(st, so, rose, sock_ready(st, so), false);
}

void sock_raise_exclusive(struct stack *st, struct sock *so, uint32_t rose) {
    if (!TAILQ_EMPTY(&so->watches))
        raise_to(st, so, rose, 0, true);
}

static void udp_raise(struct stack *st, struct sock *so) {
    uint32_t rose = sock_ready(st, so) & ~(uint32_t)POLLOUT;
    async_raise(st, so, rose);
    sock_raise(st, so, rose);
}

void sock_dispatch(struct stack *st) {
    struct tcb *t;
    struct udp *u;
    uint32_t rose;
    while ((t = tcp_next_event(st, &rose)) != NULL) {
        struct sock *so = tcp_get_user(t);
        if (so != NULL) {
            async_raise(st, so, rose);
            sock_raise(st, so, rose & ~TCP_ROSE_URGENT);
        }
    }
    while ((u = udp_next_event(st)) != NULL) {
        struct sock *so = u->user;
        if (so != NULL)
            udp_raise(st, so);
    }
}

/* ---- sets ---- */

struct watchset *watchset_new(struct stack *st, uint32_t proc) {
    struct proc *p = proc_at(st, proc);
    struct watchset *ws = p != NULL ? pool_get(&st->socks->watchsets) : NULL;
    if (ws == NULL) {
        st->ctr.mem_watches_out++;
        return NULL;
    }
    ws->proc = proc;
    LIST_INIT(&ws->watches);
    TAILQ_INIT(&ws->ready);
    LIST_INSERT_HEAD(&p->watchsets, ws, by_proc);
    sock_barrier();
    ws->used = true;
    return ws;
}

void watchset_clear(struct stack *st, struct watchset *ws) {
    struct watch *w;
    while ((w = LIST_FIRST(&ws->watches)) != NULL)
        watch_del(st, w);
}

void watchset_free(struct stack *st, struct watchset *ws) {
    ws->used = false;
    ws->sleeping = false; /* it is no longer one that an exclusive event can be left to */
    sock_barrier();
    watchset_clear(st, ws);
    if (ws->on_list)
        TAILQ_REMOVE(&st->socks->bells, ws, bell_link);
    LIST_REMOVE(ws, by_proc);
    pool_put(&st->socks->watchsets, ws);
}

void watchset_sleep(struct watchset *ws, uint32_t bell) {
    ws->bell = bell;
    ws->rung = ws->on_list; /* a bell still to be rung for an earlier sleep serves this one */
    ws->sleeping = true;
}

void watchset_wake(struct watchset *ws) {
    ws->sleeping = false;
}

uint32_t sock_next_bell(struct stack *st) {
    struct watchset *ws;
    while ((ws = TAILQ_FIRST(&st->socks->bells)) != NULL) {
        TAILQ_REMOVE(&st->socks->bells, ws, bell_link);
        ws->on_list = false;
        if (ws->sleeping)
            return ws->bell;
    }
    return 0;
}

/* ---- watches ---- */

/* Ready at once if the sock is; its set, if it sleeps (another thread waits on it), is rung. */
static void watch_check(struct stack *st, struct watch *w) {
    if (w->so == NULL || !(sock_ready(st, w->so) & watch_mask(w)))
        return;
    watch_make_ready(w);
    watchset_ring(st, w->ws);
}

struct watch *watch_add(struct stack *st, struct watchset *ws, struct sock *so, uint32_t events,
                        uint64_t data) {
    struct watch *w = pool_get(&st->socks->watches);
    if (w == NULL) {
        st->ctr.mem_watches_out++;
        return NULL;
    }
    w->so = so;
    w->events = events;
    w->data = data;
    LIST_INSERT_HEAD(&ws->watches, w, by_set);
    TAILQ_INSERT_TAIL(&so->watches, w, by_sock);
    sock_barrier();
    w->ws = ws;
    watch_check(st, w);
    return w;
}

void watch_mod(struct stack *st, struct watch *w, uint32_t events, uint64_t data) {
    w->events = events;
    w->data = data;
    w->disarmed = false;
    watch_check(st, w);
}

void watch_del(struct stack *st, struct watch *w) {
    struct sock *so = w->so;
    /* It may have been told of what it was to pass over: another one is told instead. */
    bool pass_on = so != NULL && w->ready && w->events & EPOLLEXCLUSIVE;
    watch_unready(w);
    w->ws = NULL;
    sock_barrier();
    LIST_REMOVE(w, by_set);
    if (so != NULL)
        TAILQ_REMOVE(&so->watches, w, by_sock);
    pool_put(&st->socks->watches, w);
    if (pass_on)
        sock_raise_exclusive(st, so, sock_ready(st, so));
}

struct watch *watch_find(struct watchset *ws, const struct sock *so, uint64_t data) {
    struct watch *w;
    TAILQ_FOREACH (w, &so->watches, by_sock)
        if (w->ws == ws && w->data == data)
            return w;
    return NULL;
}

void watch_orphan_all(struct stack *st, struct sock *so) {
    struct watch *w;
    while ((w = TAILQ_FIRST(&so->watches)) != NULL) {
        TAILQ_REMOVE(&so->watches, w, by_sock);
        w->so = NULL;
        w->disarmed = false;
        watch_make_ready(w);
        watchset_ring(st, w->ws);
    }
}

/* ---- collecting ---- */

/* What w reports now; 0: nothing. */
static uint32_t watch_report(struct stack *st, const struct watch *w) {
    return w->so == NULL ? POLLNVAL : sock_ready(st, w->so) & watch_mask(w);
}

int watchset_collect(struct stack *st, struct watchset *ws, struct sock_event *ev, int max) {
    struct watch *w, *last = TAILQ_LAST(&ws->ready, watch_list);
    int n = 0;
    /* Up to the one that was last on entry, so that one put back is not looked at again. */
    for (bool done = last == NULL; !done && n < max;) {
        w = TAILQ_FIRST(&ws->ready);
        done = w == last;
        watch_unready(w);
        uint32_t bits = watch_report(st, w);
        if (bits == 0)
            continue;
        ev[n++] = (struct sock_event){.events = bits, .data = w->data};
        if (w->so == NULL)
            continue;
        if (w->events & EPOLLONESHOT)
            w->disarmed = true;
        else if (!(w->events & EPOLLET))
            watch_make_ready(w);
    }
    return n;
}

bool watchset_any_ready(struct stack *st, struct watchset *ws) {
    struct watch *w;
    while ((w = TAILQ_FIRST(&ws->ready)) != NULL) {
        if (watch_report(st, w) != 0)
            return true;
        watch_unready(w);
    }
    return false;
}

#include "shim/waiter.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "shim/bell.h"
#include "shim/real.h"
#include "shim/wait.h"

static _Atomic(struct waiter *) all;
static __thread struct waiter *innermost;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static bool have_exit_key;

struct waiter *waiter_first(void) {
    return atomic_load(&all);
}

/* ---- making and giving back ---- */

static void close_fds(struct waiter *w) {
    if (w->ep >= 0)
        host_drop_fd(w->ep);
    if (w->bell_fd >= 0)
        host_drop_fd(w->bell_fd);
    w->ep = w->bell_fd = -1;
}

/* What a wait that ended by longjmp, or with its thread, has left. */
static void clean_up(struct host *h, struct waiter *w) {
    host_enter(h);
    if (w->held != NULL)
        sock_put(h->st, w->held, h->proc);
    w->held = NULL;
    w->sleeps_on = NULL;
    if (w->ws != NULL)
        watchset_free(h->st, w->ws);
    w->ws = NULL;
    host_leave(h);
}

static void give_back(struct host *h, struct waiter *w) {
    clean_up(h, w);
    close_fds(w);
    w->frame = 0;
    atomic_store_explicit(&w->used, false, memory_order_release);
}

static void at_thread_exit(void *arg) {
    (void)arg;
    struct host *h = host_peek();
    while (innermost != NULL) {
        struct waiter *w = innermost;
        innermost = w->outer;
        if (h != NULL)
            give_back(h, w);
    }
}
static void make_exit_key(void) {
    have_exit_key = pthread_key_create(&exit_key, at_thread_exit) == 0;
}

static struct waiter *take_struct(void) {
    for (struct waiter *w = atomic_load(&all); w != NULL; w = w->next_all) {
        bool expected = false;
        if (atomic_compare_exchange_strong(&w->used, &expected, true))
            return w;
    }
    struct waiter *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    atomic_store(&w->used, true);
    w->next_all = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &w->next_all, w))
        ;
    return w;
}

static bool watch_fd(int ep, int fd, uint32_t events, enum waiter_tag tag) {
    struct epoll_event ev = {.events = events, .data.u32 = tag};
    return fd >= 0 && REAL(epoll_ctl)(ep, EPOLL_CTL_ADD, fd, &ev) == 0;
}

/* Descriptors and watch set. */
static bool equip(struct host *h, struct waiter *w) {
    w->ep = w->bell_fd = w->kept_epfd = -1;
    int ep = REAL(epoll_create1)(EPOLL_CLOEXEC);
    w->ep = ep >= 0 ? host_adopt_fd(ep) : -1;
    w->bell = atomic_fetch_add(&h->sh->next_bell, 1);
    int bell = bell_open(h->sh->cfg.ifname, w->bell);
    w->bell_fd = bell >= 0 ? host_adopt_fd(bell) : -1;
    if (w->ep < 0 || w->bell_fd < 0 || !watch_fd(w->ep, w->bell_fd, EPOLLIN, WAITER_BELL) ||
        !watch_fd(w->ep, h->packet_fd, EPOLLIN | EPOLLEXCLUSIVE, WAITER_LINK))
        return false;
    w->generation = 0;
    host_enter(h);
    w->ws = watchset_new(h->st, h->proc);
    host_leave(h);
    /* EPOLLEXCLUSIVE wakes in the order of registration, and the keeper is to be the last (D3). */
    atomic_store(&h->sh->keeper_requeue, 1);
    wait_ring(h, BELL_KEEPER);
    return w->ws != NULL;
}

static struct waiter *make(struct host *h) {
    pthread_once(&exit_once, make_exit_key);
    struct waiter *w = take_struct();
    if (w == NULL)
        return NULL;
    w->ws = w->sleeps_on = NULL;
    w->held = NULL;
    w->frame = 0;
    if (!equip(h, w)) {
        give_back(h, w);
        return NULL;
    }
    if (have_exit_key)
        pthread_setspecific(exit_key, w);
    return w;
}

/* ---- using ---- */

/* The stack grows downwards: a wait whose frame lies below ours cannot be one that we nest in. A
 * handler left it by longjmp. (A handler on an alternate stack that lies above the thread's own is
 * mistaken for that: the outer wait then finds its watches gone, and starts over.) */
static void drop_dead(struct host *h, uintptr_t frame) {
    while (innermost != NULL && innermost->frame != 0 && innermost->frame <= frame) {
        struct waiter *w = innermost;
        clean_up(h, w);
        w->frame = 0;
        if (w->outer == NULL) { /* kept for the next sleep */
            host_enter(h);
            w->ws = watchset_new(h->st, h->proc);
            host_leave(h);
            if (w->ws == NULL) {
                innermost = NULL;
                give_back(h, w);
            }
            return;
        }
        innermost = w->outer;
        give_back(h, w);
    }
}

/* A new connection to the keeper takes the old one's place. Edge-triggered: a dead one reports
 * itself once to each thread. */
static void watch_keeper(struct host *h, struct waiter *w) {
    if (w->generation == h->generation)
        return;
    w->generation = h->generation;
    watch_fd(w->ep, h->ctl_fd, EPOLLIN | EPOLLRDHUP | EPOLLET, WAITER_KEEPER);
}

struct waiter *waiter_begin(struct host *h, uintptr_t frame) {
    drop_dead(h, frame);
    struct waiter *w = innermost;
    if (w == NULL || w->frame != 0) { /* none yet, or we are in a handler within its sleep */
        w = make(h);
        if (w == NULL)
            return NULL;
        w->outer = innermost;
        innermost = w;
    }
    w->frame = frame;
    watch_keeper(h, w);
    return w;
}

void waiter_end(struct waiter *w) {
    w->frame = 0;
    if (w == innermost && w->outer != NULL) { /* nested sleeps are rare: nothing is kept for them */
        innermost = w->outer;
        struct host *h = host_peek();
        if (h != NULL)
            give_back(h, w);
    }
}

/* In a handler, also while waiter_begin runs: reads only what is whole. */
void waiter_nudge(void) {
    struct waiter *w = innermost;
    struct host *h = host_peek();
    if (w != NULL && h != NULL)
        wait_ring(h, w->bell);
}

struct waiter *waiter_on_set(const struct watchset *ws) {
    for (struct waiter *w = atomic_load(&all); w != NULL; w = w->next_all)
        if (atomic_load(&w->used) && w->sleeps_on == ws)
            return w;
    return NULL;
}

void waiter_fork_child(void) {
    for (struct waiter *w = atomic_load(&all); w != NULL; w = w->next_all) {
        if (atomic_load(&w->used))
            close_fds(w);
        w->ws = w->sleeps_on = NULL; /* the parent's */
        w->held = NULL;
        w->frame = 0;
        atomic_store(&w->used, false);
    }
    innermost = NULL;
}

void waiter_fd_moved(int from, int to) {
    for (struct waiter *w = atomic_load(&all); w != NULL; w = w->next_all) {
        if (!atomic_load(&w->used))
            continue;
        if (w->ep == from)
            w->ep = to;
        else if (w->bell_fd == from)
            w->bell_fd = to;
    }
}

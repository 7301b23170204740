/* Crash repair of the sock layer (DESIGN.md D8): a process died somewhere inside.
 *
 * All lists and the inode table are thrown away and made anew from the pools, by the rules about
 * what is the truth in sock_internal.h. Then both directions of sock ↔ endpoint are brought in
 * step: an endpoint whose user does not know it is closed, a sock whose endpoint is gone gets a new
 * one in the closed state. Sleepers are all rung: one wake-up too many does no harm, one too few
 * does. */
#include "stack/sock/sock_internal.h"

/* ---- pools and lists ---- */

static void reset_lists(struct stack *st) {
    struct socks *s = st->socks;
    struct sock *so;
    struct proc *p;
    struct watchset *ws;
    memset(s->by_ino, 0, (s->ino_mask + 1) * sizeof(*s->by_ino));
    TAILQ_INIT(&s->bells);
    TAILQ_INIT(&s->signals);
    POOL_FOREACH (&s->socks, i, so) {
        if (so->kind == SOCK_KIND_NONE) {
            pool_put(&s->socks, so);
            continue;
        }
        so->nrefs = 0;
        so->seen = false;
        async_relink(st, so);
        LIST_INIT(&so->refs);
        TAILQ_INIT(&so->watches);
    }
    POOL_FOREACH (&s->procs, i, p) {
        /* Made or named in one hold of the lock, so one without a parent was being made. */
        if (!p->used || (p->pid == 0 && p->parent == PROC_NONE)) {
            p->used = false;
            pool_put(&s->procs, p);
            continue;
        }
        LIST_INIT(&p->refs);
        LIST_INIT(&p->watchsets);
    }
    POOL_FOREACH (&s->watchsets, i, ws) {
        LIST_INIT(&ws->watches);
        TAILQ_INIT(&ws->ready);
    }
}

static bool is_sock(struct stack *st, const void *so) {
    return pool_owns(&st->socks->socks, so) && ((const struct sock *)so)->kind != SOCK_KIND_NONE;
}

static void relink_refs(struct stack *st) {
    struct pool *refs = &st->socks->refs;
    struct ref *r;
    POOL_FOREACH (refs, i, r) {
        if (r->count > 0 && proc_at(st, r->proc) != NULL && is_sock(st, r->so)) {
            ref_link(st, r);
        } else {
            r->count = 0;
            pool_put(refs, r);
        }
    }
}

static void relink_watchsets(struct stack *st) {
    struct pool *sets = &st->socks->watchsets;
    struct watchset *ws;
    POOL_FOREACH (sets, i, ws) {
        struct proc *p = ws->used ? proc_at(st, ws->proc) : NULL;
        if (p == NULL) {
            ws->used = false;
            pool_put(sets, ws);
            continue;
        }
        LIST_INSERT_HEAD(&p->watchsets, ws, by_proc);
        ws->on_list = ws->rung = false;
        watchset_ring(st, ws);
    }
}

static void relink_watches(struct stack *st) {
    struct pool *watches = &st->socks->watches;
    struct watch *w;
    POOL_FOREACH (watches, i, w) {
        if (w->ws == NULL || !pool_owns(&st->socks->watchsets, w->ws) || !w->ws->used) {
            w->ws = NULL;
            pool_put(watches, w);
            continue;
        }
        LIST_INSERT_HEAD(&w->ws->watches, w, by_set);
        if (w->so != NULL && !is_sock(st, w->so))
            w->so = NULL;
        if (w->so != NULL)
            TAILQ_INSERT_TAIL(&w->so->watches, w, by_sock);
        w->ready = false;
        watch_make_ready(w); /* collect finds out whether it is */
    }
}

/* ---- socks and their endpoints ---- */

static void check_tcb(struct stack *st, struct tcb *t, void *arg) {
    (void)arg;
    struct sock *so = tcp_get_user(t);
    if (so == NULL)
        return; /* an orphan: TCP's own */
    if (is_sock(st, so) && so->kind == SOCK_KIND_TCP && so->tcb == t) {
        so->seen = true;
        return;
    }
    tcp_set_user(t, NULL);
    tcp_close(st, t);
}

static void check_udp(struct stack *st, struct udp *u, void *arg) {
    (void)arg;
    struct sock *so = u->user;
    if (so != NULL && is_sock(st, so) && so->kind == SOCK_KIND_UDP && so->udp == u) {
        so->seen = true;
        return;
    }
    u->user = NULL;
    udp_close(st, u);
}

/* A sock that is held but whose endpoint is gone. */
static void give_endpoint(struct stack *st, struct sock *so) {
    so->conn = CONN_NONE;
    so->used = so->bound = false;
    if (so->kind == SOCK_KIND_TCP) {
        so->tcb = tcp_open(st);
        if (so->tcb == NULL)
            return;
        tcp_set_user(so->tcb, so);
        tcp_abort(st, so->tcb, ECONNABORTED);
        so->used = true;
    } else {
        so->udp = udp_open(st);
        if (so->udp == NULL)
            return;
        so->udp->user = so;
        sock_opts_apply(st, so);
    }
    st->ctr.repaired_conns++;
}

static void drop_all_refs(struct stack *st, struct sock *so) {
    struct ref *r;
    while (so->kind != SOCK_KIND_NONE && (r = LIST_FIRST(&so->refs)) != NULL) {
        r->count = 1;
        sock_put(st, so, r->proc);
    }
}

static void check_socks(struct stack *st) {
    struct pool *socks = &st->socks->socks;
    struct sock *so;
    POOL_FOREACH (socks, i, so) {
        if (!so->seen)
            so->tcb = NULL, so->udp = NULL;
        if (so->nrefs == 0) {
            so->ino = 0; /* in no list */
            sock_destroy(st, so);
            continue;
        }
        ino_insert(st, so);
        if (!so->seen)
            give_endpoint(st, so);
        if (so->tcb == NULL && so->udp == NULL)
            drop_all_refs(st, so);
    }
}

void sock_repair(struct stack *st) {
    struct socks *s = st->socks;
    pool_rebuild(&s->socks);
    pool_rebuild(&s->procs);
    pool_rebuild(&s->refs);
    pool_rebuild(&s->watches);
    pool_rebuild(&s->watchsets);
    reset_lists(st);
    relink_refs(st);
    relink_watchsets(st);
    relink_watches(st);
    tcp_foreach(st, check_tcb, NULL);
    udp_foreach(st, check_udp, NULL);
    check_socks(st);
}

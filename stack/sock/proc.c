/* Processes and their references.
 *
 * Holds who is attached to the host and how many descriptors of which sock each has. Dropping a
 * process drops exactly what it held. Does not know how a process's death is noticed: the keeper's
 * affair. */
#include "stack/sock/sock_internal.h"

struct proc *proc_at(struct stack *st, uint32_t proc) {
    struct pool *procs = &st->socks->procs;
    if (proc >= procs->max)
        return NULL;
    struct proc *p = pool_at(procs, proc);
    return p != NULL && p->used ? p : NULL;
}

int proc_attach(struct stack *st, int32_t pid, uint64_t starttime) {
    struct proc *p = pool_get(&st->socks->procs);
    if (p == NULL) {
        st->ctr.mem_procs_out++;
        return -EAGAIN;
    }
    p->pid = pid;
    p->starttime = starttime;
    p->parent = PROC_NONE;
    LIST_INIT(&p->refs);
    LIST_INIT(&p->watchsets);
    sock_barrier();
    p->used = true;
    return (int)pool_index(&st->socks->procs, p);
}

void proc_set_pid(struct stack *st, uint32_t proc, int32_t pid, uint64_t starttime) {
    struct proc *p = proc_at(st, proc);
    if (p == NULL)
        return;
    p->starttime = starttime;
    p->parent = PROC_NONE;
    p->pid = pid;
}

uint32_t proc_find(struct stack *st, int32_t pid, uint64_t starttime) {
    struct pool *procs = &st->socks->procs;
    struct proc *p;
    POOL_FOREACH (procs, i, p)
        if (p->used && p->pid == pid && p->starttime == starttime)
            return i;
    return PROC_NONE;
}

uint32_t proc_next(struct stack *st, uint32_t *iter, int32_t *pid, uint64_t *starttime) {
    struct pool *procs = &st->socks->procs;
    while (*iter < procs->fresh) {
        uint32_t i = (*iter)++;
        struct proc *p = proc_at(st, i);
        if (p != NULL) {
            *pid = p->pid;
            *starttime = p->starttime;
            return i;
        }
    }
    return PROC_NONE;
}

uint32_t proc_count(struct stack *st) {
    return st->socks->procs.n_used;
}

/* ---- references ---- */

struct ref *ref_find(const struct sock *so, uint32_t proc) {
    struct ref *r;
    LIST_FOREACH (r, &so->refs, by_sock)
        if (r->proc == proc)
            return r;
    return NULL;
}

void ref_link(struct stack *st, struct ref *r) {
    LIST_INSERT_HEAD(&r->so->refs, r, by_sock);
    LIST_INSERT_HEAD(&proc_at(st, r->proc)->refs, r, by_proc);
    r->so->nrefs++;
}

/* A first reference of `proc` with that count. */
static int ref_new(struct stack *st, struct sock *so, uint32_t proc, uint32_t count) {
    struct ref *r = pool_get(&st->socks->refs);
    if (r == NULL) {
        st->ctr.mem_refs_out++;
        return -ENOBUFS;
    }
    r->proc = proc;
    r->so = so;
    ref_link(st, r);
    sock_barrier();
    r->count = count;
    return 0;
}

/* Takes away the whole reference; the last one of all processes closes the sock. */
static void ref_drop(struct stack *st, struct ref *r) {
    struct sock *so = r->so;
    r->count = 0;
    sock_barrier();
    LIST_REMOVE(r, by_sock);
    LIST_REMOVE(r, by_proc);
    pool_put(&st->socks->refs, r);
    if (--so->nrefs == 0)
        sock_destroy(st, so);
}

int sock_get(struct stack *st, struct sock *so, uint32_t proc) {
    if (proc_at(st, proc) == NULL)
        return -ENOBUFS;
    struct ref *r = ref_find(so, proc);
    if (r == NULL)
        return ref_new(st, so, proc, 1);
    r->count++;
    return 0;
}

void sock_put(struct stack *st, struct sock *so, uint32_t proc) {
    struct ref *r = ref_find(so, proc);
    if (r == NULL)
        return;
    if (r->count > 1)
        r->count--;
    else
        ref_drop(st, r);
    stack_clean(st);
}

uint32_t sock_refs(struct stack *st, const struct sock *so, uint32_t proc) {
    (void)st;
    const struct ref *r = ref_find(so, proc);
    return r != NULL ? r->count : 0;
}

int proc_inherit(struct stack *st, uint32_t from, uint32_t to) {
    struct proc *pf = proc_at(st, from), *pt = proc_at(st, to);
    if (pf == NULL || pt == NULL)
        return -ENOBUFS;
    uint32_t need = 0;
    struct ref *r;
    LIST_FOREACH (r, &pf->refs, by_proc)
        need++;
    struct pool *refs = &st->socks->refs;
    if (need > refs->max - refs->n_used) {
        st->ctr.mem_refs_out++;
        return -ENOBUFS;
    }
    if (pt->pid == 0)
        pt->parent = from;
    LIST_FOREACH (r, &pf->refs, by_proc) {
        struct ref *have = ref_find(r->so, to);
        if (have != NULL)
            have->count += r->count;
        else
            (void)ref_new(st, r->so, to, r->count); /* there is room: counted above */
    }
    return 0;
}

static void proc_drop(struct stack *st, struct proc *p) {
    struct ref *r;
    while ((r = LIST_FIRST(&p->refs)) != NULL)
        ref_drop(st, r);
    struct watchset *ws;
    while ((ws = LIST_FIRST(&p->watchsets)) != NULL)
        watchset_free(st, ws);
    p->used = false;
    sock_barrier();
    pool_put(&st->socks->procs, p);
}

void proc_detach(struct stack *st, uint32_t proc) {
    struct proc *p = proc_at(st, proc);
    if (p == NULL)
        return;
    proc_drop(st, p);
    /* An embryo that it made and never named: the process died in the middle of fork(). */
    struct pool *procs = &st->socks->procs;
    POOL_FOREACH (procs, i, p)
        if (p->used && p->pid == 0 && p->parent == proc)
            proc_drop(st, p);
    stack_clean(st);
}

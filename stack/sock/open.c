/* Making and unmaking socks, and finding them by the inode of the descriptor that stands for them.
 *
 * A sock is freed at once with its last reference; the tcb behind it lives on as an orphan until
 * TCP is done with it. */
#include "stack/sock/sock_internal.h"

void sock_config_default(struct sock_config *cfg) {
    *cfg = (struct sock_config){
        .max_socks = 65536,
        .max_procs = 4096,
        .max_refs = 262144,
        .max_watches = 262144,
        .max_watchsets = 16384,
    };
}

static uint32_t ino_buckets(const struct sock_config *cfg) {
    uint32_t n = 16;
    while (n < cfg->max_socks)
        n *= 2;
    return n;
}

/* A pool's object, rounded up to a cache line, its in_use byte and its place on the free list. */
static size_t pool_size(size_t obj, uint32_t n) {
    return (size_t)n * (obj + 64 + 1 + 4) + 128;
}

size_t sock_mem_size(const struct sock_config *cfg) {
    return sizeof(struct socks) + 64 + ino_buckets(cfg) * sizeof(struct ino_bucket) +
           pool_size(sizeof(struct sock), cfg->max_socks) +
           pool_size(sizeof(struct proc), cfg->max_procs) +
           pool_size(sizeof(struct ref), cfg->max_refs) +
           pool_size(sizeof(struct watch), cfg->max_watches) +
           pool_size(sizeof(struct watchset), cfg->max_watchsets);
}

int sock_init(struct stack *st, const struct sock_config *cfg) {
    struct arena *a = &st->arena;
    struct socks *s = arena_alloc(a, sizeof(*s), _Alignof(struct socks));
    if (s == NULL)
        return -ENOMEM;
    uint32_t buckets = ino_buckets(cfg);
    s->by_ino = arena_alloc(a, buckets * sizeof(*s->by_ino), _Alignof(struct ino_bucket));
    if (s->by_ino == NULL || !pool_init(&s->socks, a, sizeof(struct sock), cfg->max_socks) ||
        !pool_init(&s->procs, a, sizeof(struct proc), cfg->max_procs) ||
        !pool_init(&s->refs, a, sizeof(struct ref), cfg->max_refs) ||
        !pool_init(&s->watches, a, sizeof(struct watch), cfg->max_watches) ||
        !pool_init(&s->watchsets, a, sizeof(struct watchset), cfg->max_watchsets))
        return -ENOMEM;
    s->ino_mask = buckets - 1;
    s->ino_key = rand_key(&st->rand);
    TAILQ_INIT(&s->bells);
    TAILQ_INIT(&s->signals);
    st->socks = s;
    return 0;
}

/* ---- by inode ---- */

static struct ino_bucket *ino_bucket(struct stack *st, uint64_t ino) {
    struct socks *s = st->socks;
    return &s->by_ino[siphash(&s->ino_key, &ino, sizeof(ino)) & s->ino_mask];
}

void ino_insert(struct stack *st, struct sock *so) {
    if (so->ino != 0)
        LIST_INSERT_HEAD(ino_bucket(st, so->ino), so, by_ino);
}

void sock_set_ino(struct stack *st, struct sock *so, uint64_t ino) {
    if (so->ino != 0)
        LIST_REMOVE(so, by_ino);
    so->ino = ino;
    ino_insert(st, so);
}

struct sock *sock_find_ino(struct stack *st, uint64_t ino) {
    struct sock *so;
    LIST_FOREACH (so, ino_bucket(st, ino), by_ino)
        if (so->ino == ino)
            return so;
    return NULL;
}

uint32_t sock_count(struct stack *st) {
    return st->socks->socks.n_used;
}

/* ---- making ---- */

/* Of a kind, with neither endpoint nor reference. */
struct sock *sock_new(struct stack *st, enum sock_kind kind) {
    struct sock *so = pool_get(&st->socks->socks);
    if (so == NULL) {
        st->ctr.mem_socks_out++;
        return NULL;
    }
    LIST_INIT(&so->refs);
    TAILQ_INIT(&so->watches);
    sock_barrier();
    so->kind = kind;
    return so;
}

/* Which protocol socket(2) means: inet_create's rules. */
static int kind_of(int family, int type, int protocol, enum sock_kind *kind) {
    if (family != AF_INET)
        return -EAFNOSUPPORT;
    if (protocol < 0 || protocol >= IPPROTO_MAX)
        return -EINVAL;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    int natural = type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
    if (protocol != IPPROTO_IP && protocol != natural)
        return -EPROTONOSUPPORT;
    *kind = type == SOCK_STREAM ? SOCK_KIND_TCP : SOCK_KIND_UDP;
    return 0;
}

int sock_open(struct stack *st, uint32_t proc, int family, int type, int protocol, uint64_t ino,
              struct sock **out) {
    enum sock_kind kind;
    int err = kind_of(family, type, protocol, &kind);
    if (err != 0)
        return err;
    struct sock *so = sock_new(st, kind);
    if (so == NULL)
        return -ENFILE;
    if (kind == SOCK_KIND_TCP) {
        struct tcb *t = tcp_open(st);
        if (t != NULL) {
            tcp_set_user(t, so);
            so->tcb = t;
        }
    } else {
        struct udp *u = udp_open(st);
        if (u != NULL) {
            u->user = so;
            u->rcvbuf = tcp_get_config(st)->core_rmem_default;
            so->udp = u;
        }
    }
    if (so->tcb == NULL && so->udp == NULL)
        err = -ENFILE;
    else {
        sock_opts_default(st, so);
        sock_set_ino(st, so, ino);
        err = sock_get(st, so, proc);
    }
    if (err != 0)
        sock_destroy(st, so);
    else
        *out = so;
    stack_clean(st);
    return err;
}

int sock_replace_tcb(struct stack *st, struct sock *so) {
    struct tcb *fresh = tcp_open(st), *old = so->tcb;
    if (fresh == NULL)
        return -ENOBUFS;
    tcp_set_user(fresh, so);
    *tcp_opts(fresh) = *tcp_opts(old);
    so->tcb = fresh;
    tcp_set_user(old, NULL);
    tcp_abort(st, old, 0);
    tcp_md5_move(st, fresh, old); /* not before its RST is signed */
    tcp_close(st, old);
    tcp_opts_changed(st, fresh);
    so->conn = CONN_NONE;
    so->used = false;
    /* Linux keeps what bind(2) was told (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK). */
    return so->bound ? tcp_bind(st, fresh, &so->bound_to) : 0;
}

/* ---- unmaking ---- */

void sock_destroy(struct stack *st, struct sock *so) {
    struct tcb *t = so->tcb;
    struct udp *u = so->udp;
    watch_orphan_all(st, so);
    async_forget(st, so);
    if (so->ino != 0)
        LIST_REMOVE(so, by_ino);
    so->kind = SOCK_KIND_NONE;
    so->ino = 0;
    so->tcb = NULL;
    so->udp = NULL;
    sock_barrier();
    pool_put(&st->socks->socks, so);
    /* Last: a process that dies here leaves an endpoint whose user is no sock, which repair closes.
     */
    if (t != NULL) {
        tcp_set_user(t, NULL);
        tcp_close(st, t);
    }
    if (u != NULL) {
        u->user = NULL;
        udp_close(st, u);
    }
}

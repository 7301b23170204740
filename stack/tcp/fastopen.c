#include "stack/tcp/fastopen.h"

#include "stack/tcp/cc.h"
#include "stack/tcp/tcb.h"

#include <poll.h>

void fastopen_init(struct tcb *t) {
    memset(&t->fo, 0, sizeof(t->fo));
    TAILQ_INIT(&t->fo.queue);
}

/* ---- cookies ---- */

static uint64_t le64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* As Linux makes them, so that servers behind one address may be of both kinds. */
void fastopen_cookie(const uint8_t key[static FASTOPEN_KEY_LEN], const struct endpoint *client,
                     const struct endpoint *server, uint8_t cookie[static FASTOPEN_COOKIE_LEN]) {
    struct siphash_key k = {{le64(key), le64(key + 8)}};
    be32_t addrs[2] = {addr_to_be(&client->addr), addr_to_be(&server->addr)};
    uint64_t hash = siphash(&k, addrs, sizeof(addrs));
    for (unsigned i = 0; i < FASTOPEN_COOKIE_LEN; i++)
        cookie[i] = (uint8_t)(hash >> (8 * i));
}

struct keys {
    const uint8_t *bytes;
    unsigned n;
};

/* The listener's own, else the stack's, else one that nobody has chosen. */
static struct keys keys_of(struct stack *st, const struct tcb *l) {
    const struct tcp_config *cfg = &st->tcp->cfg;
    if (l->opts.fastopen_keys > 0)
        return (struct keys){l->opts.fastopen_key, l->opts.fastopen_keys};
    if (cfg->fastopen_keys > 0)
        return (struct keys){cfg->fastopen_key, cfg->fastopen_keys};
    return (struct keys){st->tcp->fastopen_key, 1};
}

/* Which key the cookie is of; -1: none. */
static int match(const struct keys *keys, const struct tcb *t, const struct tcp_fo_opt *o) {
    uint8_t good[FASTOPEN_COOKIE_LEN];
    if (o->len != FASTOPEN_COOKIE_LEN)
        return -1;
    for (size_t i = 0; i < keys->n; i++) {
        fastopen_cookie(keys->bytes + i * FASTOPEN_KEY_LEN, &t->remote, &t->local, good);
        if (memcmp(good, o->cookie, sizeof(good)) == 0)
            return (int)i;
    }
    return -1;
}

/* ---- server ---- */

static uint32_t queue_max(const struct stack *st, const struct tcb *l) {
    uint32_t any = FASTOPEN_SERVER | FASTOPEN_SERVER_ANY, max = l->opts.fastopen_qlen;
    if (max == 0 && (st->tcp->cfg.fastopen & any) == any)
        max = l->backlog;
    return u32_min(max, st->tcp->cfg.somaxconn);
}

static bool queue_has_room(struct stack *st, struct tcb *l) {
    uint32_t max = queue_max(st, l);
    if (st->now_ns - l->fo.reset_ns >= FASTOPEN_RESET_NS)
        l->fo.n_reset = 0;
    if (max == 0)
        return false;
    if (l->fo.n_pending + l->fo.n_reset < max)
        return true;
    st->ctr.TcpExtTCPFastOpenListenOverflow++;
    return false;
}

static void answer(struct tcb *t, const struct keys *keys, bool exp) {
    t->fo.option = (struct tcp_fo_opt){.present = true, .exp = exp, .len = FASTOPEN_COOKIE_LEN};
    fastopen_cookie(keys->bytes, &t->remote, &t->local, t->fo.option.cookie);
}

bool fastopen_may(struct stack *st, struct tcb *l, struct tcb *t, const struct seg *s) {
    const struct tcp_fo_opt *o = &s->h.opt.fo;
    uint32_t on = st->tcp->cfg.fastopen;
    if (o->present && o->len == 0)
        st->ctr.TcpExtTCPFastOpenCookieReqd++;
    if (!(on & FASTOPEN_SERVER) || (s->len == 0 && !o->present) || !queue_has_room(st, l))
        return false;
    if ((on & FASTOPEN_SERVER_NO_COOKIE) || l->opts.fastopen_no_cookie)
        return true;
    if (!o->present || md5_key(t) != NULL) /* a signature leaves no room for a cookie */
        return false;
    struct keys keys = keys_of(st, l);
    int which = match(&keys, t, o);
    if (which != 0) /* asked for, of a key of yesterday, or forged: the good one goes back */
        answer(t, &keys, o->exp);
    st->ctr.TcpExtTCPFastOpenPassiveAltKey += which > 0;
    st->ctr.TcpExtTCPFastOpenPassiveFail += which < 0 && o->len > 0;
    return which >= 0;
}

static void enqueue(struct tcb *l, struct tcb *t) {
    t->fo.listener = l;
    TAILQ_INSERT_TAIL(&l->fo.queue, t, fo.link);
    l->fo.n_pending++;
}

static void dequeue(struct tcb *t) {
    struct tcb *l = t->fo.listener;
    if (l == NULL)
        return;
    TAILQ_REMOVE(&l->fo.queue, t, fo.link);
    l->fo.n_pending--;
    t->fo.listener = NULL;
}

void fastopen_begin(struct stack *st, struct tcb *l, struct tcb *t, struct seg *s) {
    st->ctr.TcpExtTCPFastOpenPassive++;
    t->fo.pending = true;
    enqueue(l, t);
    t->snd.una = seq_add(t->snd.iss, 1); /* data is counted from here; the SYN-ACK apart from it */
    tcb_begin_data(st, t);
    t->rcv.adv = seq_add(t->rcv.nxt, recv_syn_window(t));
    s->seq = seq_add(s->seq, 1);
    s->syn = false;
    t->fo.data = s->len > 0;
    input_text(st, t, s);
    t->ack.now = t->ack.owed = false; /* the SYN-ACK is the ACK */
    tcp_on_ack_sent(st, t);
}

void fastopen_settle(struct stack *st, struct tcb *t, bool reset) {
    if (!t->fo.pending)
        return;
    t->fo.pending = false;
    if (reset && t->fo.listener != NULL) {
        t->fo.listener->fo.n_reset++;
        t->fo.listener->fo.reset_ns = st->now_ns;
    }
    dequeue(t);
}

void fastopen_listener_closed(struct tcb *l) {
    struct tcb *t;
    while ((t = TAILQ_FIRST(&l->fo.queue)) != NULL)
        dequeue(t);
}

void fastopen_relink(struct tcb *t) {
    struct tcb *l = t->fo.listener;
    t->fo.listener = NULL;
    if (t->fo.pending && l != NULL && l->state == TCPS_LISTEN)
        enqueue(l, t);
}

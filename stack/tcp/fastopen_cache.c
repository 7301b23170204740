#include "stack/tcp/fastopen_cache.h"

#include "stack/tcp/tcb.h"

static struct fastopen_server *set_of(struct stack *st, const struct addr *a) {
    be32_t v4 = addr_to_be(a);
    uint64_t hash = siphash(&st->tcp->cookie_key, &v4, sizeof(v4));
    return st->tcp->fastopen_cache.server[hash % FASTOPEN_CACHE_SETS];
}

static struct fastopen_server *find(struct stack *st, const struct addr *a) {
    struct fastopen_server *set = set_of(st, a);
    for (int i = 0; i < FASTOPEN_CACHE_WAYS; i++)
        if (set[i].used_ns != 0 && addr_eq(&set[i].addr, a))
            return &set[i];
    return NULL;
}

const struct fastopen_server *fastopen_cache_find(struct stack *st, const struct addr *server) {
    struct fastopen_server *s = find(st, server);
    if (s != NULL)
        s->used_ns = st->now_ns;
    return s;
}

static struct fastopen_server *make_room(struct stack *st, const struct addr *a) {
    struct fastopen_server *set = set_of(st, a), *oldest = &set[0];
    for (int i = 1; i < FASTOPEN_CACHE_WAYS; i++)
        if (set[i].used_ns < oldest->used_ns)
            oldest = &set[i];
    *oldest = (struct fastopen_server){.addr = *a};
    return oldest;
}

void fastopen_cache_store(struct stack *st, const struct addr *server, uint16_t mss,
                          const struct tcp_fo_opt *cookie, enum fastopen_try try) {
    struct fastopen_server *s = find(st, server);
    if (s == NULL)
        s = make_room(st, server);
    s->used_ns = st->now_ns;
    s->mss = mss;
    if (cookie->present && cookie->len > 0)
        s->cookie = *cookie;
    else if (try > s->try && !s->cookie.present)
        s->try = (uint8_t)try;
}

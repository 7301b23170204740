#include "stack/tcp/winmin.h"

/* Samples from i on become this one. */
static void renew(struct winmin *m, int i, uint64_t at, uint64_t v) {
    for (; i < 3; i++)
        m->s[i].v = v, m->s[i].at = at;
}

void winmin_reset(struct winmin *m) {
    renew(m, 0, 0, UINT64_MAX);
}

static void drop_oldest(struct winmin *m, uint64_t at, uint64_t v) {
    m->s[0] = m->s[1];
    m->s[1] = m->s[2];
    renew(m, 2, at, v);
}

uint64_t winmin_add(struct winmin *m, uint64_t window, uint64_t at, uint64_t v) {
    int i = 0;
    while (i < 3 && v > m->s[i].v)
        i++;
    renew(m, at - m->s[2].at > window ? 0 : i, at, v);
    if (at - m->s[0].at > window) {
        drop_oldest(m, at, v);
        if (at - m->s[0].at > window)
            drop_oldest(m, at, v);
    } else if (m->s[1].at == m->s[0].at && at - m->s[1].at > window / 4) {
        renew(m, 1, at, v); /* a quarter of it has passed without a second one */
    } else if (m->s[2].at == m->s[1].at && at - m->s[2].at > window / 2) {
        renew(m, 2, at, v);
    }
    return m->s[0].v;
}

/* Error queues; theory in the header. */
#include "stack/net/errq.h"

#include <errno.h>

#include "stack/net/net_internal.h"

size_t errq_mem_size(uint32_t max) {
    return (size_t)max * (sizeof(struct errmsg) + 64 + 5) + 256;
}

int errq_pool_init(struct stack *st, uint32_t max) {
    return pool_init(&st->net->errq.msgs, &st->arena, sizeof(struct errmsg), max) ? 0 : -ENOMEM;
}

void errq_init(struct errq *q) {
    TAILQ_INIT(&q->list);
    q->n = 0;
}

struct errmsg *errq_add(struct stack *st, struct errq *q) {
    struct errmsg *m = q->n < ERRQ_MAX ? pool_get(&st->net->errq.msgs) : NULL;
    if (m == NULL) {
        st->ctr.errq_drops++;
        return NULL;
    }
    m->order = ++st->net->errq.order;
    m->owner = q;
    TAILQ_INSERT_TAIL(&q->list, m, link);
    q->n++;
    return m;
}

void errq_drop_first(struct stack *st, struct errq *q) {
    struct errmsg *m = TAILQ_FIRST(&q->list);
    TAILQ_REMOVE(&q->list, m, link);
    q->n--;
    m->owner = NULL;
    pool_put(&st->net->errq.msgs, m);
}

void errq_clear(struct stack *st, struct errq *q) {
    while (q->n > 0)
        errq_drop_first(st, q);
}

/* ---- crash repair ---- */

void errq_repair_begin(struct stack *st) {
    struct errmsg *m;
    pool_rebuild(&st->net->errq.msgs);
    POOL_FOREACH (&st->net->errq.msgs, i, m)
        m->kept = false;
}

static void insert_by_order(struct errq *q, struct errmsg *m) {
    struct errmsg *o;
    TAILQ_FOREACH_REVERSE(o, &q->list, errq_list, link)
    if (o->order < m->order)
        break;
    if (o != NULL)
        TAILQ_INSERT_AFTER(&q->list, o, m, link);
    else
        TAILQ_INSERT_HEAD(&q->list, m, link);
    m->kept = true;
    q->n++;
}

void errq_repair_keep(struct stack *st, struct errq *q) {
    struct errmsg *m;
    bool any = q->n > 0; /* 0 but for a message that was just being queued, which is lost */
    errq_init(q);
    if (!any)
        return;
    POOL_FOREACH (&st->net->errq.msgs, i, m)
        if (m->owner == q)
            insert_by_order(q, m);
}

void errq_repair_end(struct stack *st) {
    struct errmsg *m;
    POOL_FOREACH (&st->net->errq.msgs, i, m) {
        if (!m->kept) {
            m->owner = NULL;
            pool_put(&st->net->errq.msgs, m);
        }
    }
}

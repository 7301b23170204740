#include "stack/link/frameq.h"

#include <assert.h>
#include <string.h>

#include "stack/base/timer.h"
#include "stack/link/gso.h"

struct cell {
    struct cell *next;
    uint8_t data[FRAMEQ_CELL_SIZE - sizeof(struct cell *)];
};

struct frameq_entry {
    struct frameq_meta meta;
    uint64_t arrival;
    struct cell *cells;
};

#define CELL_DATA sizeof(((struct cell *)NULL)->data)
/* What one cell takes with an entry of its own, a heap place, and the pools' books. */
#define BYTES_PER_CELL (FRAMEQ_CELL_SIZE + 64 + sizeof(void *) + 2 * (1 + sizeof(uint32_t)))
#define SLACK          512u /* alignment of the pieces */

static uint32_t cells_for(uint32_t len) {
    return (uint32_t)((len + CELL_DATA - 1) / CELL_DATA);
}

bool frameq_init(struct frameq *q, void *mem, size_t size) {
    _Static_assert(sizeof(struct frameq_entry) <= 64, "BYTES_PER_CELL counts with one line");
    if (size < SLACK || (size - SLACK) / BYTES_PER_CELL < cells_for(GSO_FRAME_MAX))
        return false;
    uint32_t n = (uint32_t)((size - SLACK) / BYTES_PER_CELL);
    *q = (struct frameq){.mem = mem, .size = size};
    arena_init(&q->arena, mem, size);
    q->heap = arena_alloc(&q->arena, n * sizeof(struct frameq_entry *), sizeof(void *));
    return q->heap != NULL && pool_init(&q->entries, &q->arena, sizeof(struct frameq_entry), n) &&
           pool_init(&q->cells, &q->arena, sizeof(struct cell), n);
}

void frameq_reset(struct frameq *q) {
    memset(q->entries.in_use, 0, q->entries.max);
    memset(q->cells.in_use, 0, q->cells.max);
    pool_rebuild(&q->entries);
    pool_rebuild(&q->cells);
    q->n = 0;
}

static bool before(const struct frameq_entry *a, const struct frameq_entry *b) {
    if (a->meta.due_ns != b->meta.due_ns)
        return a->meta.due_ns < b->meta.due_ns;
    return a->arrival < b->arrival;
}

static void heap_up(struct frameq *q, uint32_t i, struct frameq_entry *e) {
    for (; i > 0 && before(e, q->heap[(i - 1) / 2]); i = (i - 1) / 2)
        q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = e;
}

static void heap_down(struct frameq *q, uint32_t i, struct frameq_entry *e) {
    for (uint32_t kid; (kid = 2 * i + 1) < q->n; i = kid) {
        if (kid + 1 < q->n && before(q->heap[kid + 1], q->heap[kid]))
            kid++;
        if (!before(q->heap[kid], e))
            break;
        q->heap[i] = q->heap[kid];
    }
    q->heap[i] = e;
}

bool frameq_push(struct frameq *q, const struct frameq_meta *m, const uint8_t *data) {
    if (q->cells.n_used + cells_for(m->len) > q->cells.max || q->entries.n_used == q->entries.max)
        return false;
    struct frameq_entry *e = pool_get_raw(&q->entries);
    *e = (struct frameq_entry){.meta = *m, .arrival = q->arrivals++};
    struct cell **tail = &e->cells;
    for (uint32_t off = 0; off < m->len; off += CELL_DATA) {
        struct cell *c = pool_get_raw(&q->cells);
        uint32_t left = m->len - off;
        memcpy(c->data, data + off, left < CELL_DATA ? left : CELL_DATA);
        c->next = NULL;
        *tail = c;
        tail = &c->next;
    }
    heap_up(q, q->n++, e);
    return true;
}

uint64_t frameq_next(const struct frameq *q) {
    return q->n > 0 ? q->heap[0]->meta.due_ns : TIME_NEVER;
}

bool frameq_pop(struct frameq *q, struct frameq_meta *m, uint8_t *buf) {
    if (q->n == 0)
        return false;
    struct frameq_entry *e = q->heap[0];
    if (--q->n > 0)
        heap_down(q, 0, q->heap[q->n]);
    *m = e->meta;
    uint32_t off = 0;
    for (struct cell *c = e->cells, *next; c != NULL; c = next) {
        uint32_t left = m->len - off;
        uint32_t n = left < CELL_DATA ? left : CELL_DATA;
        memcpy(buf + off, c->data, n);
        off += n;
        next = c->next;
        pool_put(&q->cells, c);
    }
    assert(off == m->len);
    pool_put(&q->entries, e);
    return true;
}

size_t frameq_capacity(const struct frameq *q, uint32_t len) {
    return (size_t)(q->cells.max / cells_for(len)) * len;
}

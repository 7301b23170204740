#include "stack/net/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack/base/number.h"

static bool is_separator(char c) {
    return c == ',' || c == ' ' || c == '\t' || c == '\n';
}

static const char *skip(const char *s) {
    while (is_separator(*s))
        s++;
    return s;
}

/* Reads a port and moves on behind it. */
static bool next_port(const char **s, uint16_t *port) {
    uint64_t v;
    if (!number_parse(s, UINT16_MAX, &v))
        return false;
    *port = (uint16_t)v;
    return true;
}

static bool next_range(const char **s, struct port_range *r) {
    if (!next_port(s, &r->first))
        return false;
    r->last = r->first;
    if (**s == '-') {
        (*s)++;
        if (!next_port(s, &r->last))
            return false;
    }
    return r->first <= r->last && (**s == '\0' || is_separator(**s));
}

static bool touch(const struct port_range *a, const struct port_range *b) {
    return a->first <= b->last + 1 && b->first <= a->last + 1;
}

static bool add(struct ports *p, struct port_range r) {
    uint32_t at = 0, n = 0;
    while (at < p->n && p->range[at].last + 1 < r.first)
        at++;
    for (; at + n < p->n && touch(&p->range[at + n], &r); n++) { /* they become one with r */
        const struct port_range *o = &p->range[at + n];
        r.first = o->first < r.first ? o->first : r.first;
        r.last = o->last > r.last ? o->last : r.last;
    }
    if (n == 0 && p->n == PORTS_RANGES)
        return false;
    memmove(&p->range[at + 1], &p->range[at + n], (p->n - at - n) * sizeof(r));
    p->range[at] = r;
    p->n = p->n - n + 1;
    return true;
}

int ports_parse(const char *text, struct ports *p) {
    struct ports out = {0};
    struct port_range r;
    for (const char *s = skip(text); *s != '\0'; s = skip(s)) {
        if (!next_range(&s, &r))
            return -EINVAL;
        if (!add(&out, r))
            return -E2BIG;
    }
    *p = out;
    return 0;
}

void ports_format(const struct ports *p, char text[static PORTS_TEXT]) {
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < p->n; i++) {
        const struct port_range *r = &p->range[i];
        at += (size_t)snprintf(text + at, PORTS_TEXT - at, "%s%u", i > 0 ? "," : "", r->first);
        if (r->last != r->first)
            at += (size_t)snprintf(text + at, PORTS_TEXT - at, "-%u", r->last);
    }
}

bool ports_contain(const struct ports *p, uint16_t port) {
    for (uint32_t i = 0; i < p->n && p->range[i].first <= port; i++)
        if (port <= p->range[i].last)
            return true;
    return false;
}

/* Sets of ports, as ranges in order that neither overlap nor touch. */
#ifndef STACK_NET_PORTS_H
#define STACK_NET_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORTS_RANGES 32
#define PORTS_TEXT   ((size_t)12 * PORTS_RANGES) /* bytes of the longest text, with its '\0' */

struct ports {
    uint32_t n;
    struct port_range {
        uint16_t first, last;
    } range[PORTS_RANGES];
};

/* "8080,9148-9200", with commas or blanks between (ip_local_reserved_ports); "" is the empty set.
 * 0; -EINVAL: not that, -E2BIG: more than PORTS_RANGES ranges; then *p is unchanged. */
int ports_parse(const char *text, struct ports *p);
void ports_format(const struct ports *p, char text[static PORTS_TEXT]);
bool ports_contain(const struct ports *p, uint16_t port);

#endif

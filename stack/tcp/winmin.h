/* The least of some values within a window of time that moves along, in three samples: the least,
 * the least since then, the least since that (Nichols; Linux: win_minmax). */
#ifndef STACK_TCP_WINMIN_H
#define STACK_TCP_WINMIN_H

#include <stdint.h>

struct winmin {
    struct {
        uint64_t v, at;
    } s[3];
};

/* Nothing has been measured: UINT64_MAX. */
void winmin_reset(struct winmin *m);
/* v was measured `at`, no earlier than what came before. Returns the least since at - window; it
 * may be a little more than the true one once that has grown too old. */
uint64_t winmin_add(struct winmin *m, uint64_t window, uint64_t at, uint64_t v);

#endif

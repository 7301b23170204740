/* Signal handlers and the stack (D9). A handler may call write() on a socket of ours while its
 * thread is inside the stack. So sigaction, signal and their kin are hooked: the kernel gets our
 * handler, which calls the program's at once, unless this thread is inside host_enter/host_leave;
 * then the signal is noted, blocked, and raised again by host_leave. */
#ifndef SHIM_SIGNALS_H
#define SHIM_SIGNALS_H

#include <stdbool.h>

/* Called by host_enter and host_leave. */
void signals_hold(void);
void signals_release(void);
/* Handlers that ran in this thread since the last signals_seen_reset: any, and any without
 * SA_RESTART. */
void signals_seen_reset(void);
bool signals_seen(bool *without_restart);

#endif

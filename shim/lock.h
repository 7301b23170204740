/* The stack's lock (D8): robust and process-shared, in the segment. Its owner may die within (the
 * next one repairs) or be stopped within (whoever waits lets it run on until it has left). */
#ifndef SHIM_LOCK_H
#define SHIM_LOCK_H

#include <stdbool.h>

#include "shim/host.h"

/* In a fresh segment. */
void lock_init(struct shared *sh);
/* lock_try fails when somebody holds it. Both repair the stack when its last owner died inside. */
void lock_take(struct host *h);
bool lock_try(struct host *h);
/* Gives it back, and stops this process if it was stopped while it held the lock. */
void lock_give(struct host *h);
/* Somebody has waited too long: is the owner stopped? Then it is made to go on until it leaves. */
void lock_nudge_owner(struct host *h);
/* In a fork child: this thread has another number now. */
void lock_fork_child(void);

#endif

/* Joining a host: finding its keeper, or starting one. The client's side of control.h. */
#ifndef SHIM_ATTACH_H
#define SHIM_ATTACH_H

#include "shim/control.h"
#include "shim/host.h"

/* The interface of this namespace's host: SHIMSTACK_IF, else the one with a keeper. False: none is
 * known (ifname is ""), or err says why. *alive: processes of a host are there, with a keeper or
 * without. */
bool attach_find(char ifname[16], bool *alive, char *err, size_t errlen);
/* A connection to the keeper of that interface, or -errno (-ECONNREFUSED: there is none). */
int attach_connect(const char *ifname);
/* One request and its reply; fds (2 of them, or NULL) receive what came along, -1 where nothing
 * did. 0, or -errno: -ECONNRESET when the keeper is leaving. */
int attach_request(int ctl, enum control_op op, struct control_reply *reply, int fds[2]);
/* Fills h. 0, or -errno and err; -ENOENT with err "": no keeper, and `start` is false. */
int attach_host(struct host *h, bool start, char *err, size_t errlen);
/* The shim's own descriptor `from` is `to` now. */
void attach_fd_moved(int from, int to);

/* A process's start time in clock ticks since boot: with the pid, its identity. 0: gone. */
uint64_t process_starttime(int32_t pid);

#endif

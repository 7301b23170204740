/* The keeper (D3): holds the segment and the packet socket, drives the stack while no application
 * does, notices deaths, leaves when nothing is left. What its files share. */
#ifndef SHIM_KEEPER_H
#define SHIM_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/control.h"
#include "shim/host.h"

/* What an event of the keeper's epoll is about: the upper half of data.u64; the lower is a number
 * of its own. */
enum keeper_tag { TAG_LINK = 1, TAG_BELL, TAG_LISTEN, TAG_CONN, TAG_DEATHS, TAG_SIGNAL };

struct watched { /* by index of the process entry */
    int pidfd;   /* -1: not watched */
    int32_t pid;
    uint64_t starttime;
};

struct keeper {
    struct host host;
    int ep, listen_fd, signal_fd;
    int deaths; /* an epoll of all pidfds, so that they can be dealt with first */
    int log_fd; /* -1: none */
    uint64_t log_cursor;
    bool link_watched; /* the packet socket is in ep */
    bool link_gone;    /* the interface was deleted */
    bool leaving;
    bool asked_to_leave; /* by signal or request: with the last program, whatever is left */
    bool busy;           /* applications drive: look again in a moment */
    uint64_t stuck_ns;   /* since when lock_seq has been stuck_seq with the lock taken */
    uint32_t stuck_seq;
    uint64_t idle_ns; /* since when nothing is left; 0: something is */
    struct watched *watched;
    uint32_t max_watched;
};

/* keeper.c */
void keeper_run(struct keeper *k);
bool keeper_watch(struct keeper *k, int fd, uint32_t events, enum keeper_tag tag, uint32_t number);
void keeper_log(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Leaves with the last program, without waiting for connections to end. Not before: programs
 * without a keeper, and then a new keeper beside them, would be two hosts of one name. */
void keeper_ask_to_leave(struct keeper *k);

/* keeper_proc.c */
bool keeper_procs_init(struct keeper *k);
/* Watches those attached processes that it does not watch yet, forgets those that have gone. */
void keeper_procs_sync(struct keeper *k);
/* Detaches all that have died. */
void keeper_procs_reap(struct keeper *k);

/* keeper_ctl.c */
/* Binds and listens: -EADDRINUSE when there is a keeper already. */
int keeper_ctl_open(const char *ifname);
void keeper_ctl_accept(struct keeper *k);
void keeper_ctl_request(struct keeper *k, int conn);

/* keeper_main.c */
void keeper_release(struct keeper *k);

#endif

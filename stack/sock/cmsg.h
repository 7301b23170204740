/* Control messages of sendmsg and recvmsg. */
#ifndef STACK_SOCK_CMSG_H
#define STACK_SOCK_CMSG_H

#include "stack/sock/sock_internal.h"
#include "stack/tcp/marks.h"

/* Where the control messages of a recvmsg go. */
struct cmsg_out {
    struct msghdr *msg;
    size_t room, used;
};
/* What has no room is dropped, or cut (as put_cmsg), and MSG_CTRUNC set. */
void cmsg_put(struct cmsg_out *c, int level, int type, const void *data, size_t len);
/* What SO_TIMESTAMP, SO_TIMESTAMPNS and SO_TIMESTAMPING tell of something that happened at when_ns
 * on the stack's clock (0: unknown). `report`: it came from the error queue. */
void cmsg_put_times(struct stack *st, const struct sock *so, struct cmsg_out *c, uint64_t when_ns,
                    bool report);

/* What sendmsg's control messages ask of this one call; numbers < 0: not said. */
struct send_ctl {
    int tos, ttl;
    struct addr src;
    bool has_src, has_ts_id;
    uint32_t tsflags; /* SO_TIMESTAMPING's, those of the socket or of this call */
    uint32_t ts_id;
};
/* 0; -EINVAL: malformed, or unknown at a level that is ours; -EADDRNOTAVAIL … */
int send_ctl_take(struct stack *st, struct sock *so, const struct msghdr *msg,
                  struct send_ctl *ctl);
/* Transmit timestamps among tsflags, as MARK_TS_*. */
uint8_t send_ctl_marks(const struct send_ctl *ctl);

/* errqueue.c: recvmsg with MSG_ERRQUEUE. -EAGAIN: nothing there. */
ssize_t recv_errqueue(struct stack *st, struct sock *so, struct msghdr *msg, size_t control_room);
/* A UDP send was timestamped. */
void report_udp_times(struct stack *st, struct sock *so, const struct send_ctl *ctl);

#endif

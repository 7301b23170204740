/* What programs and the keeper say to each other over "\0shimstack/IF" (SOCK_SEQPACKET): one
 * request, one reply, any number of times. The connection stays open for as long as the process
 * lives: its closing tells the process that the keeper died. (The keeper learns of a process's
 * death by a pidfd, since fork hands the connection on.) */
#ifndef SHIM_CONTROL_H
#define SHIM_CONTROL_H

#include <stdint.h>

#define CONTROL_MAGIC 0x53484d31u

enum control_op {
    CONTROL_ATTACH,  /* register the sender; the reply carries memfd and packet socket */
    CONTROL_OBSERVE, /* the same without registering (status) */
    CONTROL_REJOIN,  /* attached already, to a keeper that has died */
    CONTROL_SETTLE,  /* answered once all deaths so far have been dealt with */
    CONTROL_STOP,    /* leave with the last program, whatever connections are left */
};

struct control_request {
    uint32_t magic;
    uint32_t op; /* enum control_op */
    char build_id[24];
    int32_t pid; /* as the sender knows it: another pid namespace shows by a difference */
    uint64_t starttime;
};

struct control_reply {
    uint32_t magic;
    int32_t error;     /* 0, or an errno: then text says what is wrong */
    uint64_t id;       /* of the segment */
    uint32_t proc;     /* ATTACH: index of the new process entry */
    uint32_t old_proc; /* of the image before exec, PROC_NONE: none */
    int32_t keeper_pid;
    char build_id[24];
    char ifname[16];
    char text[200];
};

#endif

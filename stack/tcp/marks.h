/* Marks on the send stream: what a send() asked of the byte that it ended with. MSG_EOR (no segment
 * reaches across), transmit timestamps (SO_TIMESTAMPING), MSG_ZEROCOPY completions. See marks.c. */
#ifndef STACK_TCP_MARKS_H
#define STACK_TCP_MARKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "stack/base/seq.h"

struct stack;
struct tcb;

#define TCP_MARKS_MAX 4096u /* of one connection; at it, a sender waits as for a full buffer */

/* What a send asks for, beside the MSG_ flags. */
enum { MARK_TS_SCHED = 1, MARK_TS_SOFTWARE = 2, MARK_TS_ACK = 4 };
struct tcp_send_ask {
    uint8_t ts;    /* MARK_TS_* */
    bool zerocopy; /* MSG_ZEROCOPY on a socket with SO_ZEROCOPY */
};

struct send_mark {
    TAILQ_ENTRY(send_mark) link;
    struct tcb *owner; /* NULL: not in use */
    seq_t end;         /* the number behind the marked byte */
    bool eor, sent, zerocopy;
    uint8_t ts;
    uint32_t ts_id, zc_id;
};

/* In the tcb. List and count are derived; in the order of `end`, no two the same. */
struct send_marks {
    TAILQ_HEAD(send_mark_list, send_mark) list;
    struct send_mark *unsent; /* the first that was not sent; NULL: none */
    uint32_t n;
    uint32_t zc_next; /* id of the next MSG_ZEROCOPY send */
    seq_t ts_base;    /* OPT_ID counts bytes from here */
};

void marks_init(struct send_marks *m);
bool marks_have_room(const struct stack *st, const struct tcb *t);
/* Marks the byte before `end`, the last of the stream so far. False: no room; the caller has asked
 * marks_have_room. */
bool marks_add(struct stack *st, struct tcb *t, seq_t end, bool eor,
               const struct tcp_send_ask *ask);
/* Of `len` bytes from `seq` on, those up to the end of the record that begins there. */
uint32_t marks_record(const struct tcb *t, seq_t seq, uint32_t len);
/* Everything before `hi` has been handed to the link once. */
void marks_on_sent(struct stack *st, struct tcb *t, seq_t hi);
/* Everything before `una` is acknowledged. */
void marks_on_ack(struct stack *st, struct tcb *t, seq_t una);
/* The stream is given up: completions are told, nothing else. */
void marks_clear(struct stack *st, struct tcb *t);
void marks_repair_insert(struct tcb *t, struct send_mark *m);

#endif

/* Records of what has been sent and is not yet acknowledged, SACKed data included.
 *
 * A record is a run of sequence numbers that left in one segment (a super-segment is one record, a
 * FIN belongs to the record that carried it), with the time at which it was sent last and what is
 * known of its fate. Records tile [snd.una, snd.nxt) from the first data on; they are found by
 * sequence number in a tree and, those under way (neither SACKed nor lost), walked in the order of
 * transmission.
 *
 * SACK, loss and cwnd cut records at multiples of the MSS only, and SACKed neighbours are joined,
 * so that a peer who SACKs every other byte gains nothing (V14): never more records than segments,
 * and every step costs O(log n).
 *
 * A record is a pool object. `owner`, `lo`, `hi`, `sent_ns` and `flags` are the truth; tree, list
 * and sums are derived (sent_relink). */
#ifndef STACK_TCP_SENT_H
#define STACK_TCP_SENT_H

#include <bsd/sys/tree.h>
#include <sys/queue.h>

#include "stack/base/seq.h"
#include "stack/tcp/rate.h"

enum sent_flag {
    SENT_SACKED = 1,
    SENT_LOST = 2,
    SENT_RTX = 4,      /* sent again, and that is under way; only of lost ones and probes */
    SENT_EVER_RTX = 8, /* an ACK says nothing about its round-trip time (Karn) */
    SENT_JOINED = 16,  /* stands for more than one transmission: no sample either */
};

struct sent {
    RB_ENTRY(sent) by_seq;
    TAILQ_ENTRY(sent) by_time;
    struct tcb *owner;
    seq_t lo, hi;
    uint64_t sent_ns;
    uint8_t flags;
    struct rate_mark rate;
};

RB_HEAD(sent_tree, sent);
TAILQ_HEAD(sent_list, sent);

struct sent_queue {
    struct sent_tree tree;
    struct sent_list times; /* those under way, the one sent longest ago first */
    uint32_t n;
    uint32_t sacked_bytes, lost_bytes, rtx_bytes;
    seq_t high_sacked; /* end of the highest SACKed byte ever; snd.una if that is higher */
    seq_t rtx_hint;    /* nothing below it is lost and waits to be sent again */
};

static inline uint32_t sent_len(const struct sent *r) {
    return (uint32_t)seq_diff(r->hi, r->lo);
}

void sent_init(struct tcb *t);
void sent_clear(struct stack *st, struct tcb *t);
/* May one more segment be recorded? False: memory for records is out (counted). */
bool sent_may_add(struct stack *st, const struct tcb *t);
/* [lo, hi), which begins where the last record ends, has been sent now. Where the pool is out it
 * joins the last record. */
void sent_add(struct stack *st, struct tcb *t, seq_t lo, seq_t hi);

/* The record that holds seq, else the first behind it; NULL: none. */
struct sent *sent_find(struct tcb *t, seq_t seq);
struct sent *sent_first(const struct tcb *t);
struct sent *sent_last(const struct tcb *t);
struct sent *sent_next(struct sent *r);
/* Cuts r at `at`, inside it; returns what is behind, NULL: the pool is out (counted), nothing done.
 */
struct sent *sent_split(struct stack *st, struct tcb *t, struct sent *r, seq_t at);

void sent_mark_sacked(struct tcb *t, struct sent *r);
/* Joins a SACKed record with SACKed neighbours; returns the one that is left. */
struct sent *sent_join_sacked(struct stack *st, struct tcb *t, struct sent *r);
void sent_mark_lost(struct stack *st, struct tcb *t, struct sent *r);
void sent_mark_resent(struct stack *st, struct tcb *t, struct sent *r);
/* Nothing is lost any more: the loss was none. */
void sent_unmark_lost(struct tcb *t);
/* Reneging (RFC 2018 §8): nothing counts as SACKed any more. */
void sent_unmark_sacked(struct tcb *t);
/* The lowest record that is lost and not under way again; NULL: none. */
struct sent *sent_next_lost(struct tcb *t);
/* Takes off what is below `una`: a whole record is freed, one that straddles it is cut short. */
void sent_trim(struct stack *st, struct tcb *t, struct sent *r, seq_t una);

/* Crash repair: enters a record into its owner's tree, list and sums. */
void sent_relink(struct sent *r);
/* NULL, or what is wrong (static text). */
const char *sent_check(struct tcb *t);

#endif

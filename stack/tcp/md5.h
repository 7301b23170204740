/* TCP MD5 signatures (RFC 2385; TCP_MD5SIG). See md5.c. */
#ifndef STACK_TCP_MD5_H
#define STACK_TCP_MD5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "stack/base/addr.h"

#define TCP_MD5_KEY_MAX  80u   /* bytes of a key: TCP_MD5SIG_MAXKEYLEN */
#define TCP_MD5_KEYS_MAX 1024u /* of one socket; about what Linux's optmem_max allows */

struct stack;
struct tcb;
struct pkt;
struct seg;

/* A pool object. */
struct md5_key {
    TAILQ_ENTRY(md5_key) link;
    struct tcb *owner;   /* NULL: not in use */
    struct prefix peers; /* as the program wrote it: bits behind the prefix tell keys apart */
    bool ifindex;        /* TCP_MD5SIG_FLAG_IFINDEX, without an interface: tells keys apart, too */
    uint8_t len;
    uint8_t bytes[TCP_MD5_KEY_MAX];
};

/* In the tcb; derived from the keys' owners. */
struct md5_keys {
    TAILQ_HEAD(md5_key_list, md5_key) list;
    uint32_t n;
};

void md5_init(struct tcb *t);
/* t's key for segments to and from `peer`: of the longest prefix; NULL: they are not signed. */
const struct md5_key *md5_find(const struct tcb *t, const struct addr *peer);
/* The same for t's own peer. */
const struct md5_key *md5_key(const struct tcb *t);
/* Fills in the digest of a segment that has its header (the outermost, from tcp_build with has_md5)
 * and its payload: one segment on the wire, the checksum still zero (RFC 2385 §2.0). */
void md5_sign(struct pkt *p, const struct md5_key *key, const struct addr *src,
              const struct addr *dst);
/* May the segment be looked at? It must be signed exactly where t has a key for its sender, and
 * rightly. False: to be dropped without an answer (§2.0), and counted. */
bool md5_admits(struct stack *st, const struct tcb *t, struct seg *s);
/* The key for a RST to a signed segment that belongs to no connection (§4.1: a peer that has lost
 * its state must be able to reset): of the listener on the port that the segment comes from, which
 * is the one it had signed it with. NULL: none, or the signature is false. */
const struct md5_key *md5_key_for_stray(struct stack *st, struct seg *s);
/* A child of l gets l's key for its peer, for this peer alone. False: no key is free (counted). */
bool md5_inherit(struct stack *st, struct tcb *child, const struct tcb *l);
void md5_clear(struct stack *st, struct tcb *t);
/* Crash repair, for each key once all lists are empty: back to its owner, or to the pool. */
void md5_relink(struct stack *st, struct md5_key *key);

#endif

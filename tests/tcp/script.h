/* Scripts for one TCP connection: a whole stack at one end, the script itself at the other, on
 * virtual time. A script reads as the exchange of segments that it is:
 *
 *     t_listen();
 *     in("S 0:0(0) win 65535 <mss 1460>");
 *     out("S. 0:0(0) ack 1 <mss 1460>");
 *     in(". 1:1(0) ack 1 win 65535");
 *     t_accept();
 *     t_send(10);
 *     out("P. 1:11(10) ack 1");
 *     out_after(200, "P. 1:11(10) ack 1");
 *
 * A segment's text: flags as tcpdump writes them, first:last(length), and then, in any order,
 * `ack N`, `win N` (unscaled, as on the wire), `urg N`, `ecn N` (the IP header's two bits: 2 is
 * ECT(0), 3 is CE), `dscp N` and `ttl N` (from the stack; a TTL that is not told must be 64), and
 * options in angle brackets, in the order of the wire: mss N, sackOK, TS val N ecr N, wscale N,
 * sack N:N N:N, md5 KEY (RFC 2385; without a key a false one; in out() without), FO HEX (Fast
 * Open; FOEXP in its experimental form), nop, eol.
 * Sequence numbers are relative: 0 is each side's SYN. In in(), `TS … ecr last` echoes what the
 * stack sent last. What out() does not mention may be anything; `*` stands for any one value; `<>`
 * says that there are no options.
 *
 * Everything that the stack sends must be matched by an out(), in order: at the end of a test (and
 * where expect_none() stands) nothing may be left over. Payloads are checked byte by byte, as are
 * addresses, ports, lengths and checksums. ARP is answered by itself. */
#ifndef TESTS_TCP_SCRIPT_H
#define TESTS_TCP_SCRIPT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "stack/stack.h"

#define T_TEXT      400   /* longest text of a segment */
#define T_PORT      5000  /* the stack's, when it listens */
#define T_PEER_PORT 40000 /* the script's, unless t_peer_port says otherwise */

/* To be changed before the first call of a script. */
extern struct stack_config t_cfg;
/* How long the peer takes for its part of the handshake in t_established and t_connected: without
 * it, the connection begins with a round-trip time of nothing, and RACK waits for nothing. */
extern double t_rtt_ms;
/* Whether the stack's packets bear DF, as they do unless IP_MTU_DISCOVER says otherwise. */
extern bool t_df;

/* For TestSuite: .init = t_setup, .fini = t_finish. */
void t_setup(void);
void t_finish(void);

/* ---- the wire. Texts are formats as for printf. ---- */

void in(const char *segment, ...) __attribute__((format(printf, 1, 2)));
/* The same between other addresses: forged. 0: the usual ones. */
void in_forged(uint32_t src, uint32_t dst, const char *segment);
/* The same with a checksum that is wrong. */
void in_bad_csum(const char *segment);
/* What comes in from here on to t_batch_end finds the stack busy, and is seen by it all at once. */
void t_batch(void);
void t_batch_end(void);
/* An ICMP error that quotes a segment of ours. */
void in_icmp(uint8_t type, uint8_t code, uint16_t mtu, const char *quoted);
/* The next segment that the stack sent, now. */
void out(const char *segment, ...) __attribute__((format(printf, 1, 2)));
/* The next one comes `ms` from now (give or take 1 ms or 1 %), and nothing comes before it. */
void out_after(double ms, const char *segment, ...) __attribute__((format(printf, 2, 3)));
/* The next one comes at some time within `ms` from now. */
void out_within(double ms, const char *segment, ...) __attribute__((format(printf, 2, 3)));
/* Had the segment that the last out() matched PSH? (A text without P leaves that open.) */
bool t_last_pushed(void);
void expect_none(void);
/* The key that whatever the stack signs from now on must be signed with; NULL: it signs nothing. */
void t_md5_key(const char *key);
/* Forgets what has been sent and not yet been looked at; returns how many segments. */
unsigned t_skip(void);
/* The relative sequence number up to which the last segment of the stack lets the peer send (for
 * connections without window scaling). */
uint32_t t_right_edge(void);
/* Sequence number, on the wire, of the next unseen segment. */
uint32_t t_peek_seq(void);
/* Lets time pass. */
void after(double ms);
/* The peer's side of a new connection: another port, another initial sequence number. */
void t_peer_port(uint16_t port);
void t_peer_isn(uint32_t isn);
uint32_t t_local_isn(void);
/* TSval of the last segment that the stack sent. */
uint32_t t_last_tsval(void);

/* ---- the user ---- */

void t_listen(void);
void t_listen_backlog(int backlog);
/* Asserts that there is one, and makes it the current socket. */
void t_accept(void);
/* Asserts that there is none. */
void t_accept_none(void);
/* Active OPEN towards the peer's port; -EINPROGRESS expected. */
void t_connect(void);
/* The same from T_PORT (for simultaneous opens and reopened connections). */
void t_connect_from_port(void);
/* What connect(2) says when called again. */
int t_connect_again(void);
/* Sends n bytes of the known stream; asserts that all are taken. */
void t_send(size_t n);
/* The same, telling what was taken; flags as for send(2). */
ssize_t t_send_some(size_t n, int flags);
/* sendto(MSG_FASTOPEN) of n bytes to the peer, on a new socket; what it says. */
ssize_t t_fastopen(size_t n);
/* The same on the socket that there is, with other flags beside. */
ssize_t t_fastopen_flags(size_t n, int flags);
/* t_connect on a socket with an option of IPPROTO_TCP. */
void t_connect_options(int name, int val);
/* A new socket becomes the current one; t_connect_again connects it. */
void t_socket(void);
/* connect(2) with TCP_FASTOPEN_CONNECT, on a new socket; 0 expected. */
void t_connect_deferred(void);
/* Receives, asserts that exactly n bytes come and that they are right. */
void t_recv(size_t n);
/* What recv(2) says to a buffer of n bytes: bytes, 0 for the end, or -errno. */
ssize_t t_recv_some(size_t n);
void t_shutdown(int how);
void t_close(void);
void t_close_listener(void);
void t_set(int level, int name, int val);
int t_get(int level, int name);
struct tcp_info t_info(void); /* getsockopt(TCP_INFO) */
void t_set_linger(int seconds);
/* setsockopt(TCP_MD5SIG_EXT) for a prefix of host-order addresses, on t_sock(), else on the
 * listener: what it says. "": deletes. */
int t_set_md5(uint32_t v4, uint8_t prefix_len, const char *key);
uint32_t t_ready(void);
int t_error(void); /* SO_ERROR */

/* Another of its sockets becomes the script's current one. */
void t_select(struct sock *so);
/* The current socket, or the listener before there is one, for calls that have no shorthand here.
 */
struct sock *t_sock(void);
/* The byte of the peer's stream at that relative sequence number. */
uint8_t t_peer_byte(uint32_t seq);
/* The user will not get the next n bytes of the peer's stream (urgent data). */
void t_pass(size_t n);

/* ---- looking inside ---- */

/* State of the connection with the peer's port, TCPS_CLOSED when there is none any more. */
enum tcp_state t_state(void);
uint64_t t_counter(const char *name);
/* Connections and listeners that there are, whoever they belong to. */
uint32_t t_connections(void);
struct stack *t_stack(void);

/* ---- shorthands ---- */

/* Passive open up to ESTABLISHED and accepted, the peer offering these options ("" or "mss 1000,
 * …") and `win`. */
void t_established(const char *peer_options, unsigned win);
/* Active open likewise. */
void t_connected(const char *peer_options, unsigned win);
#define t_expect_state(s)                                                                          \
    cr_assert_eq(t_state(), (s), "state is %s, not %s", tcp_state_name(t_state()),                 \
                 tcp_state_name(s))

#endif

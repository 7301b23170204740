/* TCP headers and options (RFC 9293 §3.1, 7323, 2018, 2385). */
#ifndef STACK_WIRE_TCP_H
#define STACK_WIRE_TCP_H

#include "stack/wire/wire.h"

#define TCP_HDR_LEN     20
#define TCP_HDR_MAX     60
#define TCP_CSUM_OFFSET 16
#define TCP_SACK_MAX    4
#define TCP_MD5_LEN     16 /* of a digest (RFC 2385) */
#define TCP_MD5_OPT_LEN 20 /* of its option, with two NOPs */
#define TCP_MD5_OFFSET  24 /* of the digest in a header by tcp_build */

enum tcp_flag {
    TH_FIN = 0x01,
    TH_SYN = 0x02,
    TH_RST = 0x04,
    TH_PSH = 0x08,
    TH_ACK = 0x10,
    TH_URG = 0x20,
    TH_ECE = 0x40,
    TH_CWR = 0x80,
    TH_AE = 0x100, /* RFC 9768 */
};

/* Options of one segment. On parsing, an option of a wrong length is ignored, one that runs past
 * the header ends the list (MUST-7); unknown ones are skipped (MUST-6). MSS and window scale and
 * SACK-permitted count only on a SYN. */
#define TCP_FO_COOKIE_MIN 4 /* RFC 7413 §4.1.1 */
#define TCP_FO_COOKIE_MAX 16

struct tcp_fo_opt {
    bool present;
    bool exp;    /* in its experimental form: kind 254, magic number 0xF989 */
    uint8_t len; /* 0: a request */
    uint8_t cookie[TCP_FO_COOKIE_MAX];
};

struct tcp_opts {
    bool has_mss, has_wscale, sack_permitted, has_ts;
    uint16_t mss;
    uint8_t wscale; /* as sent, not yet limited to 14 */
    uint32_t tsval, tsecr;
    bool has_md5;             /* a signature (RFC 2385) */
    bool md5_twice;           /* … and another: which one should count? On parsing only */
    uint8_t md5[TCP_MD5_LEN]; /* on parsing only: tcp_build writes zeros for the signer to fill */
    uint8_t nsack;
    struct {
        seq_t lo, hi;
    } sack[TCP_SACK_MAX];
    struct tcp_fo_opt fo; /* on a SYN only */
};

struct tcp_hdr {
    uint16_t sport, dport;
    seq_t seq, ack;
    uint16_t flags;  /* enum tcp_flag */
    uint16_t window; /* as sent, unscaled */
    uint16_t urg;
    uint8_t hdr_len;
    struct tcp_opts opt;
};

int tcp_parse(const uint8_t *p, size_t len, struct tcp_hdr *h);
/* Bytes that tcp_build will write for these: header and options, a multiple of 4. Options stand
 * as Linux writes them: first nop nop MD5; then a SYN has mss, sackOK+TS (or nop nop TS), nop,
 * wscale, Fast Open (padded behind); others nop nop TS, nop nop SACK. SACK blocks that no longer
 * fit in 40 bytes are left out, and so is a Fast Open option beside a signature. */
size_t tcp_build_len(const struct tcp_hdr *h);
/* SACK blocks that have room beside these options: 0 to 4. */
unsigned tcp_sack_room(bool has_ts, bool has_md5);
/* With a zero checksum field; hdr_len is ignored. Returns tcp_build_len(h). */
size_t tcp_build(uint8_t *p, const struct tcp_hdr *h);
/* "SA", "F." … for logs and test output: "S", "S.", "P.", "R", "R.", "." in packdrill's and
 * tcpdump's manner. Returns buf. */
char *tcp_flags_format(uint16_t flags, char buf[static 10]);

#endif

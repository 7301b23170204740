#include "stack/wire/icmp4.h"

#include <string.h>

/* Bytes 4..7 mean different things: identifier and sequence number, or zero and next-hop MTU. */
struct wire_icmp4 {
    uint8_t type, code;
    be16_t csum, word0, word1;
};
_Static_assert(sizeof(struct wire_icmp4) == ICMP4_HDR_LEN, "");

static bool is_echo(uint8_t type) {
    return type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY;
}

static bool has_mtu(uint8_t type, uint8_t code) {
    return type == ICMP4_UNREACH && code == ICMP4_UNREACH_FRAG;
}

int icmp4_parse(const uint8_t *p, size_t len, struct icmp4_hdr *h) {
    struct wire_icmp4 w;
    if (len < sizeof(w))
        return -1;
    memcpy(&w, p, sizeof(w));
    *h = (struct icmp4_hdr){.type = w.type, .code = w.code};
    if (is_echo(w.type)) {
        h->id = be16_get(w.word0);
        h->seq = be16_get(w.word1);
    } else if (has_mtu(w.type, w.code)) {
        h->mtu = be16_get(w.word1);
    }
    return ICMP4_HDR_LEN;
}

void icmp4_build(uint8_t p[static ICMP4_HDR_LEN], const struct icmp4_hdr *h) {
    struct wire_icmp4 w = {.type = h->type, .code = h->code};
    if (is_echo(h->type)) {
        w.word0 = be16(h->id);
        w.word1 = be16(h->seq);
    } else if (has_mtu(h->type, h->code)) {
        w.word1 = be16(h->mtu);
    }
    memcpy(p, &w, sizeof(w));
}

bool icmp4_is_error(uint8_t type) {
    return type == ICMP4_UNREACH || type == ICMP4_SOURCE_QUENCH || type == ICMP4_REDIRECT ||
           type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAM_PROBLEM;
}

/* The digest of RFC 2385 §2.0, apart from the stack's own. */
#ifndef TESTS_TCP_SEGMENT_MD5_H
#define TESTS_TCP_SEGMENT_MD5_H

#include <md5.h>
#include <string.h>

#include "stack/base/addr.h"
#include "stack/wire/tcp.h"
#include "stack/wire/wire.h"

/* Of a segment of `len` bytes, header and all, whose options are in place. */
static inline void segment_md5(const uint8_t *p, uint32_t len, const struct addr *src,
                               const struct addr *dst, const char *key, size_t key_len,
                               uint8_t out[static TCP_MD5_LEN]) {
    uint32_t hdr_len = p[12] / 16 * 4u;
    uint8_t head[12 + TCP_HDR_LEN] = {[9] = PROTO_TCP};
    be32_t from = addr_to_be(src), to = addr_to_be(dst);
    be16_t all = be16((uint16_t)len);
    MD5_CTX ctx;
    memcpy(head, &from, 4);
    memcpy(head + 4, &to, 4);
    memcpy(head + 10, &all, 2);
    memcpy(head + 12, p, TCP_CSUM_OFFSET);
    memcpy(head + 12 + TCP_CSUM_OFFSET + 2, p + TCP_CSUM_OFFSET + 2, 2);
    MD5Init(&ctx);
    MD5Update(&ctx, head, sizeof(head));
    MD5Update(&ctx, p + hdr_len, len - hdr_len);
    MD5Update(&ctx, (const uint8_t *)key, key_len);
    MD5Final(out, &ctx);
}

#endif

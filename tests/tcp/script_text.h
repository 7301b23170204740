/* The text form of segments for the scripts: from and to. */
#ifndef TESTS_TCP_SCRIPT_TEXT_H
#define TESTS_TCP_SCRIPT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEG_OPTIONS 40
#define SEG_TEXT    400

/* A segment as a text tells it; numbers relative. */
struct seg_text {
    uint16_t flags;
    int64_t lo, len;
    bool has_ack, has_win, has_urg, has_ecn, has_dscp, has_ttl, has_opts;
    int64_t ack, win, urg, ecn, dscp, ttl;
    char opts[SEG_TEXT]; /* between the brackets */
};

/* NULL, or what is wrong with the text (static). */
const char *seg_text_parse(const char *text, struct seg_text *out);

/* Option bytes from their text; returns how many, padded with END to a multiple of 4, or -1.
 * last_tsval: for "ecr last"; sack_base is added to the numbers of sack blocks. */
int opts_from_text(const char *text, uint32_t last_tsval, uint32_t sack_base, uint8_t *out);
/* Text from option bytes, in their order, sack blocks less sack_base. Returns out. */
char *opts_to_text(const uint8_t *p, size_t len, uint32_t sack_base, char out[static SEG_TEXT]);
/* Word by word; "*" in `want` is any word. */
bool opts_match(const char *want, const char *got);

#endif

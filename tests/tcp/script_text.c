#include "tests/tcp/script_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char flag_letters[] = "FSRP.UEWe";

static const char *parse_flags(const char *s, uint16_t *flags) {
    *flags = 0;
    if (strncmp(s, "none ", 5) == 0)
        return s + 4;
    for (; *s != ' '; s++) {
        const char *at = *s != '\0' ? strchr(flag_letters, *s) : NULL;
        if (at == NULL)
            return NULL;
        *flags |= (uint16_t)(1u << (at - flag_letters));
    }
    return s;
}

/* "<…>": copies what stands inside. */
static const char *parse_opts(const char *s, struct seg_text *out) {
    const char *end = strchr(s, '>');
    if (end == NULL || (size_t)(end - s) >= sizeof(out->opts))
        return NULL;
    memcpy(out->opts, s + 1, (size_t)(end - s - 1));
    out->opts[end - s - 1] = '\0';
    out->has_opts = true;
    return end + 1;
}

const char *seg_text_parse(const char *text, struct seg_text *out) {
    int used = 0;
    long long lo, hi, len;
    memset(out, 0, sizeof(*out));
    const char *s = parse_flags(text, &out->flags);
    if (s == NULL)
        return "unknown flag";
    if (sscanf(s, " %lld:%lld(%lld)%n", &lo, &hi, &len, &used) != 3 || used == 0)
        return "no first:last(length)";
    if (hi - lo != len)
        return "last - first is not the length";
    out->lo = lo;
    out->len = len;
    for (s += used; *s != '\0'; s += used) {
        char word[8];
        long long v;
        used = 1;
        if (*s == ' ')
            continue;
        if (*s == '<') {
            const char *end = parse_opts(s, out);
            if (end == NULL)
                return "options without an end";
            used = (int)(end - s);
            continue;
        }
        if (sscanf(s, "%7s %lld%n", word, &v, &used) != 2)
            return "a word without a number";
        if (strcmp(word, "ack") == 0)
            out->has_ack = true, out->ack = v;
        else if (strcmp(word, "win") == 0)
            out->has_win = true, out->win = v;
        else if (strcmp(word, "urg") == 0)
            out->has_urg = true, out->urg = v;
        else if (strcmp(word, "ecn") == 0)
            out->has_ecn = true, out->ecn = v;
        else if (strcmp(word, "dscp") == 0)
            out->has_dscp = true, out->dscp = v;
        else if (strcmp(word, "ttl") == 0)
            out->has_ttl = true, out->ttl = v;
        else
            return "unknown word";
    }
    return NULL;
}

/* ---- options ---- */

static uint8_t *put(uint8_t *p, uint32_t v, int bytes) {
    while (bytes-- > 0)
        *p++ = (uint8_t)(v >> 8 * bytes);
    return p;
}

static uint32_t get(const uint8_t *p, int bytes) {
    uint32_t v = 0;
    while (bytes-- > 0)
        v = v << 8 | *p++;
    return v;
}

static uint8_t *put_sack(uint8_t *p, const char *s, uint32_t base) {
    uint8_t *len = p + 1;
    long long lo, hi;
    int used;
    *p = 5;
    p += 2;
    for (; sscanf(s, " %lld:%lld%n", &lo, &hi, &used) == 2; s += used) {
        p = put(p, (uint32_t)lo + base, 4);
        p = put(p, (uint32_t)hi + base, 4);
    }
    *len = (uint8_t)(p - len + 1);
    return p;
}

/* "FO hex", "FOEXP hex": a Fast Open cookie; without the hex a request. */
static uint8_t *put_fastopen(uint8_t *p, const char *s) {
    bool exp = strncmp(s, "FOEXP", 5) == 0;
    uint8_t *len = p + 1;
    unsigned byte;
    *p = exp ? 254 : 34;
    p += 2;
    if (exp)
        p = put(p, 0xf989, 2);
    for (s += exp ? 5 : 2; *s == ' '; s++)
        ;
    for (; sscanf(s, "%2x", &byte) == 1 && s[1] != '\0'; s += 2)
        p = put(p, byte, 1);
    *len = (uint8_t)(p - len + 1);
    return *s == '\0' ? p : NULL;
}

/* One option of the list; NULL when its text is not understood. */
static uint8_t *put_option(uint8_t *p, const char *s, uint32_t last_tsval, uint32_t sack_base) {
    unsigned v;
    char ecr[16];
    while (*s == ' ')
        s++;
    if (strcmp(s, "nop") == 0)
        return put(p, 1, 1);
    if (strcmp(s, "eol") == 0)
        return put(p, 0, 1);
    if (strcmp(s, "sackOK") == 0)
        return put(p, 0x0402, 2);
    if (sscanf(s, "mss %u", &v) == 1)
        return put(put(p, 0x0204, 2), v, 2);
    if (sscanf(s, "wscale %u", &v) == 1)
        return put(put(p, 0x0303, 2), v, 1);
    if (sscanf(s, "TS val %u ecr %15s", &v, ecr) == 2) {
        p = put(put(p, 0x080a, 2), v, 4);
        return put(p, strcmp(ecr, "last") == 0 ? last_tsval : (uint32_t)strtoul(ecr, NULL, 10), 4);
    }
    if (strncmp(s, "md5", 3) == 0) { /* zeros, which script.c signs over if a key follows */
        memset(put(p, 0x1312, 2), 0, 16);
        return p + 18;
    }
    if (strncmp(s, "FO", 2) == 0)
        return put_fastopen(p, s);
    if (strncmp(s, "sack ", 5) == 0)
        return put_sack(p, s + 5, sack_base);
    return NULL;
}

int opts_from_text(const char *text, uint32_t last_tsval, uint32_t sack_base, uint8_t *out) {
    char copy[SEG_TEXT], *save = NULL;
    uint8_t *p = out;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *s = strtok_r(copy, ",", &save); s != NULL; s = strtok_r(NULL, ",", &save)) {
        p = put_option(p, s, last_tsval, sack_base);
        if (p == NULL || p - out > SEG_OPTIONS)
            return -1;
    }
    while ((p - out) % 4 != 0)
        *p++ = 0;
    return (int)(p - out);
}

static int fastopen_text(const uint8_t *p, size_t len, char *out, size_t room) {
    size_t from = p[0] == 254 ? 4 : 2;
    int n = snprintf(out, room, p[0] == 254 ? "FOEXP%s" : "FO%s", len > from ? " " : "");
    for (size_t i = from; i < len; i++)
        n += snprintf(out + n, room - (size_t)n, "%02x", p[i]);
    return n;
}

/* One option of `len` bytes as text. */
static int option_text(const uint8_t *p, size_t len, uint32_t sack_base, char *out, size_t room) {
    switch (p[0] << 8 | (int)len) {
    case 0x0204:
        return snprintf(out, room, "mss %u", get(p + 2, 2));
    case 0x0303:
        return snprintf(out, room, "wscale %u", p[2]);
    case 0x0402:
        return snprintf(out, room, "sackOK");
    case 0x1312:
        return snprintf(out, room, "md5");
    case 0x080a:
        return snprintf(out, room, "TS val %u ecr %u", get(p + 2, 4), get(p + 6, 4));
    default:
        break;
    }
    if (p[0] == 34 || (p[0] == 254 && len >= 4))
        return fastopen_text(p, len, out, room);
    int n = snprintf(out, room, p[0] == 5 ? "sack" : "kind-%u", p[0]);
    for (size_t i = 2; p[0] == 5 && i + 8 <= len; i += 8)
        n += snprintf(out + n, room - (size_t)n, " %d:%d", (int)(get(p + i, 4) - sack_base),
                      (int)(get(p + i + 4, 4) - sack_base));
    return n;
}

char *opts_to_text(const uint8_t *p, size_t len, uint32_t sack_base, char out[static SEG_TEXT]) {
    size_t at = 0, step;
    out[0] = '\0';
    for (size_t i = 0; i < len; i += step) {
        if (i > 0)
            at += (size_t)snprintf(out + at, SEG_TEXT - at, ",");
        step = 1;
        if (p[i] <= 1) {
            at += (size_t)snprintf(out + at, SEG_TEXT - at, "%s", p[i] == 0 ? "eol" : "nop");
            continue;
        }
        if (i + 1 >= len || p[i + 1] < 2 || p[i + 1] > len - i) {
            snprintf(out + at, SEG_TEXT - at, "MALFORMED");
            return out;
        }
        step = p[i + 1];
        at += (size_t)option_text(p + i, step, sack_base, out + at, SEG_TEXT - at);
    }
    return out;
}

bool opts_match(const char *want, const char *got) {
    static const char *const ends = " ,";
    for (;;) {
        size_t w = strcspn(want, ends), g = strcspn(got, ends);
        bool any = w == 1 && want[0] == '*';
        if (!any && (w != g || memcmp(want, got, w) != 0))
            return false;
        want += w;
        got += g;
        if (*want == '\0' || *got == '\0')
            return *want == *got;
        if (*want != *got)
            return false;
        want++;
        got++;
        while (*want == ' ')
            want++;
    }
}

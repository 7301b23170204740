/* The text form of an impairment: "loss=1%,delay=10ms,rate=10Mbit". A number has decimals with a
 * point, whatever the program's locale says, and a unit. */
#include <string.h>
#include <strings.h>

#include "stack/base/number.h"
#include "stack/link/impair.h"

#define TIME_MAX_NS 60000000000ull /* a minute */
#define RATE_MAX    1000000000000ull
#define SCALE       1000000u /* a number is kept in millionths */

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit percent_units[] = {{"%", 10000}, {"ppm", 1}, {NULL, 0}};
static const struct unit time_units[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {NULL, 0}};
static const struct unit rate_units[] = {
    {"bit", 1}, {"kbit", 1000}, {"Mbit", 1000000}, {"Gbit", 1000000000}, {NULL, 0}};
static const struct unit size_units[] = {{"B", 1},        {"KB", 1024},     {"KiB", 1024},
                                         {"MB", 1048576}, {"MiB", 1048576}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

enum word {
    LOSS,
    BURST,
    DUP,
    REORDER,
    CORRUPT,
    DELAY,
    JITTER,
    REORDER_BY,
    RATE,
    QUEUE,
    MARK,
    FAR_PORT,
    FAR_DELAY,
    SEED
};
static const struct {
    const char *name;
    const struct unit *units;
    uint64_t max;
    const char *mistake;
} words[] = {
    [LOSS] = {"loss", percent_units, 1000000, "loss: a share of the frames, such as 1% or 500ppm"},
    [BURST] = {"burst", no_units, IMPAIR_BURST_MAX,
               "burst: frames that a loss takes in a row on average, up to 1000"},
    [DUP] = {"dup", percent_units, 1000000, "dup: a share of the frames, such as 1% or 500ppm"},
    [REORDER] = {"reorder", percent_units, 1000000,
                 "reorder: a share of the frames, such as 1% or 500ppm"},
    [CORRUPT] = {"corrupt", percent_units, 1000000,
                 "corrupt: a share of the frames, such as 1% or 500ppm"},
    [DELAY] = {"delay", time_units, TIME_MAX_NS, "delay: a time up to 60s, such as 10ms or 500us"},
    [JITTER] = {"jitter", time_units, TIME_MAX_NS, "jitter: a time up to 60s, such as 2ms"},
    [REORDER_BY] = {"reorder-by", time_units, TIME_MAX_NS,
                    "reorder-by: a time up to 60s, such as 5ms"},
    [RATE] = {"rate", rate_units, RATE_MAX, "rate: bits a second, such as 10Mbit or 1Gbit"},
    [QUEUE] = {"queue", size_units, 1u << 30, "queue: bytes up to 1024MB, such as 64KB"},
    [MARK] = {"mark", size_units, 1u << 30,
              "mark: the queue's bytes from which on ECN marks, such as 30KB"},
    [FAR_PORT] = {"far-port", no_units, UINT16_MAX, "far-port: a TCP or UDP port, such as 5002"},
    [FAR_DELAY] = {"far-delay", time_units, TIME_MAX_NS,
                   "far-delay: a time up to 60s, such as 30ms"},
    [SEED] = {"seed", no_units, UINT64_MAX / SCALE, "seed: a whole number"},
};
#define NWORDS (sizeof(words) / sizeof(words[0]))

/* Reads a number with up to six decimals, in millionths. Returns where it ends, NULL when there
 * is none or it is too large. */
static const char *parse_number(const char *s, uint64_t *out) {
    uint64_t v;
    uint32_t scale = SCALE;

    if (!number_parse(&s, UINT64_MAX / SCALE, &v))
        return NULL;
    v *= SCALE;
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++) {
            scale /= 10;
            v += (uint64_t)(*s - '0') * scale;
        }
    *out = v;
    return s;
}

/* A number with one of `units`, within max. */
static bool parse_value(const char *s, const char *end, const struct unit *units, uint64_t max,
                        uint64_t *out) {
    uint64_t v;
    s = parse_number(s, &v);
    if (s == NULL || s > end)
        return false;
    size_t n = (size_t)(end - s);
    for (; units->name != NULL; units++) {
        if (strlen(units->name) != n || strncasecmp(units->name, s, n) != 0)
            continue;
        unsigned __int128 whole = (unsigned __int128)v * units->factor / SCALE;
        *out = (uint64_t)whole;
        return whole <= max;
    }
    return false;
}

static void store(enum word w, uint64_t v, struct impair *out) {
    switch (w) {
    case LOSS:
        out->loss_ppm = (uint32_t)v;
        break;
    case BURST:
        out->burst = (uint32_t)v;
        break;
    case DUP:
        out->dup_ppm = (uint32_t)v;
        break;
    case REORDER:
        out->reorder_ppm = (uint32_t)v;
        break;
    case CORRUPT:
        out->corrupt_ppm = (uint32_t)v;
        break;
    case DELAY:
        out->delay_ns = v;
        break;
    case JITTER:
        out->jitter_ns = v;
        break;
    case REORDER_BY:
        out->reorder_ns = v;
        break;
    case RATE:
        out->rate_bps = v;
        break;
    case QUEUE:
        out->queue_bytes = (uint32_t)v;
        break;
    case MARK:
        out->mark_bytes = (uint32_t)v;
        break;
    case FAR_PORT:
        out->far_port = (uint16_t)v;
        break;
    case FAR_DELAY:
        out->far_ns = v;
        break;
    case SEED:
        out->seed = v;
        break;
    }
}

const char *impair_parse(const char *text, struct impair *out) {
    *out = (struct impair){0};
    while (*text != '\0') {
        const char *end = strchrnul(text, ',');
        const char *eq = memchr(text, '=', (size_t)(end - text));
        if (eq == NULL)
            return "impairment: write word=value,word=value, such as loss=1%,delay=10ms";
        size_t i = 0, n = (size_t)(eq - text);
        while (i < NWORDS && (strlen(words[i].name) != n || memcmp(words[i].name, text, n) != 0))
            i++;
        if (i == NWORDS)
            return "impairment: the words are loss, burst, dup, reorder, reorder-by, corrupt, "
                   "delay, jitter, rate, queue, mark, far-port, far-delay, seed";
        uint64_t v;
        if (!parse_value(eq + 1, end, words[i].units, words[i].max, &v))
            return words[i].mistake;
        store((enum word)i, v, out);
        text = *end == ',' ? end + 1 : end;
    }
    return NULL;
}

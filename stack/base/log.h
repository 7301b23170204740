/* Log lines of the core. The core writes none itself: it keeps the last LOG_LINES in a ring in
 * the segment, and the shim prints them when asked (SHIMSTACK_LOG). */
#ifndef STACK_BASE_LOG_H
#define STACK_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#define LOG_LINES   256
#define LOG_LINELEN 160

enum log_level { LOG_NONE, LOG_ERROR, LOG_INFO, LOG_DEBUG };

struct log {
    uint8_t level; /* lines above it are not even formatted */
    uint64_t next; /* lines ever written; line i is in slot i % LOG_LINES */
    struct {
        uint64_t at_ns;
        char text[LOG_LINELEN];
    } line[LOG_LINES];
};

#define stack_log(st, lvl, ...)                                                                    \
    do {                                                                                           \
        if ((lvl) <= (st)->log.level)                                                              \
            log_write(&(st)->log, (st)->now_ns, __VA_ARGS__);                                      \
    } while (0)

void log_write(struct log *l, uint64_t now_ns, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Copies the next line after *cursor into out, moves *cursor; 0 when there is none. Lines that
 * were overwritten meanwhile are skipped. */
int log_read(const struct log *l, uint64_t *cursor, uint64_t *at_ns, char out[static LOG_LINELEN]);

#endif

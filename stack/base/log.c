#include "stack/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void log_write(struct log *l, uint64_t now_ns, const char *fmt, ...) {
    va_list ap;
    uint64_t slot = l->next % LOG_LINES;
    l->line[slot].at_ns = now_ns;
    va_start(ap, fmt);
    vsnprintf(l->line[slot].text, LOG_LINELEN, fmt, ap);
    va_end(ap);
    l->next++;
}

int log_read(const struct log *l, uint64_t *cursor, uint64_t *at_ns, char out[static LOG_LINELEN]) {
    if (*cursor >= l->next)
        return 0;
    if (l->next - *cursor > LOG_LINES)
        *cursor = l->next - LOG_LINES;
    uint64_t slot = (*cursor)++ % LOG_LINES;
    *at_ns = l->line[slot].at_ns;
    memcpy(out, l->line[slot].text, LOG_LINELEN);
    out[LOG_LINELEN - 1] = '\0'; /* a writer may have died in the middle of it */
    return 1;
}

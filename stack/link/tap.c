/* The pcap tap. Every frame that passes becomes one record, appended by one write, in the order in
 * which the stack sees them: a received frame whose rest is not in memory is written when the stack
 * reads it (the bytes are then where they belong) or, if it never does, cut at what there was;
 * those behind it in its batch wait for it, their bytes stay valid until recv_done.
 *
 * The file's header is libpcap's own. A record that the file does not take (disk full, a pipe whose
 * reader is slow) is lost: the tap never holds up the stack. */
#include "stack/link/tap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "stack/link/pcaplib.h"
#include "stack/link/sys.h"

#define FILE_HEADER_LEN 24 /* struct pcap_file_header as it stands in a file */
#define IOV_MAX_REST    160

/* Heads each record in the file, in the byte order of its header's magic number, which is ours. */
struct record {
    uint32_t sec, nsec, caplen, len;
};

struct tap_link;
struct tap_rx {
    struct tap_link *tap;
    struct frame orig; /* as the inner link gave it */
};

struct tap_link {
    struct link link;
    struct link *inner;
    int fd;
    int64_t clock_offset_ns;
    uint64_t batch_ns;
    int nrx, written; /* received frames of this batch; those that stand in the file */
    struct tap_rx rx[LINK_BATCH];
};

static struct tap_link *self_of(struct link *l) {
    return (struct tap_link *)l;
}

/* `iov` with a free entry at its front. */
static void write_record(struct tap_link *t, uint64_t now_ns, struct iovec *iov, int niov,
                         uint32_t len) {
    uint64_t at = now_ns + (uint64_t)t->clock_offset_ns;
    struct record r = {.sec = (uint32_t)(at / 1000000000u),
                       .nsec = (uint32_t)(at % 1000000000u),
                       .caplen = (uint32_t)iov_len(iov + 1, niov - 1),
                       .len = len};
    iov[0] = (struct iovec){&r, sizeof(r)};
    (void)!sys_writev(t->fd, iov, niov); /* see above: a record may be lost */
    iov[0] = (struct iovec){NULL, 0};
}

/* Writes received frame `i` with `got` bytes of its rest, which lie in the vector. */
static void write_rx(struct tap_link *t, int i, const struct iovec *rest, int nrest, uint32_t got) {
    struct iovec iov[2 + IOV_MAX_REST];
    const struct frame *f = &t->rx[i].orig;
    int n = 1;

    iov[n++] = (struct iovec){(uint8_t *)(uintptr_t)f->data, f->linear};
    for (int k = 0; k < nrest && got > 0; k++) {
        size_t piece = rest[k].iov_len < got ? rest[k].iov_len : got;
        iov[n++] = (struct iovec){rest[k].iov_base, piece};
        got -= (uint32_t)piece;
    }
    write_record(t, t->batch_ns, iov, n, f->len);
}

/* Writes what stands before frame `end` and hasn't been written. With `force`, also frames whose
 * rest nobody read; else stops at the first of them. */
static void write_until(struct tap_link *t, int end, bool force) {
    for (; t->written < end; t->written++) {
        const struct frame *f = &t->rx[t->written].orig;
        if (f->linear < f->len && !force)
            return;
        write_rx(t, t->written, NULL, 0, 0);
    }
}

static int tap_read_rest(struct frame *f, const struct iovec *iov, int niov) {
    struct tap_rx *rx = f->src;
    struct tap_link *t = rx->tap;
    int i = (int)(rx - t->rx);
    struct frame inner = *f;

    assert(niov <= IOV_MAX_REST);
    inner.src = rx->orig.src;
    int got = rx->orig.read_rest(&inner, iov, niov);
    if (i >= t->written) {
        write_until(t, i, true);
        write_rx(t, i, iov, niov, got > 0 ? (uint32_t)got : 0);
        t->written = i + 1;
    }
    return got;
}

static int tap_recv_batch(struct link *l, struct frame *f, int max, uint64_t now_ns) {
    struct tap_link *t = self_of(l);
    int n = link_recv_batch(t->inner, f, max, now_ns);
    t->batch_ns = now_ns;
    t->nrx = n;
    t->written = 0;
    for (int i = 0; i < n; i++) {
        t->rx[i] = (struct tap_rx){t, f[i]};
        f[i].read_rest = tap_read_rest;
        f[i].src = &t->rx[i];
    }
    write_until(t, n, false);
    return n;
}

static void tap_recv_done(struct link *l, int n) {
    struct tap_link *t = self_of(l);
    write_until(t, t->nrx, true);
    t->nrx = 0;
    link_recv_done(t->inner, n);
}

static int tap_send_batch(struct link *l, struct pkt *const *p, int n, uint64_t now_ns,
                          uint64_t *dropped) {
    struct tap_link *t = self_of(l);
    struct iovec iov[2 + PKT_FRAGS_MAX];
    int taken = link_send_batch(t->inner, p, n, now_ns, dropped);
    for (int i = 0; i < taken; i++) {
        int niov = pkt_iov(p[i], iov + 1);
        write_record(t, now_ns, iov, niov + 1, (uint32_t)pkt_len(p[i]));
    }
    return taken;
}

static uint64_t tap_next_event(struct link *l) {
    return link_next_event(self_of(l)->inner);
}

static void tap_close(struct link *l) {
    sys_close(self_of(l)->fd);
    free(l);
}

static const struct link_ops tap_ops = {.recv_batch = tap_recv_batch,
                                        .recv_done = tap_recv_done,
                                        .send_batch = tap_send_batch,
                                        .next_event = tap_next_event,
                                        .close = tap_close};

/* The header that libpcap writes for Ethernet with nanosecond stamps. */
static bool make_file_header(uint8_t out[static FILE_HEADER_LEN]) {
    struct pcaplib lib;
    char *text = NULL;
    size_t len = 0;

    if (!pcaplib_open(&lib))
        return false;
    FILE *f = open_memstream(&text, &len);
    pcap_dumper_t *d = f != NULL ? lib.dump_fopen(lib.dead, f) : NULL;
    if (d != NULL)
        lib.dump_close(d); /* closes f as well */
    else if (f != NULL)
        fclose(f);
    bool ok = d != NULL && len == FILE_HEADER_LEN;
    if (ok)
        memcpy(out, text, FILE_HEADER_LEN);
    free(text);
    pcaplib_close(&lib);
    return ok;
}

/* Begins the file, or sees that what is there can be continued. NULL, or what is wrong. */
static const char *begin_file(int fd) {
    uint8_t want[FILE_HEADER_LEN], have[FILE_HEADER_LEN];
    struct stat sb = {0};
    const char *why = NULL;

    if (!make_file_header(want))
        return "cannot make a capture file: libpcap is not installed (apt install libpcap0.8)";
    if (sys_fstat(fd, &sb) < 0)
        return "cannot look at the capture file";
    if (!S_ISREG(sb.st_mode)) /* a pipe to a reader: no other process writes the header */
        return sys_write(fd, want, sizeof(want)) == (ssize_t)sizeof(want)
                   ? NULL
                   : "cannot write to the capture pipe";
    sys_flock(fd, LOCK_EX); /* two processes that begin at once */
    ssize_t n = sys_pread(fd, have, sizeof(have), 0);
    if (n == 0 && sys_write(fd, want, sizeof(want)) != (ssize_t)sizeof(want))
        why = "cannot write the capture file (is the disk full?)";
    else if (n != 0 && (n != (ssize_t)sizeof(have) || memcmp(have, want, sizeof(have)) != 0))
        why = "the capture file exists and is not one of ours: remove it or give another name";
    sys_flock(fd, LOCK_UN);
    return why;
}

struct link *link_tap_new(struct link *inner, const char *path, int64_t clock_offset_ns,
                          const char **why) {
    struct tap_link *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        *why = "out of memory";
        return NULL;
    }
    t->fd = sys_open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
    *why = t->fd < 0 ? "cannot open the capture file for writing" : begin_file(t->fd);
    if (*why != NULL) {
        if (t->fd >= 0)
            sys_close(t->fd);
        free(t);
        return NULL;
    }
    t->link = (struct link){.ops = &tap_ops, .caps = inner->caps};
    t->inner = inner;
    t->clock_offset_ns = clock_offset_ns;
    return &t->link;
}

int link_tap_fd(const struct link *tap) {
    return ((const struct tap_link *)tap)->fd;
}
void link_tap_set_fd(struct link *tap, int fd) {
    self_of(tap)->fd = fd;
}

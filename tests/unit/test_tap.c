#include "tests/unit/link_util.h"

#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stack/link/gso.h"
#include "stack/link/sim.h"
#include "stack/link/tap.h"

#define OFFSET_NS (1700000000ll * 1000000000 + 5)

static struct lab lab;
static struct sim_wire *wire;
static struct link *tap, *far_end;
static char path[64];
static uint8_t buf[GSO_FRAME_MAX];

static struct link *open_tap(void) {
    const char *why;
    struct link *t = link_tap_new(sim_wire_end(wire, 0), path, OFFSET_NS, &why);
    cr_assert(t != NULL, "%s", why);
    return t;
}

static void setup(void) {
    static const struct impair none[2];
    lab_init(&lab);
    wire = sim_wire_new(none, &(struct link_caps){.mtu = 1500, .gso_max = 65521, .tx_csum = true});
    far_end = sim_wire_end(wire, 1);
    snprintf(path, sizeof(path), "/tmp/test_tap.%d.pcap", (int)getpid());
    unlink(path);
    tap = open_tap();
}
static void teardown(void) {
    tap->ops->close(tap);
    sim_wire_free(wire);
    unlink(path);
    lab_end(&lab);
}
TestSuite(tap, .init = setup, .fini = teardown);

static void send_on(struct link *l, uint32_t seq_no, uint32_t len, uint16_t mss, uint64_t now) {
    struct pkt *p = lab_tcp(&lab, seq_no, len, mss, TH_ACK);
    uint64_t dropped = 0;
    cr_assert_eq(link_send_batch(l, &p, 1, now, &dropped), 1);
    lab_free(&lab, p);
}

static pcap_t *open_file(void) {
    char err[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, err);
    cr_assert(p != NULL, "%s", err);
    cr_assert_eq(pcap_datalink(p), DLT_EN10MB);
    return p;
}

/* The next record must be a segment of lab_tcp of that length and sequence number. */
static struct pcap_pkthdr expect_record(pcap_t *p, uint32_t seq_no, uint32_t payload) {
    struct pcap_pkthdr *h;
    const u_char *data;
    struct seen s;
    cr_assert_eq(pcap_next_ex(p, &h, &data), 1);
    cr_assert_eq(h->len, FRAME_HDR + payload);
    if (h->caplen == h->len) {
        check_frame(data, h->caplen, true, &s);
        cr_assert_eq(s.tcp.seq.v, seq_no);
    }
    return *h;
}

static void expect_end(pcap_t *p) {
    struct pcap_pkthdr *h;
    const u_char *data;
    cr_assert_eq(pcap_next_ex(p, &h, &data), PCAP_ERROR_BREAK);
    pcap_close(p);
}

Test(tap, sent_frames_with_their_time) {
    send_on(tap, 1, 10, 0, 1000000007);
    send_on(tap, 2, 60000, 1448, 2000000000);
    pcap_t *p = open_file();
    struct pcap_pkthdr h = expect_record(p, 1, 10);
    cr_assert_eq(h.ts.tv_sec, 1700000001);
    cr_assert_eq(h.ts.tv_usec, 12, "nanoseconds");
    h = expect_record(p, 2, 60000);
    cr_assert_eq(h.caplen, h.len, "super-frames are whole");
    expect_end(p);
}

/* Small frames stand around large ones, of which one is read, one is not: the order is kept, and
 * of the unread one the head is there. */
Test(tap, received_frames_in_order) {
    struct frame f[8];
    send_on(far_end, 1, 10, 0, 0);
    send_on(far_end, 2, 50000, 1448, 0);
    send_on(far_end, 3, 20, 0, 0);
    send_on(far_end, 4, 40000, 1448, 0);
    send_on(far_end, 5, 30, 0, 0);
    cr_assert_eq(link_recv_batch(tap, f, 8, 9), 5);
    struct seen s;
    check_frame(buf, read_frame(&f[3], buf, sizeof(buf)), true, &s);
    cr_assert_eq(s.payload_len, 40000);
    send_on(tap, 6, 1, 0, 9); /* an answer from within the batch comes after what it answers */
    link_recv_done(tap, 5);
    pcap_t *p = open_file();
    cr_assert_eq(expect_record(p, 1, 10).caplen, FRAME_HDR + 10);
    cr_assert_lt(expect_record(p, 2, 50000).caplen, 1000);
    expect_record(p, 3, 20);
    cr_assert_eq(expect_record(p, 4, 40000).caplen, FRAME_HDR + 40000);
    expect_record(p, 6, 1);
    expect_record(p, 5, 30);
    expect_end(p);
}

/* Payload goes to scattered places, as in a receive buffer, after the headers were taken off. */
Test(tap, record_is_whole_when_the_rest_goes_elsewhere) {
    struct frame f;
    struct iovec iov[3] = {{buf, 100}, {buf + 5000, 7000}, {buf + 20000, 40000}};
    send_on(far_end, 1, 30000, 1448, 0);
    cr_assert_eq(link_recv_batch(tap, &f, 1, 0), 1);
    frame_pull(&f, FRAME_HDR);
    cr_assert_eq(frame_read(&f, 0, 30000, iov, 3), 30000);
    link_recv_done(tap, 1);
    cr_assert_eq(buf[100 + 5000], pattern(1 + 200));
    pcap_t *p = open_file();
    cr_assert_eq(expect_record(p, 1, 30000).caplen, FRAME_HDR + 30000);
    expect_end(p);
}

Test(tap, several_processes_append_to_one_file) {
    pid_t kid[4];
    for (uint32_t k = 0; k < 4; k++)
        if ((kid[k] = fork()) == 0) {
            struct link *t = open_tap();
            for (uint32_t i = 0; i < 200; i++)
                send_on(t, k * 1000 + i, 100 + i * 10, 0, i);
            _exit(0);
        }
    for (int k = 0; k < 4; k++) {
        int status;
        cr_assert_eq(waitpid(kid[k], &status, 0), kid[k]);
        cr_assert_eq(status, 0);
    }
    pcap_t *p = open_file();
    uint32_t next[4] = {0};
    for (int i = 0; i < 800; i++) {
        struct pcap_pkthdr *h;
        const u_char *data;
        struct seen s;
        cr_assert_eq(pcap_next_ex(p, &h, &data), 1);
        check_frame(data, h->caplen, true, &s);
        uint32_t k = s.tcp.seq.v / 1000;
        cr_assert_eq(s.tcp.seq.v % 1000, next[k]++);
    }
    expect_end(p);
}

Test(tap, two_that_begin_at_once_write_one_header) {
    for (int round = 0; round < 20; round++) {
        pid_t kid[4];
        struct stat sb;
        unlink(path);
        for (int k = 0; k < 4; k++)
            if ((kid[k] = fork()) == 0) {
                open_tap();
                _exit(0);
            }
        for (int k = 0; k < 4; k++)
            waitpid(kid[k], NULL, 0);
        cr_assert_eq(stat(path, &sb), 0);
        cr_assert_eq(sb.st_size, 24);
    }
}

Test(tap, other_files_are_refused) {
    const char *why;
    FILE *f = fopen(path, "w");
    fputs("something dear to the user, longer than a header", f);
    fclose(f);
    cr_assert(link_tap_new(sim_wire_end(wire, 0), path, 0, &why) == NULL);
    cr_assert(strstr(why, "remove it"));
    cr_assert(link_tap_new(sim_wire_end(wire, 0), "/nonexistent/x", 0, &why) == NULL);
    cr_assert(strstr(why, "cannot open"));
}

Test(tap, full_disk_holds_nobody_up) {
    const char *why;
    struct link *t = link_tap_new(sim_wire_end(wire, 0), "/dev/full", 0, &why);
    cr_assert(t == NULL && why != NULL);
    int fd = open("/dev/full", O_WRONLY);
    close(link_tap_fd(tap));
    link_tap_set_fd(tap, fd);
    send_on(tap, 1, 10, 0, 0);
}

static int tshark(const char *args, char *out, size_t outlen) {
    char cmd[256];
    snprintf(cmd, sizeof(cmd), "tshark -r %s %s 2>&1", path, args);
    FILE *f = popen(cmd, "r");
    size_t n = fread(out, 1, outlen - 1, f);
    out[n] = '\0';
    return pclose(f);
}

Test(tap, tshark_reads_it, .timeout = 60) {
    char out[8192];
    struct frame f;
    if (system("command -v tshark >/dev/null 2>&1") != 0)
        cr_skip_test("tshark is not installed");
    send_on(tap, 1, 100, 0, 1);
    send_on(tap, 101, 60000, 1448, 2);
    send_on(far_end, 60101, 50000, 1448, 2);
    cr_assert_eq(link_recv_batch(tap, &f, 1, 3), 1);
    read_frame(&f, buf, sizeof(buf));
    link_recv_done(tap, 1);
    cr_assert_eq(tshark("-T fields -e tcp.len -e tcp.seq_raw", out, sizeof(out)), 0);
    cr_assert(strstr(out, "100\t1\n60000\t101\n50000\t60101\n"), "%s", out);
    cr_assert(strstr(out, "cut short") == NULL && strstr(out, "damaged") == NULL, "%s", out);
    cr_assert_eq(tshark("-q -z expert", out, sizeof(out)), 0);
    cr_assert(strstr(out, "Errors") == NULL && strstr(out, "Warns") == NULL, "%s", out);
}

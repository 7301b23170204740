#include "calls.h"

void test_fdopen_lines(void) {
    int fd[2];
    char line[64];
    tcp_pair(fd);
    FILE *w = fdopen(fd[0], "w"), *r = fdopen(fd[1], "r");
    CHECK(w != NULL && r != NULL);
    CHECK(fileno(w) == fd[0] && fileno(r) == fd[1]);
    CHECK(fprintf(w, "line %d\nand %s\n", 1, "two") > 0 && fflush(w) == 0);
    CHECK(fgets(line, sizeof(line), r) != NULL && strcmp(line, "line 1\n") == 0);
    CHECK(fgets(line, sizeof(line), r) != NULL && strcmp(line, "and two\n") == 0);
    CHECK(fclose(w) == 0);
    CHECK(fgets(line, sizeof(line), r) == NULL && feof(r) && !ferror(r));
}

void test_fdopen_close(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    FILE *f = fdopen(fd[0], "r+");
    CHECK(fputs("last", f) >= 0);
    CHECK(fclose(f) == 0); /* writes, and closes the descriptor */
    CHECK_ERR(fcntl(fd[0], F_GETFD), EBADF);
    CHECK(read_full(fd[1], buf, 8) == 4);
}

void test_stdout_redirected(void) {
    int fd[2];
    char buf[32];
    tcp_pair(fd);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    CHECK(dup2(fd[0], STDOUT_FILENO) == STDOUT_FILENO);
    printf("to the socket %d\n", 7);
    CHECK(fflush(stdout) == 0 && fileno(stdout) == STDOUT_FILENO);
    CHECK(dup2(saved, STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(close(fd[0]) == 0);
    CHECK(read_full(fd[1], buf, sizeof(buf)) == 16 && memcmp(buf, "to the socket 7\n", 16) == 0);
    CHECK(printf("%s", "") == 0 && fflush(stdout) == 0);
}

void test_stdin_redirected(void) {
    int fd[2];
    char line[32];
    tcp_pair(fd);
    CHECK(write(fd[1], "from the socket\n", 16) == 16 && close(fd[1]) == 0);
    CHECK(dup2(fd[0], STDIN_FILENO) == STDIN_FILENO);
    CHECK(fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "from the socket\n") == 0);
    CHECK(getchar() == EOF);
}

/* What was written before dup2 and not flushed goes where the stream leads then. */
void test_stdout_pending(void) {
    int fd[2];
    char buf[32];
    tcp_pair(fd);
    static char space[4096];
    setvbuf(stdout, space, _IOFBF, sizeof(space));
    CHECK(fputs("before ", stdout) >= 0);
    CHECK(dup2(fd[0], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(fputs("after", stdout) >= 0 && fflush(stdout) == 0);
    CHECK(shutdown(fd[0], SHUT_WR) == 0);
    CHECK(read_full(fd[1], buf, sizeof(buf)) == 12 && memcmp(buf, "before after", 12) == 0);
}

void test_dprintf_socket(void) {
    int fd[2];
    char buf[32];
    tcp_pair(fd);
    CHECK(dprintf(fd[0], "%s-%d", "number", 42) == 9);
    CHECK(read_full(fd[1], buf, 9) == 9 && memcmp(buf, "number-42", 9) == 0);
}

void test_stdout_closed(void) {
    int fd[2];
    char buf[8];
    tcp_pair(fd);
    CHECK(dup2(fd[0], STDOUT_FILENO) == STDOUT_FILENO && close(fd[0]) == 0);
    CHECK(fputs("end", stdout) >= 0 && fclose(stdout) == 0);
    CHECK(read_full(fd[1], buf, sizeof(buf)) == 3); /* and then the end: the descriptor is closed */
    CHECK_ERR(fcntl(STDOUT_FILENO, F_GETFD), EBADF);
}

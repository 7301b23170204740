/* CLOSE and ABORT (RFC 9293 §3.10.4, §3.10.5), and the half-close of shutdown(2). */
#include "stack/tcp/tcb.h"

#include <poll.h>
#include <sys/socket.h>

/* Our side has no more to send: a FIN goes behind what is queued. */
static void close_send_side(struct stack *st, struct tcb *t) {
    t->shut |= SHUT_BIT_WR;
    switch (t->state) {
    case TCPS_SYN_RCVD: /* §3.10.4: queued until the connection is established */
        t->snd.fin_queued = true;
        t->snd.more = t->snd.hold = false;
        if (t->fo.pending)
            tcp_output(st, t);
        return;
    case TCPS_ESTABLISHED:
        tcb_set_state(st, t, TCPS_FIN_WAIT_1);
        break;
    case TCPS_CLOSE_WAIT:
        tcb_set_state(st, t, TCPS_LAST_ACK);
        break;
    default:
        return;
    }
    t->snd.fin_queued = true;
    t->snd.more = t->snd.hold = false;
    tcp_output(st, t);
}

int tcp_shutdown(struct stack *st, struct tcb *t, int how) {
    if (t->state == TCPS_CLOSED || t->state == TCPS_LISTEN || t->state == TCPS_SYN_SENT)
        return -ENOTCONN;
    stack_dirty(st, t);
    if (how != SHUT_WR) { /* nothing goes to the peer; what he sends is still taken, as in Linux */
        t->shut |= SHUT_BIT_RD;
        tcb_raise(st, t, POLLIN | POLLRDHUP);
    }
    if (how != SHUT_RD) {
        close_send_side(st, t);
        tcb_raise(st, t, POLLOUT | (t->rcv.fin_seen || how == SHUT_RDWR ? POLLHUP : 0u));
    }
    tcb_leave(st, t);
    return 0;
}

static bool needs_reset(const struct tcb *t) {
    switch (t->state) {
    case TCPS_SYN_RCVD:
    case TCPS_ESTABLISHED:
    case TCPS_CLOSE_WAIT:
    case TCPS_FIN_WAIT_1:
    case TCPS_FIN_WAIT_2:
    case TCPS_CLOSING:
    case TCPS_LAST_ACK:
        return true;
    default:
        return false;
    }
}

static void abort_with(struct stack *st, struct tcb *t, int error) {
    if (t->state == TCPS_LISTEN)
        listen_close(st, t);
    if (needs_reset(t))
        reset_send(st, t);
    tcb_finish(st, t, error);
}

void tcp_abort(struct stack *st, struct tcb *t, int error) {
    stack_dirty(st, t);
    if (t->state == TCPS_CLOSED) {
        t->error = error;
        t->done = true;
        tcb_raise(st, t, POLLIN | POLLOUT | POLLHUP | (error != 0 ? POLLERR : 0u));
    } else {
        abort_with(st, t, error);
        stream_clear(&st->chunks, &t->rcv.queue);
    }
    tcb_leave(st, t);
}

/* True when the connection may not end in an orderly way. */
static bool must_abort(struct stack *st, const struct tcb *t) {
    if (t->rcv.queue.len > 0 && needs_reset(t)) { /* RFC 2525 §2.17, SHLD-3: data would be lost */
        st->ctr.TcpExtTCPAbortOnClose++;
        return true;
    }
    if (t->opts.linger && t->opts.linger_s == 0)
        return t->state != TCPS_TIME_WAIT;
    return t->state == TCPS_SYN_SENT || t->state == TCPS_LISTEN ||
           (t->state == TCPS_FIN_WAIT_2 && t->opts.linger2_s < 0);
}

void tcp_close(struct stack *st, struct tcb *t) {
    stack_dirty(st, t);
    t->user = NULL;
    t->holder = TCB_ORPHAN;
    t->shut |= SHUT_BIT_RD;
    errq_clear(st, &t->errq); /* nobody will ask */
    if (must_abort(st, t)) {
        abort_with(st, t, 0);
    } else {
        stream_clear(&st->chunks, &t->rcv.queue);
        close_send_side(st, t);
        tcp_on_orphaned(st, t);
        tcb_list_timewait(st, t);
        if (tcb_count_orphan(st, t) && memory_forbids_orphan(st, t))
            abort_with(st, t, 0);
    }
    tcb_leave(st, t);
}

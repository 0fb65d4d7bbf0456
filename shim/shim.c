/*
 * The program the container runtime executes.
 *
 * It moves bytes: CNI_* variables, stdin and two namespace descriptors go to the daemon; the answer comes
 * back. It parses no JSON and decides nothing about networks. What it does decide: how long to wait for a
 * daemon that is away, that a DEL nobody can take now is kept in the spool, and how a plugin is run when
 * the daemon asks for that. src/polypod/daemon/wire.py is the other end of the wire.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef POLYPOD_VERSION
#define POLYPOD_VERSION "0"
#endif

enum {
    WIRE_VERSION = 1,
    SPOOL_VERSION = 1, /* of kept entries: releases with another wire read them, too */
    HEADER_LEN = 12,
    MAX_PAYLOAD = 8 << 20,
    MAX_REQUEST = 2 << 20,
    MAX_STDIN = 1 << 20,
    MAX_STREAM = 3 << 20, /* of each output stream of a plugin: both fit into one frame */
    MAX_SPOOL = 4096, /* entries */
    MAX_SPOOL_BYTES = 64 << 20,
    RETRY_MS = 20,
    TEXTBUSY_TRIES = 5,
    TEXTBUSY_MS = 200
};
enum { KIND_REQUEST = 1, KIND_RESULT, KIND_RUN, KIND_RAN, KIND_MISMATCH };
enum { CODE_ENVIRONMENT = 4, CODE_IO = 5, CODE_DECODE = 6, CODE_TRY_AGAIN = 11, CODE_UNAVAILABLE = 50 };
enum { RAN_EXITED = 0, RAN_SIGNALLED, RAN_EXEC_FAILED, RAN_TIMED_OUT, RAN_TOO_LARGE, RAN_UNWANTED };
enum outcome { DONE, AWAY, LOST, LATE, REFUSED };

struct bytes {
    unsigned char *at;
    size_t len, room;
};
struct slice {
    const unsigned char *at;
    size_t left;
};
struct call {
    const char *argv0, *command, *socket;
    int netns, host;
    int64_t started, wait_until, deadline; /* CLOCK_BOOTTIME, nanoseconds */
    struct bytes input;           /* stdin */
    int refusal;                  /* errno of the connection that failed */
};

extern char **environ;

/* ---- the one way out with an error ---- */

static int write_all(int fd, const void *src, size_t n)
{
    const unsigned char *at = src;
    while (n > 0) {
        ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT, .revents = 0};
            if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return -1;
            continue;
        }
        if (done <= 0)
            return -1;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

static size_t escape(char *out, size_t room, const char *text)
{
    size_t n = 0;
    for (; *text != '\0' && n + 7 < room; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c < 0x20) {
            int used = snprintf(out + n, room - n, "\\u%04x", (unsigned)c);
            n += used > 0 ? (size_t)used : 0;
        } else {
            out[n++] = c < 0x7f ? (char)c : '?';
        }
    }
    out[n] = '\0';
    return n;
}

static _Noreturn void fail(int code, const char *details, const char *format, ...) __attribute__((format(printf, 3, 4)));

static _Noreturn void fail(int code, const char *details, const char *format, ...)
{
    char plain[1024], msg[2048], more[2048], out[4608];
    va_list args;
    va_start(args, format);
    if (vsnprintf(plain, sizeof plain, format, args) < 0)
        plain[0] = '\0';
    va_end(args);
    (void)escape(msg, sizeof msg, plain);
    (void)escape(more, sizeof more, details);
    int n = snprintf(out, sizeof out, "{\n    \"code\": %d,\n    \"msg\": \"%s\",\n    \"details\": \"%s\"\n}", code, msg, more);
    if (n > 0)
        (void)write_all(STDOUT_FILENO, out, (size_t)n < sizeof out ? (size_t)n : sizeof out - 1);
    exit(1);
}

/* ---- bytes and time ---- */

static void put(struct bytes *b, const void *src, size_t n)
{
    if (n == 0)
        return;
    if (b->at == NULL || n > b->room - b->len) {
        size_t room = (b->len + n) * 2 + 256;
        unsigned char *grown = realloc(b->at, room);
        if (grown == NULL)
            fail(CODE_TRY_AGAIN, "the host is out of memory", "no memory for %zu bytes", room);
        b->at = grown;
        b->room = room;
    }
    memcpy(b->at + b->len, src, n);
    b->len += n;
}

static void put_number(struct bytes *b, uint32_t value, size_t width)
{
    for (size_t i = 0; i < width; i++, value >>= 8) {
        unsigned char c = (unsigned char)(value & 0xff);
        put(b, &c, 1);
    }
}

static void put_blob(struct bytes *b, const void *src, size_t n)
{
    put_number(b, (uint32_t)n, 4);
    put(b, src, n);
}

static void drop(struct bytes *b)
{
    free(b->at);
    *b = (struct bytes){NULL, 0, 0};
}

static _Noreturn void malformed(void)
{
    fail(CODE_TRY_AGAIN, "restart the polypod daemon; if that does not help, report it", "the daemon's answer is malformed");
}

static uint32_t take_number(struct slice *s, size_t width)
{
    uint32_t value = 0;
    if (s->left < width)
        malformed();
    for (size_t i = 0; i < width; i++)
        value |= (uint32_t)s->at[i] << (8 * i);
    s->at += width;
    s->left -= width;
    return value;
}

static struct slice take_blob(struct slice *s)
{
    size_t n = take_number(s, 4);
    if (n > s->left)
        malformed();
    struct slice blob = {s->at, n};
    s->at += n;
    s->left -= n;
    return blob;
}

static char *take_text(struct slice *s)
{
    struct slice blob = take_blob(s);
    char *text = malloc(blob.left + 1);
    if (text == NULL)
        fail(CODE_TRY_AGAIN, "the host is out of memory", "no memory for %zu bytes", blob.left);
    if (blob.left > 0)
        memcpy(text, blob.at, blob.left);
    text[blob.left] = '\0';
    if (strlen(text) != blob.left)
        malformed();
    return text;
}

static int64_t now_ns(void)
{
    struct timespec t = {0, 0};
    if (clock_gettime(CLOCK_BOOTTIME, &t) != 0)
        fail(CODE_TRY_AGAIN, "", "the clock cannot be read: %s", strerror(errno));
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int ms_until(int64_t deadline)
{
    int64_t left = (deadline - now_ns() + 999999) / 1000000;
    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

static void sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

static int64_t milliseconds(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    if (text == NULL || *text < '0' || *text > '9')
        return otherwise;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' || value > 86400000 ? otherwise : (int64_t)value;
}

static void shut(int *fd)
{
    if (*fd >= 0 && close(*fd) != 0 && errno == EBADF)
        abort();
    *fd = -1;
}

static void unblock(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        fail(CODE_TRY_AGAIN, "", "fcntl: %s", strerror(errno));
}

/* ---- the request ---- */

static void read_stdin(struct call *c)
{
    unsigned char chunk[16384];
    for (;;) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        int ready = poll(&p, 1, ms_until(c->deadline));
        if (ready == 0)
            fail(CODE_TRY_AGAIN, "the caller must close stdin", "the configuration on stdin did not end in time");
        ssize_t n = ready < 0 ? -1 : read(STDIN_FILENO, chunk, sizeof chunk);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            fail(CODE_IO, "", "cannot read the configuration from stdin: %s", strerror(errno));
        if (n == 0)
            return;
        put(&c->input, chunk, (size_t)n);
        if (c->input.len > MAX_STDIN)
            fail(CODE_DECODE, "the limit is 1 MiB", "the configuration on stdin is too large");
    }
}

static int is_cni(const char *entry)
{
    return strncmp(entry, "CNI_", 4) == 0 && strchr(entry, '=') != NULL;
}

static void render_request(const struct call *c, struct bytes *b, int with_fds)
{
    uint32_t count = 0;
    put_number(b, with_fds ? (c->netns >= 0 ? 1u : 0u) | (c->host >= 0 ? 2u : 0u) : 0u, 4);
    put_number(b, (uint32_t)((uint64_t)c->started & UINT32_MAX), 4);
    put_number(b, (uint32_t)((uint64_t)c->started >> 32), 4);
    put_blob(b, c->argv0, strlen(c->argv0));
    for (char **e = environ; *e != NULL; e++)
        count += is_cni(*e) ? 1 : 0;
    put_number(b, count, 4);
    for (char **e = environ; *e != NULL; e++)
        if (is_cni(*e))
            put_blob(b, *e, strlen(*e));
    put_blob(b, c->input.at, c->input.len);
    if (b->len > MAX_REQUEST)
        fail(CODE_ENVIRONMENT, "the limit is 1 MiB", "the CNI_ variables are too large");
}

static void render_frame(struct bytes *frame, uint32_t version, uint32_t kind, const struct bytes *payload)
{
    put(frame, "PLYP", 4);
    put_number(frame, version, 2);
    put_number(frame, kind, 2);
    put_number(frame, (uint32_t)payload->len, 4);
    put(frame, payload->at, payload->len);
}

/* ---- the spool ---- */

static int make_folders(const char *path)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return -1;
    memcpy(part, path, n + 1);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return -1;
        *at = kept;
        if (kept == '\0')
            return 0;
    }
}

static int spool_has_room(int folder)
{
    int again = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again < 0 ? NULL : fdopendir(again);
    if (list == NULL) {
        shut(&again);
        return 0;
    }
    long long count = 0, size = 0;
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(list)) != NULL) {
        struct stat found;
        if (fstatat(folder, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(found.st_mode)) {
            count++;
            size += found.st_size;
        }
        errno = 0; /* an entry that the daemon takes out meanwhile is no failure */
    }
    int failed = errno;
    if (closedir(list) != 0 || failed != 0)
        return 0;
    errno = EDQUOT;
    return count < MAX_SPOOL && size < MAX_SPOOL_BYTES;
}

static int spool_write(int folder, const struct bytes *frame)
{
    char final[64], temporary[72];
    (void)snprintf(final, sizeof final, "%020lld-%ld.del", (long long)now_ns(), (long)getpid());
    (void)snprintf(temporary, sizeof temporary, ".%s", final);
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int failed = write_all(fd, frame->at, frame->len) != 0 || fsync(fd) != 0 ? errno : 0;
    if (close(fd) != 0 && failed == 0)
        failed = errno;
    if (failed == 0 && renameat(folder, temporary, folder, final) == 0)
        return fsync(folder);
    failed = failed != 0 ? failed : errno;
    (void)unlinkat(folder, temporary, 0);
    errno = failed;
    return -1;
}

static _Noreturn void spool_delete(const struct call *c)
{
    const char *path = getenv("POLYPOD_SPOOL");
    path = path == NULL || *path == '\0' ? "/var/lib/polypod/spool" : path;
    struct bytes payload = {NULL, 0, 0}, frame = {NULL, 0, 0};
    render_request(c, &payload, 0);
    render_frame(&frame, SPOOL_VERSION, KIND_REQUEST, &payload);
    int folder = make_folders(path) != 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || !spool_has_room(folder) || spool_write(folder, &frame) != 0) {
        const char *why = errno == EDQUOT ? "it is full" : strerror(errno);
        fail(CODE_TRY_AGAIN, "start the polypod daemon, or make room on the node's disk",
             "the polypod daemon is away and DEL cannot be kept in %s: %s", path, why);
    }
    drop(&payload);
    drop(&frame);
    shut(&folder);
    exit(0);
}

/* ---- the connection ---- */

static int open_connection(struct call *c)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = {0}};
    size_t n = strlen(c->socket);
    if (n >= sizeof to.sun_path)
        fail(CODE_ENVIRONMENT, "choose a shorter path", "POLYPOD_SOCKET is too long");
    memcpy(to.sun_path, c->socket, n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail(CODE_TRY_AGAIN, "", "socket: %s", strerror(errno));
    /* The listener's backlog is the daemon's queue: stand in it, but not for ever. */
    int left = ms_until(c->deadline);
    struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000 + 1};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0)
        fail(CODE_TRY_AGAIN, "", "setsockopt: %s", strerror(errno));
    while (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (errno == EINTR)
            continue;
        c->refusal = errno;
        shut(&fd);
        return -1;
    }
    unblock(fd);
    return fd;
}

static ssize_t send_part(int fd, const struct call *c, const unsigned char *at, size_t n, int with_fds)
{
    union {
        struct cmsghdr align;
        unsigned char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (void *)(uintptr_t)at, .iov_len = n};
    struct msghdr message;
    int fds[2], count = 0;
    memset(&message, 0, sizeof message);
    memset(&control, 0, sizeof control);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (c->netns >= 0)
        fds[count++] = c->netns;
    if (c->host >= 0)
        fds[count++] = c->host;
    if (with_fds && count > 0) {
        size_t size = (size_t)count * sizeof(int);
        message.msg_control = control.room;
        message.msg_controllen = (unsigned)CMSG_SPACE(size);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = (unsigned)CMSG_LEN(size);
        memcpy(CMSG_DATA(head), fds, size);
    }
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static enum outcome send_frame(int fd, const struct call *c, const struct bytes *frame, int with_fds)
{
    size_t done = 0;
    while (done < frame->len) {
        ssize_t n = send_part(fd, c, frame->at + done, frame->len - done, with_fds && done == 0);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLOUT, .revents = 0};
            if (poll(&p, 1, ms_until(c->deadline)) == 0)
                return LATE;
        } else if (n < 0 && errno != EINTR) {
            return AWAY; /* the answer to a first part may be there to read all the same */
        }
    }
    return DONE;
}

static enum outcome receive(int fd, const struct call *c, unsigned char *into, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = recv(fd, into + done, n - done, 0);
        if (got > 0) {
            done += (size_t)got;
        } else if (got < 0 && errno == EAGAIN) {
            struct pollfd p = {.fd = fd, .events = POLLIN, .revents = 0};
            if (poll(&p, 1, ms_until(c->deadline)) == 0)
                return LATE;
        } else if (got == 0 || errno != EINTR) {
            return done == 0 ? AWAY : LOST;
        }
    }
    return DONE;
}

static int code_for(const struct call *c)
{
    return strcmp(c->command, "STATUS") == 0 ? CODE_UNAVAILABLE : CODE_TRY_AGAIN;
}

/*
 * The one frame that every version of the wire reads: a header of any version, kind MISMATCH, the daemon's
 * version and its words. Nothing was done, so the runtime may repeat the call, with the shim that is then there.
 */
static _Noreturn void mismatch(const struct call *c, uint32_t version, const char *text)
{
    char hint[512];
    const char *which = version > WIRE_VERSION ? "this shim is older: the daemon places its own in the CNI folder when it starts"
                                               : "the daemon is older: let its upgrade end, or place its own shim again";
    (void)snprintf(hint, sizeof hint, "%s (polypod install shim DIR)%s%.200s", which, *text != '\0' ? "; the daemon says: " : "", text);
    fail(code_for(c), hint, "shim speaks wire version %d, the daemon version %lu", WIRE_VERSION, (unsigned long)version);
}

static enum outcome receive_frame(int fd, const struct call *c, uint32_t *kind, struct bytes *payload)
{
    unsigned char header[HEADER_LEN];
    enum outcome got = receive(fd, c, header, sizeof header);
    if (got != DONE)
        return got;
    struct slice s = {header + 4, HEADER_LEN - 4};
    uint32_t version = take_number(&s, 2);
    *kind = take_number(&s, 2);
    size_t n = take_number(&s, 4);
    if (memcmp(header, "PLYP", 4) != 0 || n > MAX_PAYLOAD)
        malformed();
    if (version != WIRE_VERSION && *kind != KIND_MISMATCH)
        mismatch(c, version, "");
    drop(payload);
    payload->at = calloc(n + 1, 1);
    if (payload->at == NULL)
        fail(CODE_TRY_AGAIN, "the host is out of memory", "no memory for %zu bytes", n);
    payload->len = n;
    payload->room = n + 1;
    got = receive(fd, c, payload->at, n);
    return got == AWAY ? LOST : got;
}

/* ---- running a plugin for the daemon ---- */

struct child {
    pid_t pid, guard; /* the guard's id is that of their process group */
    int life; /* what the guard reads from: its end is ours */
    int pidfd, in, out, err, failure; /* failure: execve's errno, or end of file once it succeeded */
    int ended, status, exec_errno;
};

static char **plugin_environment(struct slice *s)
{
    uint32_t given = take_number(s, 4);
    size_t own = 0, n = 0;
    if (given > s->left / 4)
        malformed();
    while (environ[own] != NULL)
        own++;
    char **all = calloc(own + given + 1, sizeof *all);
    if (all == NULL)
        fail(CODE_TRY_AGAIN, "the host is out of memory", "no memory for the plugin's environment");
    for (; n < given; n++)
        all[n] = take_text(s);
    for (size_t i = 0; i < own; i++) {
        int keep = strncmp(environ[i], "CNI_", 4) != 0;
        const char *sign = strchr(environ[i], '=');
        for (uint32_t j = 0; sign != NULL && keep && j < given; j++)
            keep = strncmp(environ[i], all[j], (size_t)(sign - environ[i]) + 1) != 0;
        if (keep && (all[n] = strdup(environ[i])) == NULL)
            fail(CODE_TRY_AGAIN, "the host is out of memory", "no memory for the plugin's environment");
        n += keep ? 1 : 0;
    }
    return all;
}

/*
 * End the plugin, with all that it started, once this program is killed: PR_SET_PDEATHSIG reaches the plugin alone. The
 * guard has the connection open, so the daemon hears of the end after it: it undoes an ADD then, and an address plugin
 * that went on would take its address after that.
 */
static _Noreturn void stand_guard(const int life[2])
{
    char nothing = 0;
    if (setpgid(0, 0) != 0)
        _exit(1); /* never end a group that is not ours alone */
    if (close(life[1]) != 0 || close(STDIN_FILENO) != 0 || close(STDOUT_FILENO) != 0 || close(STDERR_FILENO) != 0)
        _exit(1); /* whoever reads what we print waits for its end */
    while (read(life[0], &nothing, 1) < 0 && errno == EINTR)
        continue;
    (void)kill(0, SIGKILL);
    _exit(1);
}

static void start_guard(struct child *child)
{
    int life[2];
    if (pipe2(life, O_CLOEXEC) != 0)
        fail(CODE_TRY_AGAIN, "", "pipe: %s", strerror(errno));
    child->guard = fork();
    if (child->guard < 0)
        fail(CODE_TRY_AGAIN, "", "fork: %s", strerror(errno));
    if (child->guard == 0)
        stand_guard(life);
    (void)setpgid(child->guard, child->guard); /* whichever of the two comes first */
    shut(&life[0]);
    child->life = life[1];
}

static void end_guard(struct child *child)
{
    int status = 0;
    (void)kill(child->guard, SIGKILL);
    while (waitpid(child->guard, &status, 0) < 0 && errno == EINTR)
        continue;
    shut(&child->life);
}

static _Noreturn void become_plugin(const char *path, char **env, const int from[3], int report, pid_t group, pid_t shim)
{
    char *argv[] = {(char *)(uintptr_t)path, NULL};
    int failed = 0;
    if (setpgid(0, group) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || signal(SIGPIPE, SIG_DFL) == SIG_ERR)
        failed = errno;
    if (failed == 0 && getppid() != shim)
        failed = ESRCH; /* killed before it could be watched */
    for (int i = 0; i < 3 && failed == 0; i++)
        failed = dup2(from[i], i) < 0 ? errno : 0;
    for (int tries = 0; failed == 0 || (failed == ETXTBSY && tries < TEXTBUSY_TRIES + 1); tries++) {
        if (tries > 0)
            sleep_ms(TEXTBUSY_MS);
        (void)execve(path, argv, env);
        failed = errno;
    }
    (void)write_all(report, &failed, sizeof failed);
    _exit(127);
}

static void start_plugin(struct child *child, const char *path, char **env)
{
    int pipes[4][2];
    pid_t shim = getpid();
    start_guard(child); /* before the pipes: it must not keep them open */
    for (int i = 0; i < 4; i++)
        if (pipe2(pipes[i], O_CLOEXEC) != 0)
            fail(CODE_TRY_AGAIN, "", "pipe: %s", strerror(errno));
    child->pid = fork();
    if (child->pid < 0)
        fail(CODE_TRY_AGAIN, "", "fork: %s", strerror(errno));
    if (child->pid == 0) {
        const int from[3] = {pipes[0][0], pipes[1][1], pipes[2][1]};
        become_plugin(path, env, from, pipes[3][1], child->guard, shim);
    }
    (void)setpgid(child->pid, child->guard);
    shut(&pipes[0][0]);
    for (int i = 1; i < 4; i++)
        shut(&pipes[i][1]);
    child->in = pipes[0][1];
    child->out = pipes[1][0];
    child->err = pipes[2][0];
    child->failure = pipes[3][0];
    unblock(child->in);
    unblock(child->out);
    unblock(child->err);
    unblock(child->failure);
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0); /* older kernels: -1, and polling below */
    if (child->pidfd >= 0 && fcntl(child->pidfd, F_SETFD, FD_CLOEXEC) != 0)
        shut(&child->pidfd);
}

static void feed(int *fd, struct slice *input)
{
    ssize_t n = input->left == 0 ? 0 : write(*fd, input->at, input->left);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    input->at += n > 0 ? n : 0;
    input->left -= n > 0 ? (size_t)n : input->left; /* a plugin may close its stdin unread */
    if (input->left == 0)
        shut(fd);
}

static int collect(int *fd, struct bytes *into, size_t limit)
{
    unsigned char chunk[16384];
    while (*fd >= 0) {
        ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            shut(fd);
        } else {
            size_t fits = limit - into->len < (size_t)n ? limit - into->len : (size_t)n;
            put(into, chunk, fits);
            if (fits < (size_t)n)
                return -1;
        }
    }
    return 0;
}

static void end_group(struct child *child)
{
    (void)kill(-child->guard, SIGKILL);
    (void)kill(child->pid, SIGKILL);
    while (!child->ended && waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        continue;
    child->ended = 1;
}

/*
 * Serve the plugin until its end, or until it must be ended. Nobody wants it any more when the daemon hangs up
 * meanwhile: the next daemon undoes what was begun, and a plugin that went on would do its work after that.
 */
static uint32_t attend(struct child *child, int daemon, struct slice input, struct bytes *out, struct bytes *err, size_t limit, int64_t until)
{
    for (;;) {
        /* Look for the end before the last read, so that nothing written before it is missed. */
        child->ended = waitpid(child->pid, &child->status, WNOHANG) == child->pid;
        if (child->failure >= 0) {
            ssize_t n = read(child->failure, &child->exec_errno, sizeof child->exec_errno);
            if (n == 0 || n == (ssize_t)sizeof child->exec_errno)
                shut(&child->failure);
        }
        if (collect(&child->out, out, limit) != 0 || collect(&child->err, err, limit) != 0)
            return RAN_TOO_LARGE;
        if (child->ended)
            break;
        int left = ms_until(until);
        if (left == 0)
            return RAN_TIMED_OUT;
        struct pollfd p[6] = {{child->in, POLLOUT, 0}, {child->out, POLLIN, 0}, {child->err, POLLIN, 0},
                              {child->failure, POLLIN, 0}, {child->pidfd, POLLIN, 0}, {daemon, POLLRDHUP, 0}};
        if (poll(p, 6, child->pidfd < 0 && left > RETRY_MS ? RETRY_MS : left) < 0 && errno != EINTR)
            fail(CODE_TRY_AGAIN, "", "poll: %s", strerror(errno));
        if (child->in >= 0 && p[0].revents != 0)
            feed(&child->in, &input);
        if (p[5].revents != 0)
            return RAN_UNWANTED;
    }
    if (child->exec_errno != 0)
        return RAN_EXEC_FAILED;
    return WIFEXITED(child->status) ? RAN_EXITED : RAN_SIGNALLED;
}

static enum outcome run_plugin(const struct call *c, int daemon, const struct bytes *order, struct bytes *answer)
{
    struct slice s = {order->at, order->len};
    struct bytes out = {NULL, 0, 0}, err = {NULL, 0, 0};
    struct child child = {.pid = -1, .guard = -1, .life = -1, .pidfd = -1, .in = -1, .out = -1, .err = -1, .failure = -1, .ended = 0, .status = 0, .exec_errno = 0};
    char *path = take_text(&s);
    char **env = plugin_environment(&s);
    struct slice input = take_blob(&s);
    int64_t until = now_ns() + (int64_t)take_number(&s, 4) * 1000000;
    size_t limit = take_number(&s, 4);
    if (s.left != 0)
        malformed();
    start_plugin(&child, path, env);
    uint32_t how = attend(&child, daemon, input, &out, &err, limit < MAX_STREAM ? limit : MAX_STREAM, until < c->deadline ? until : c->deadline);
    if (how == RAN_TIMED_OUT || how == RAN_TOO_LARGE || how == RAN_UNWANTED)
        end_group(&child);
    end_guard(&child);
    uint32_t value = 0;
    if (how == RAN_EXITED)
        value = (uint32_t)WEXITSTATUS(child.status);
    else if (how == RAN_SIGNALLED)
        value = (uint32_t)WTERMSIG(child.status);
    else if (how == RAN_EXEC_FAILED)
        value = (uint32_t)child.exec_errno;
    put_number(answer, how, 4);
    put_number(answer, value, 4);
    put_blob(answer, out.at, out.len);
    put_blob(answer, err.at, err.len);
    shut(&child.in);
    shut(&child.out);
    shut(&child.err);
    shut(&child.failure);
    shut(&child.pidfd);
    drop(&out);
    drop(&err);
    for (size_t i = 0; env[i] != NULL; i++)
        free(env[i]);
    free(env);
    free(path);
    return how == RAN_UNWANTED ? LOST : DONE;
}

/* ---- the conversation ---- */

static _Noreturn void print_result(const struct bytes *payload)
{
    struct slice s = {payload->at, payload->len};
    uint32_t code = take_number(&s, 4);
    struct slice out = take_blob(&s), err = take_blob(&s);
    if (s.left != 0 || code > 255)
        malformed();
    int failed = write_all(STDERR_FILENO, err.at, err.left) != 0;
    failed = write_all(STDOUT_FILENO, out.at, out.left) != 0 || failed;
    exit(failed && code == 0 ? 1 : (int)code);
}

/* Whether a failed connection means that nobody is there, that the queue was full for too long, or something else. */
static enum outcome refused(const struct call *c)
{
    if (c->refusal == ENOENT || c->refusal == ECONNREFUSED || c->refusal == ECONNRESET)
        return AWAY;
    return c->refusal == EAGAIN ? LATE : REFUSED;
}

static enum outcome converse(struct call *c)
{
    struct bytes payload = {NULL, 0, 0}, frame = {NULL, 0, 0};
    uint32_t kind = KIND_REQUEST;
    int with_fds = 1;
    render_request(c, &payload, 1);
    render_frame(&frame, WIRE_VERSION, KIND_REQUEST, &payload);
    int fd = open_connection(c);
    enum outcome got = fd >= 0 ? DONE : refused(c);
    while (fd >= 0) {
        got = send_frame(fd, c, &frame, with_fds);
        if (got == DONE || got == AWAY)
            got = receive_frame(fd, c, &kind, &payload);
        if (got != DONE)
            break;
        struct slice s = {payload.at, payload.len};
        if (kind == KIND_RESULT)
            print_result(&payload);
        if (kind == KIND_MISMATCH) {
            uint32_t version = take_number(&s, 4);
            mismatch(c, version, take_text(&s));
        }
        if (kind != KIND_RUN)
            malformed();
        struct bytes answer = {NULL, 0, 0};
        got = run_plugin(c, fd, &payload, &answer);
        with_fds = 0;
        frame.len = 0;
        render_frame(&frame, WIRE_VERSION, KIND_RAN, &answer);
        drop(&answer);
        if (got != DONE)
            break;
    }
    drop(&payload);
    drop(&frame);
    shut(&fd);
    return got == AWAY && !with_fds ? LOST : got; /* after a RUN the same request must not be sent again */
}

static _Noreturn void serve(struct call *c)
{
    static const char hint[] = "see that the polypod daemon of this node runs and is ready; the runtime repeats the call";
    enum outcome got = converse(c);
    while (got == AWAY && ms_until(c->wait_until) > 0) {
        sleep_ms(ms_until(c->wait_until) < RETRY_MS ? ms_until(c->wait_until) : RETRY_MS);
        got = converse(c);
    }
    int code = code_for(c);
    if (got != LATE && strcmp(c->command, "DEL") == 0)
        spool_delete(c);
    if (got == LATE)
        fail(code, hint, "the polypod daemon did not answer in time");
    if (got == LOST)
        fail(code, hint, "the connection to the polypod daemon was lost before its answer");
    if (got == REFUSED)
        fail(code, hint, "cannot reach the polypod daemon at %s: %s", c->socket, strerror(c->refusal));
    fail(code, hint, "the polypod daemon is away (nobody answers at %s)", c->socket);
}

static void secure_standard_fds(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd < 3) {
        if (fcntl(fd, F_SETFD, 0) != 0)
            exit(1);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    shut(&fd);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        exit(1);
}

/*
 * The second mode, `polypod --in FD PLUGIN`, for what the daemon begins itself: enter the mount namespace of
 * the process that FD (a pidfd) names, which only a program of one thread may, and become the plugin.
 */
static _Noreturn void become_plugin_in(const char *number, char *path)
{
    char *argv[] = {path, NULL};
    char *end = NULL;
    errno = 0;
    long fd = strtol(number, &end, 10);
    if (errno != 0 || *number == '\0' || *end != '\0' || fd < 3 || fd > INT_MAX)
        fail(CODE_ENVIRONMENT, "", "%.20s is no descriptor", number);
    if (setns((int)fd, CLONE_NEWNS) != 0 || close((int)fd) != 0)
        fail(CODE_IO, "the daemon needs CAP_SYS_ADMIN, CAP_SYS_CHROOT and CAP_SYS_PTRACE for this",
             "cannot enter the runtime's mount namespace: %s", strerror(errno));
    if (signal(SIGPIPE, SIG_DFL) == SIG_ERR || chdir("/") != 0)
        fail(CODE_IO, "", "cannot prepare the plugin: %s", strerror(errno));
    for (int tries = 0; tries == 0 || (errno == ETXTBSY && tries <= TEXTBUSY_TRIES); tries++) {
        if (tries > 0)
            sleep_ms(TEXTBUSY_MS);
        (void)execve(path, argv, environ);
    }
    fail(CODE_IO, "install it where the runtime runs", "cannot start the plugin %.200s there: %s", path, strerror(errno));
}

static const char *base_name(const char *path)
{
    const char *slash = path == NULL ? NULL : strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return name == NULL || *name == '\0' ? "polypod" : name;
}

int main(int argc, char **argv)
{
    static const char version[] = "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
    struct call c = {.argv0 = base_name(argc > 0 ? argv[0] : NULL), .command = getenv("CNI_COMMAND"), .socket = getenv("POLYPOD_SOCKET"), .netns = -1, .host = -1, .started = 0, .wait_until = 0, .deadline = 0, .input = {NULL, 0, 0}, .refusal = 0};
    secure_standard_fds();
    if (argc == 4 && strcmp(argv[1], "--in") == 0)
        become_plugin_in(argv[2], argv[3]);
    if (c.command == NULL || *c.command == '\0')
        return fprintf(stderr, "CNI %s plugin polypod-%s\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n", c.argv0, POLYPOD_VERSION) < 0;
    if (strcmp(c.command, "VERSION") == 0)
        return write_all(STDOUT_FILENO, version, sizeof version - 1) != 0;
    if (c.socket == NULL || *c.socket == '\0')
        c.socket = "/run/polypod/polypod.sock";
    int64_t start = now_ns();
    int64_t grace = strcmp(c.command, "DEL") == 0 ? 0 : strcmp(c.command, "STATUS") == 0 ? 5000 : 20000;
    if (grace > 0)
        grace = milliseconds("POLYPOD_WAIT_MS", grace);
    c.started = start;
    c.deadline = start + milliseconds("POLYPOD_TIMEOUT_MS", 180000) * 1000000;
    c.wait_until = start + grace * 1000000 < c.deadline ? start + grace * 1000000 : c.deadline;
    read_stdin(&c);
    const char *netns = getenv("CNI_NETNS");
    if (netns != NULL && *netns != '\0')
        c.netns = open(netns, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    c.host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    serve(&c);
}

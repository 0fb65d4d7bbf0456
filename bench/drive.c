/*
 * Starts programs the way a container runtime starts plugins, and takes the time.
 *
 *   drive CONCURRENCY REPEAT JOBS
 *
 * JOBS is a file of lines, fields separated by tabs: POD ARGC ARGV... STDIN-FILE CNI_X=VALUE... Lines of one pod run
 * one after another, pods run side by side. Every line of a pod is run REPEAT times over; `%d` in a value becomes the
 * number of the repetition, so that each has a container id of its own. Prints one JSON object. A program that fails
 * ends the measurement: what is measured must work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FIELDS = 64, VALUE_BYTES = 4096, ANSWER_BYTES = 1 << 16, STACK_BYTES = 1 << 20 };

struct line {
    int pod, argc, envc;
    char *argv[MAX_FIELDS], *stdin_file, *env[MAX_FIELDS];
};

static struct line *lines;
static int line_count, repeat, pod_count;
static int *first_of_pod;
static double *pod_ms;
static atomic_int next_pod;

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void die(const char *what, const char *detail)
{
    fprintf(stderr, "drive: %s: %s\n", what, detail);
    exit(1);
}

static void parse(char *text)
{
    char *rest = text;
    for (char *row; (row = strsep(&rest, "\n")) && *row;) {
        lines = realloc(lines, sizeof *lines * (size_t)(line_count + 1));
        struct line *l = &lines[line_count++];
        memset(l, 0, sizeof *l);
        l->pod = atoi(strsep(&row, "\t"));
        l->argc = atoi(strsep(&row, "\t"));
        for (int i = 0; i < l->argc; i++)
            l->argv[i] = strsep(&row, "\t");
        l->stdin_file = strsep(&row, "\t");
        for (char *field; l->envc < MAX_FIELDS - 1 && (field = strsep(&row, "\t"));)
            l->env[l->envc++] = field;
        if (l->pod >= pod_count)
            pod_count = l->pod + 1;
    }
    first_of_pod = calloc((size_t)pod_count + 1, sizeof *first_of_pod);
    pod_ms = calloc((size_t)pod_count, sizeof *pod_ms);
    for (int i = line_count - 1; i >= 0; i--)
        first_of_pod[lines[i].pod] = i;
}

static char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    char *text = size < 0 ? NULL : calloc((size_t)size + 1, 1);
    if (!text || pread(fd, text, (size_t)size, 0) != size)
        die(path, strerror(errno));
    close(fd);
    return text;
}

/* Collects what the program prints: it has to be read, or a long answer would block its writer. */
static void collect(int fd, char *answer)
{
    size_t have = 0;
    for (ssize_t n; (n = read(fd, answer + have, ANSWER_BYTES - 1 - have)) > 0;)
        have += (size_t)n;
    answer[have] = 0;
    close(fd);
}

static void run(const struct line *l, int number)
{
    static _Thread_local char values[MAX_FIELDS][VALUE_BYTES], answer[ANSWER_BYTES];
    char *env[MAX_FIELDS + 1] = {0};
    for (int i = 0; i < l->envc; i++) {
        char *mark = strstr(l->env[i], "%d");
        if (mark)
            snprintf(values[i], VALUE_BYTES, "%.*s%d%s", (int)(mark - l->env[i]), l->env[i], number, mark + 2);
        env[i] = mark ? values[i] : l->env[i];
    }
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC))
        die("pipe", strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, l->stdin_file, O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    pid_t pid;
    int failed = posix_spawn(&pid, l->argv[0], &actions, NULL, l->argv, env);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (failed)
        die(l->argv[0], strerror(failed));
    collect(ends[0], answer);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        die(l->argv[0], answer);
}

static void *work(void *unused)
{
    (void)unused;
    for (int pod; (pod = atomic_fetch_add(&next_pod, 1)) < pod_count;) {
        double start = now_ms();
        for (int n = 0; n < repeat; n++)
            for (int i = first_of_pod[pod]; i < line_count && lines[i].pod == pod; i++)
                run(&lines[i], n);
        pod_ms[pod] = now_ms() - start;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        die("usage", "drive CONCURRENCY REPEAT JOBS");
    int concurrency = atoi(argv[1]);
    repeat = atoi(argv[2]);
    parse(read_file(argv[3]));
    pthread_t *threads = calloc((size_t)concurrency, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    double start = now_ms();
    for (int i = 0; i < concurrency; i++)
        if (pthread_create(&threads[i], &small, work, NULL))
            die("thread", strerror(errno));
    for (int i = 0; i < concurrency; i++)
        pthread_join(threads[i], NULL);
    printf("{\"wall_ms\": %.3f, \"pod_ms\": [", now_ms() - start);
    for (int i = 0; i < pod_count; i++)
        printf("%s%.3f", i ? ", " : "", pod_ms[i] / repeat);
    printf("]}\n");
    return 0;
}

/*
 * The least time any program can take: the kernel's own work for a pod's links, and nothing else.
 *
 *   floor attach CYCLES BRIDGE NETNS                        one pair on a bridge, added and deleted again and again
 *   floor pods CONCURRENCY PARENT BRIDGE BRIDGE NETNS...    every pod: two pairs and two macvlans; all ADD, then all DEL
 *
 * What it leaves in the kernel is what the plugins leave, with the sysctls that users find on such links. No
 * configuration is read, no address is chosen, nothing is written down and no answer is printed: messages go to the
 * kernel, folded into as few sends as can be, with one queue per pair, and links are deleted as one group. Prints one
 * JSON object with milliseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { GROUP = 7421, NEW = NLM_F_CREATE | NLM_F_EXCL, SKIP_STATS = 8, LINKS = 4, MAX_CYCLES = 20000 };

struct talk { /* one thread's conversation: messages to send, and what was heard */
    char out[16384], in[32768];
    unsigned sent, last, sequence;
    unsigned heard[8], peers[8], heard_count; /* RTM_NEWLINK: indexes and IFLA_LINK, in order */
};

static int home;

static void die(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- messages ---- */

static void *put(struct talk *t, const void *bytes, unsigned size)
{
    void *place = memcpy(t->out + t->sent, bytes, size);
    t->sent += (size + 3) & ~3U;
    return place;
}

static struct rtattr *attribute(struct talk *t, unsigned short type, const void *payload, unsigned size)
{
    struct rtattr head = {(unsigned short)(size + sizeof head), type};
    struct rtattr *place = put(t, &head, sizeof head);
    if (size)
        put(t, payload, size);
    return place;
}

static void number(struct talk *t, unsigned short type, unsigned value) { attribute(t, type, &value, sizeof value); }
static void text(struct talk *t, unsigned short type, const char *s) { attribute(t, type, s, (unsigned)strlen(s) + 1); }
static struct rtattr *open_nest(struct talk *t, unsigned short type) { return attribute(t, type | NLA_F_NESTED, "", 0); }

static void close_nest(struct talk *t, struct rtattr *nest)
{
    nest->rta_len = (unsigned short)(t->out + t->sent - (char *)nest);
}

static void begin(struct talk *t, unsigned short type, unsigned flags)
{
    struct nlmsghdr head = {0, type, (unsigned short)(flags | NLM_F_REQUEST | NLM_F_ACK), ++t->sequence, 0};
    t->last = t->sent;
    put(t, &head, sizeof head);
}

static void end(struct talk *t) { ((struct nlmsghdr *)(t->out + t->last))->nlmsg_len = t->sent - t->last; }

static void link_header(struct talk *t, unsigned index, unsigned flags)
{
    struct ifinfomsg head = {.ifi_index = (int)index, .ifi_flags = flags, .ifi_change = flags};
    put(t, &head, sizeof head);
}

static void one_queue(struct talk *t)
{
    number(t, IFLA_NUM_TX_QUEUES, 1);
    number(t, IFLA_NUM_RX_QUEUES, 1);
}

static void add_pair(struct talk *t, const char *outside, const char *inside, unsigned bridge, int netns)
{
    begin(t, RTM_NEWLINK, NEW | NLM_F_ECHO);
    link_header(t, 0, IFF_UP);
    text(t, IFLA_IFNAME, outside);
    number(t, IFLA_MASTER, bridge);
    one_queue(t);
    struct rtattr *info = open_nest(t, IFLA_LINKINFO);
    text(t, IFLA_INFO_KIND, "veth");
    struct rtattr *data = open_nest(t, IFLA_INFO_DATA), *peer = open_nest(t, VETH_INFO_PEER);
    link_header(t, 0, 0);
    text(t, IFLA_IFNAME, inside);
    one_queue(t);
    number(t, IFLA_GROUP, GROUP);
    number(t, IFLA_NET_NS_FD, (unsigned)netns);
    close_nest(t, peer);
    close_nest(t, data);
    close_nest(t, info);
    end(t);
}

static void add_macvlan(struct talk *t, const char *inside, unsigned parent, int netns)
{
    begin(t, RTM_NEWLINK, NEW);
    link_header(t, 0, 0);
    text(t, IFLA_IFNAME, inside);
    number(t, IFLA_LINK, parent);
    number(t, IFLA_GROUP, GROUP);
    number(t, IFLA_NET_NS_FD, (unsigned)netns);
    struct rtattr *info = open_nest(t, IFLA_LINKINFO);
    text(t, IFLA_INFO_KIND, "macvlan");
    struct rtattr *data = open_nest(t, IFLA_INFO_DATA);
    number(t, IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE);
    close_nest(t, data);
    close_nest(t, info);
    end(t);
}

static void get_link(struct talk *t, const char *name)
{
    begin(t, RTM_GETLINK, 0);
    link_header(t, 0, 0);
    text(t, IFLA_IFNAME, name);
    number(t, IFLA_EXT_MASK, SKIP_STATS);
    end(t);
}

static void set_up(struct talk *t, unsigned index)
{
    begin(t, RTM_NEWLINK, 0);
    link_header(t, index, IFF_UP);
    end(t);
}

static void set_arp_notify(struct talk *t, unsigned index) /* cheaper than its file in /proc */
{
    begin(t, RTM_NEWLINK, 0);
    link_header(t, index, 0);
    struct rtattr *families = open_nest(t, IFLA_AF_SPEC), *family = open_nest(t, AF_INET), *settings = open_nest(t, IFLA_INET_CONF);
    number(t, IPV4_DEVCONF_ARP_NOTIFY, 1);
    close_nest(t, settings);
    close_nest(t, family);
    close_nest(t, families);
    end(t);
}

static void add_address(struct talk *t, unsigned index, unsigned address)
{
    struct ifaddrmsg head = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = index};
    begin(t, RTM_NEWADDR, NEW);
    put(t, &head, sizeof head);
    number(t, IFA_LOCAL, address);
    number(t, IFA_ADDRESS, address);
    end(t);
}

static void add_default_route(struct talk *t, unsigned index, unsigned gateway)
{
    struct rtmsg head = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST};
    begin(t, RTM_NEWROUTE, NEW);
    put(t, &head, sizeof head);
    number(t, RTA_GATEWAY, gateway);
    number(t, RTA_OIF, index);
    end(t);
}

/* ---- sysctls, of the namespace that the thread is in ---- */

static void set(const char *family, const char *link, const char *key, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, link, key);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, value, strlen(value)) < 0)
        die(path);
    close(file);
}

/* ---- conversations ---- */

static unsigned parent_of(struct ifinfomsg *link, unsigned size)
{
    struct rtattr *a = (struct rtattr *)(link + 1);
    int left = (int)(size - sizeof *link);
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == IFLA_LINK)
            return *(unsigned *)RTA_DATA(a);
    return 0;
}

static unsigned hear(struct talk *t, unsigned size)
{
    unsigned answered = 0;
    for (struct nlmsghdr *m = (struct nlmsghdr *)t->in; NLMSG_OK(m, size); m = NLMSG_NEXT(m, size)) {
        if (m->nlmsg_type == RTM_NEWLINK && t->heard_count < 8) {
            struct ifinfomsg *link = NLMSG_DATA(m);
            t->peers[t->heard_count] = parent_of(link, m->nlmsg_len - NLMSG_HDRLEN);
            t->heard[t->heard_count++] = (unsigned)link->ifi_index;
        } else if (m->nlmsg_type == NLMSG_ERROR) {
            answered++;
            errno = -*(int *)NLMSG_DATA(m);
            if (errno)
                die("the kernel refuses");
        }
    }
    return answered;
}

static void flush(struct talk *t, int socket, unsigned messages)
{
    t->heard_count = 0;
    if (send(socket, t->out, t->sent, 0) < 0)
        die("send");
    t->sent = 0;
    while (messages) {
        ssize_t size = recv(socket, t->in, sizeof t->in, 0);
        if (size < 0)
            die("recv");
        messages -= hear(t, (unsigned)size);
    }
}

static int conversation(void)
{
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), one = 1;
    struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    setsockopt(s, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
    setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    if (s < 0 || bind(s, (struct sockaddr *)&any, sizeof any))
        die("socket");
    return s;
}

static void set_inside(const char *const *names)
{
    for (int i = 0; i < LINKS; i++)
        set("ipv6", names[i], i < 2 ? "accept_dad" : "ndisc_notify", i < 2 ? "0" : "1");
}

static int conversation_in(int netns, const char *const *names)
{
    if (setns(netns, CLONE_NEWNET))
        die("setns");
    int s = conversation();
    if (names)
        set_inside(names);
    if (setns(home, CLONE_NEWNET))
        die("setns");
    return s;
}

static unsigned index_of(struct talk *t, int host, const char *name)
{
    get_link(t, name);
    flush(t, host, 1);
    return t->heard[0];
}

static void delete_group(struct talk *t, int netns)
{
    int inside = conversation_in(netns, NULL);
    begin(t, RTM_DELLINK, 0);
    link_header(t, 0, 0);
    number(t, IFLA_GROUP, GROUP);
    end(t);
    flush(t, inside, 1);
    close(inside);
}

/* ---- one pair on a bridge ---- */

static void attach(struct talk *t, int host, unsigned bridge, const char *bridge_name, int netns, unsigned n)
{
    char outside[IF_NAMESIZE];
    snprintf(outside, sizeof outside, "fl%x", n & 0xffffff);
    add_pair(t, outside, "net1", bridge, netns);
    get_link(t, bridge_name);
    flush(t, host, 2);
    set("ipv6", outside, "accept_ra", "0");
    unsigned inside_index = t->peers[0];
    int inside = conversation_in(netns, NULL);
    add_address(t, inside_index, htonl(0x0a630002));
    set_up(t, inside_index);
    add_default_route(t, inside_index, htonl(0x0a630001));
    get_link(t, "net1");
    flush(t, inside, 4);
    close(inside);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_list(const char *name, const double *values, int count)
{
    printf("\"%s\": [", name);
    for (int i = 0; i < count; i++)
        printf("%s%.4f", i ? ", " : "", values[i]);
    printf("]");
}

static int attach_mode(char **args)
{
    static double add[MAX_CYCLES], del[MAX_CYCLES];
    struct talk *t = calloc(1, sizeof *t);
    int cycles = atoi(args[0]), netns = open(args[2], O_RDONLY | O_CLOEXEC), host = conversation();
    unsigned bridge = index_of(t, host, args[1]);
    for (int i = -5; i < cycles && i < MAX_CYCLES; i++) {
        double start = now_ms();
        attach(t, host, bridge, args[1], netns, (unsigned)(getpid() * 64 + i));
        double middle = now_ms();
        delete_group(t, netns);
        if (i >= 0) {
            add[i] = middle - start;
            del[i] = now_ms() - middle;
        }
    }
    qsort(add, (size_t)cycles, sizeof *add, by_size);
    qsort(del, (size_t)cycles, sizeof *del, by_size);
    printf("{\"add_ms\": %.4f, \"add_p95_ms\": %.4f, \"del_ms\": %.4f}\n", add[cycles / 2], add[cycles * 95 / 100], del[cycles / 2]);
    return 0;
}

/* ---- pods ---- */

static struct {
    char **paths, *parent, *bridges[2];
    int count, deleting;
    double *add_ms, *del_ms;
    atomic_int next;
} pods;

static void add_pod(struct talk *t, int host, const unsigned *above, int netns, unsigned n)
{
    static const char *const names[LINKS] = {"eth0", "net1", "net2", "net3"};
    char outside[2][IF_NAMESIZE];
    for (int i = 0; i < 2; i++) {
        snprintf(outside[i], IF_NAMESIZE, "fl%d%x", i, n & 0xffffff);
        add_pair(t, outside[i], names[i], above[i], netns);
    }
    add_macvlan(t, names[2], above[2], netns);
    add_macvlan(t, names[3], above[2], netns);
    get_link(t, pods.bridges[0]);
    get_link(t, pods.bridges[1]);
    flush(t, host, 6);
    for (int i = 0; i < 2; i++)
        set("ipv6", outside[i], "accept_ra", "0");
    int inside = conversation_in(netns, names);
    for (int i = 0; i < LINKS; i++)
        get_link(t, names[i]);
    flush(t, inside, LINKS);
    unsigned indexes[LINKS];
    memcpy(indexes, t->heard, sizeof indexes);
    for (int i = 0; i < LINKS; i++) {
        set_arp_notify(t, indexes[i]);
        add_address(t, indexes[i], htonl(0x0a000000U + ((unsigned)(90 + i) << 16) + 2 + (n & 0xfff)));
        set_up(t, indexes[i]);
    }
    add_default_route(t, indexes[0], htonl(0x0a5a0001));
    flush(t, inside, 3 * LINKS + 1);
    close(inside);
}

static void *serve(void *unused)
{
    (void)unused;
    struct talk *t = calloc(1, sizeof *t);
    int host = conversation();
    unsigned above[3] = {index_of(t, host, pods.bridges[0]), index_of(t, host, pods.bridges[1]), index_of(t, host, pods.parent)};
    for (int pod; (pod = atomic_fetch_add(&pods.next, 1)) < pods.count;) {
        int netns = open(pods.paths[pod], O_RDONLY | O_CLOEXEC);
        double start = now_ms();
        if (pods.deleting)
            delete_group(t, netns);
        else
            add_pod(t, host, above, netns, (unsigned)(getpid() * 128 + pod));
        (pods.deleting ? pods.del_ms : pods.add_ms)[pod] = now_ms() - start;
        close(netns);
    }
    close(host);
    free(t);
    return NULL;
}

static double all_pods(int concurrency, int deleting)
{
    pthread_t threads[256];
    pods.deleting = deleting;
    atomic_store(&pods.next, 0);
    double start = now_ms();
    for (int i = 0; i < concurrency; i++)
        pthread_create(&threads[i], NULL, serve, NULL);
    for (int i = 0; i < concurrency; i++)
        pthread_join(threads[i], NULL);
    return now_ms() - start;
}

static int pods_mode(char **args, int count)
{
    int concurrency = atoi(args[0]);
    pods.parent = args[1];
    pods.bridges[0] = args[2];
    pods.bridges[1] = args[3];
    pods.paths = args + 4;
    pods.count = count - 4;
    pods.add_ms = calloc((size_t)pods.count, sizeof(double));
    pods.del_ms = calloc((size_t)pods.count, sizeof(double));
    double add = all_pods(concurrency, 0), del = all_pods(concurrency, 1);
    printf("{\"add_wall_ms\": %.3f, \"del_wall_ms\": %.3f, ", add, del);
    print_list("add_ms", pods.add_ms, pods.count);
    printf(", ");
    print_list("del_ms", pods.del_ms, pods.count);
    printf("}\n");
    return 0;
}

int main(int argc, char **argv)
{
    home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (argc == 5 && !strcmp(argv[1], "attach"))
        return attach_mode(argv + 2);
    if (argc > 6 && argc < 6 + 4096 && !strcmp(argv[1], "pods") && atoi(argv[2]) <= 256)
        return pods_mode(argv + 2, argc - 2);
    fprintf(stderr, "usage: floor attach CYCLES BRIDGE NETNS | floor pods CONCURRENCY PARENT BRIDGE BRIDGE NETNS...\n");
    return 2;
}

/*
 * The one program of the test image: the sandbox's first process, and what a test runs in a pod.
 *
 *   pod                 wait for a signal, as a pause container does
 *   pod addresses       one line for each address: NAME MAC ADDRESS/LENGTH
 *   pod show FILE       copy a file to stdout
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int number)
{
    (void)number;
    _exit(0);
}

static void reap(int number)
{
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

static int wait_for_the_end(void)
{
    struct sigaction end = {.sa_handler = leave}, child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGINT, &end, NULL) != 0 || sigaction(SIGTERM, &end, NULL) != 0 || sigaction(SIGCHLD, &child, NULL) != 0)
        return 1;
    for (;;)
        (void)pause();
}

static int length_of(const unsigned char *mask, size_t size)
{
    int bits = 0;
    for (size_t i = 0; i < size; i++)
        for (unsigned char left = mask[i]; left != 0; left = (unsigned char)(left << 1))
            bits++;
    return bits;
}

static void print_mac(const struct ifaddrs *all, const char *name)
{
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_PACKET || strcmp(at->ifa_name, name) != 0)
            continue;
        struct sockaddr_ll link;
        memcpy(&link, at->ifa_addr, sizeof link);
        for (int i = 0; i < 6; i++)
            printf("%s%02x", i == 0 ? " " : ":", link.sll_addr[i]);
        return;
    }
    printf(" -");
}

static void print_address(const struct ifaddrs *all, const struct ifaddrs *one)
{
    char text[INET6_ADDRSTRLEN] = "?";
    int length = 0;
    if (one->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in address, mask;
        memcpy(&address, one->ifa_addr, sizeof address);
        memcpy(&mask, one->ifa_netmask, sizeof mask);
        (void)inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
        length = length_of((const unsigned char *)&mask.sin_addr, sizeof mask.sin_addr);
    } else {
        struct sockaddr_in6 address, mask;
        memcpy(&address, one->ifa_addr, sizeof address);
        memcpy(&mask, one->ifa_netmask, sizeof mask);
        (void)inet_ntop(AF_INET6, &address.sin6_addr, text, sizeof text);
        length = length_of((const unsigned char *)&mask.sin6_addr, sizeof mask.sin6_addr);
    }
    printf("%s", one->ifa_name);
    print_mac(all, one->ifa_name);
    printf(" %s/%d\n", text, length);
}

static int print_addresses(void)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return 1;
    for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next)
        if (at->ifa_addr != NULL && at->ifa_netmask != NULL && (at->ifa_addr->sa_family == AF_INET || at->ifa_addr->sa_family == AF_INET6))
            print_address(all, at);
    freeifaddrs(all);
    return fflush(stdout) != 0;
}

static int show(const char *path)
{
    char chunk[4096];
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 1;
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (write(STDOUT_FILENO, chunk, (size_t)n) != n)
            return 1;
    return n < 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "addresses") == 0)
        return print_addresses();
    if (argc == 3 && strcmp(argv[1], "show") == 0)
        return show(argv[2]);
    return wait_for_the_end();
}

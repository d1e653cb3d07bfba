/* A slow wire: what arrives at one of two interfaces of its own making leaves by
   the other one later, each frame after DELAY to DELAY + JITTER milliseconds, so
   that frames also overtake each other. Ends when its input does.

   delay ONE OTHER DELAY JITTER */

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* What is beyond gets lost, as in a router. */
#define WAITING_MAX 8192
#define FRAME_MAX 65536
#define MILLISECOND 1000000LL

struct frame {
    struct frame *next;
    long long due;
    int to;
    ssize_t size;
    char data[];
};

static struct frame *waiting;
static int count;

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 * MILLISECOND + time.tv_nsec;
}

static int tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (file < 0 || ioctl(file, TUNSETIFF, &request) < 0) {
        perror("/dev/net/tun");
        exit(1);
    }
    return file;
}

/* Takes in everything that has arrived at FROM. */
static void take(int from, int to, long long delay, long long jitter)
{
    static char data[FRAME_MAX];
    ssize_t size;
    while ((size = read(from, data, sizeof data)) > 0) {
        struct frame **place = &waiting;
        struct frame *frame;
        if (count == WAITING_MAX || !(frame = malloc(sizeof *frame + size)))
            continue;
        frame->due = now() + delay + (jitter ? random() % jitter : 0);
        frame->to = to;
        frame->size = size;
        memcpy(frame->data, data, size);
        while (*place && (*place)->due <= frame->due)
            place = &(*place)->next;
        frame->next = *place;
        *place = frame;
        count++;
    }
}

/* Lets go of what is due; when the next one is. */
static int release(void)
{
    struct frame *frame;
    while ((frame = waiting) && frame->due <= now()) {
        /* An interface that does not take it loses it. */
        ssize_t written = write(frame->to, frame->data, frame->size);
        (void)written;
        waiting = frame->next;
        free(frame);
        count--;
    }
    return frame ? (int)((frame->due - now()) / MILLISECOND) + 1 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    int one = tap(argv[1]), other = tap(argv[2]);
    long long delay = atoll(argv[3]) * MILLISECOND, jitter = atoll(argv[4]) * MILLISECOND;
    struct pollfd files[] = {{0, POLLIN, 0}, {one, POLLIN, 0}, {other, POLLIN, 0}};
    puts("ready");
    fflush(stdout);
    while (poll(files, 3, release()) >= 0) {
        if (files[0].revents)
            return 0;
        take(one, other, delay, jitter);
        take(other, one, delay, jitter);
    }
    perror("poll");
    return 1;
}

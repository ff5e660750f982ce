// The peers of bench/datagram in C, and its load:
//
//	peer echo|sink plain|mmsg|gso        prints its port, serves until it is killed
//	peer blast plain|mmsg|gso PORT SIZE COUNT
//	peer load plain|gro|gso PORT SIZE WINDOW COUNT
//
// plain makes a call for each datagram, mmsg one for up to 64, and gso has the kernel
// cut and join those of one size as well. load keeps WINDOW datagrams under way until
// COUNT have come back, of which it has the kernel join those that come, with gro, and
// cut those that go, too, with gso. sink and load print how many datagrams they got.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PLAIN, MMSG, GSO };
enum { BATCH = 64, ROOM = 65536 };

static int mode, cuts, fd, ep;
static long got;
static char *room[BATCH];
static struct mmsghdr msgs[BATCH];
static struct iovec iov[BATCH];
static struct sockaddr_in addr[BATCH];
static union {
	char b[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
} ctl[BATCH];

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void tell(int sig) {
	(void)sig;
	char s[32];
	int n = snprintf(s, sizeof s, "%ld\n", got);
	if (write(1, s, n) != n) _exit(1);
	_exit(0);
}

static void open_socket(void) {
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a)) die("bind");
	int on = 1;
	if (mode == GSO && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on)) die("UDP_GRO");
	for (int i = 0; i < BATCH; i++) room[i] = malloc(ROOM + 64);
	ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static void connect_to(int port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (connect(fd, (struct sockaddr *)&a, sizeof a)) die("connect");
}

static void await(int ms) {
	struct epoll_event e;
	if (epoll_wait(ep, &e, 1, ms) < 0 && errno != EINTR) die("epoll_wait");
}

static void prepare(int i, void *p, size_t len, int named) {
	iov[i] = (struct iovec){p, len};
	struct msghdr *h = &msgs[i].msg_hdr;
	memset(h, 0, sizeof *h);
	h->msg_iov = &iov[i];
	h->msg_iovlen = 1;
	if (named) {
		h->msg_name = &addr[i];
		h->msg_namelen = sizeof addr[i];
	}
}

// receive returns how many messages there were. Joined ones have their size in *seg.
static int receive(int *seg) {
	for (int i = 0; i < BATCH; i++) {
		prepare(i, room[i], ROOM, 1);
		if (mode == GSO) {
			msgs[i].msg_hdr.msg_control = ctl[i].b;
			msgs[i].msg_hdr.msg_controllen = sizeof ctl[i].b;
		}
	}
	int n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		seg[i] = msgs[i].msg_len;
		struct cmsghdr *c = mode == GSO ? CMSG_FIRSTHDR(&msgs[i].msg_hdr) : NULL;
		if (c && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&seg[i], CMSG_DATA(c), sizeof(int));
		got += seg[i] ? (msgs[i].msg_len + seg[i] - 1) / seg[i] : 1;
	}
	return n;
}

static void segment(int i, int size) {
	struct msghdr *h = &msgs[i].msg_hdr;
	h->msg_control = ctl[i].b;
	h->msg_controllen = CMSG_SPACE(sizeof(unsigned short));
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(unsigned short));
	unsigned short s = size;
	memcpy(CMSG_DATA(c), &s, sizeof s);
}

static void serve(int echo) {
	int seg[BATCH];
	struct sockaddr_in from;
	signal(SIGTERM, tell);
	for (;;) {
		await(-1);
		if (mode == PLAIN) {
			for (;;) {
				socklen_t len = sizeof from;
				ssize_t n = recvfrom(fd, room[0], ROOM, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
				if (n < 0) break;
				got++;
				if (echo) sendto(fd, room[0], n, MSG_DONTWAIT, (struct sockaddr *)&from, len);
			}
			continue;
		}
		for (int n = BATCH; n == BATCH;) {
			n = receive(seg);
			if (n <= 0 || !echo) continue;
			if (mode == MMSG) {
				for (int i = 0; i < n; i++) iov[i].iov_len = msgs[i].msg_len;
				sendmmsg(fd, msgs, n, MSG_DONTWAIT);
				continue;
			}
			// Neighbours of one sender and one size go out as one.
			int out = 0;
			for (int i = 0; i < n; i++) iov[i].iov_len = msgs[i].msg_len, msgs[i].msg_hdr.msg_controllen = 0;
			for (int i = 0; i < n;) {
				int size = seg[i], end = i + 1;
				size_t total = msgs[i].msg_len;
				while (end < n && seg[end] == size && msgs[end].msg_len == (unsigned)size && total + size <= 65507 &&
				       !memcmp(&addr[end], &addr[i], sizeof addr[i]))
					total += msgs[end++].msg_len;
				msgs[i].msg_hdr.msg_iov = &iov[i];
				msgs[i].msg_hdr.msg_iovlen = end - i;
				if (total > (size_t)size) segment(i, size);
				msgs[out++] = msgs[i];
				i = end;
			}
			sendmmsg(fd, msgs, out, MSG_DONTWAIT);
		}
	}
}

static void blast(int port, int size, long count) {
	static char p[ROOM];
	connect_to(port);
	int each = mode == GSO ? (size * BATCH <= 65507 ? BATCH : 65507 / size) : 1;
	int n = mode == MMSG ? BATCH : 1;
	for (int i = 0; i < n; i++) prepare(i, p, (size_t)size * each, 0);
	if (mode == GSO) segment(0, size);
	for (long sent = 0; sent < count;) {
		if (mode == PLAIN) {
			if (send(fd, p, size, MSG_DONTWAIT) >= 0) sent++;
		} else {
			int k = sendmmsg(fd, msgs, n, MSG_DONTWAIT);
			if (k > 0) sent += (long)k * each;
		}
	}
}

static void load(int port, int size, int window, long count) {
	static char p[ROOM];
	int seg[BATCH], under = 0;
	connect_to(port);
	while (got < count) {
		while (under < window) {
			int n = window - under < BATCH ? window - under : BATCH;
			if (cuts && n > 1) {
				if (n * size > 65507) n = 65507 / size;
				prepare(0, p, (size_t)size * n, 0);
				segment(0, size);
				if (sendmmsg(fd, msgs, 1, MSG_DONTWAIT) <= 0) break;
				under += n;
				continue;
			}
			for (int i = 0; i < n; i++) prepare(i, p, size, 0);
			int k = sendmmsg(fd, msgs, n, MSG_DONTWAIT);
			if (k <= 0) break;
			under += k;
		}
		struct pollfd w = {fd, POLLIN, 0};
		if (poll(&w, 1, 200) == 0) under = 0; // lost
		long before = got;
		while (receive(seg) > 0) {
		}
		under -= got - before;
		if (under < 0) under = 0;
	}
	tell(0);
}

int main(int argc, char **argv) {
	if (argc < 3) return 2;
	mode = !strcmp(argv[2], "mmsg") ? MMSG : !strcmp(argv[2], "gso") || !strcmp(argv[2], "gro") ? GSO : PLAIN;
	cuts = !strcmp(argv[2], "gso");
	open_socket();
	long a[4] = {0};
	for (int i = 3; i < argc && i < 7; i++) a[i - 3] = atol(argv[i]);
	if (!strcmp(argv[1], "blast")) blast(a[0], a[1], a[2]);
	else if (!strcmp(argv[1], "load")) load(a[0], a[1], a[2], a[3]);
	else {
		struct sockaddr_in self;
		socklen_t len = sizeof self;
		getsockname(fd, (struct sockaddr *)&self, &len);
		printf("%d\n", ntohs(self.sin_port));
		fflush(stdout);
		serve(!strcmp(argv[1], "echo"));
	}
	return 0;
}

/* The peer of bench/visits in C, and what loads all servers: one thread, bare epoll.
 *
 *	visits serve PORT          answers each connection once, and closes it
 *	visits load PORT N MANY    visits N times, MANY at a time, and prints the seconds
 *	visits hold PORT           accepts, and keeps what it accepts
 *	visits dial PORT N         connects N times at once, and closes when all stand
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
static const char response[] =
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 64\r\n\r\n"
	"0123456789012345678901234567890123456789012345678901234567890123";

static void die(const char *what) {
	perror(what);
	exit(1);
}

static int check(int n, const char *what) {
	if (n < 0)
		die(what);
	return n;
}

static struct sockaddr_in address(const char *port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static int poller;

static void watch(int fd, int op, unsigned events) {
	struct epoll_event e = {.events = events, .data.fd = fd};
	check(epoll_ctl(poller, op, fd, &e), "epoll_ctl");
}

static int waited(struct epoll_event *events, int n) {
	int got = epoll_wait(poller, events, n, -1);
	return got < 0 && errno == EINTR ? 0 : check(got, "epoll_wait");
}

static int listening(const char *port) {
	int one = 1, fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	struct sockaddr_in a = address(port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* what is accepted inherits it */
	check(bind(fd, (struct sockaddr *)&a, sizeof a), "bind");
	check(listen(fd, 65535), "listen");
	return fd;
}

/* accepted accepts all that has come. What it accepts is watched, unless it is only held. */
static void accepted(int listener, int hold) {
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
		if (fd >= 0) {
			if (!hold)
				watch(fd, EPOLL_CTL_ADD, EPOLLIN);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != ECONNABORTED) {
			die("accept");
		}
	}
}

/* answer answers. A request comes whole here, and its answer is taken whole. */
static void answer(int fd) {
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof buf, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n >= 4 && memcmp(buf + n - 4, "\r\n\r\n", 4) == 0)
		send(fd, response, sizeof response - 1, MSG_NOSIGNAL);
	close(fd);
}

static void serve(const char *port, int hold) {
	struct epoll_event events[256];
	int listener = listening(port);
	watch(listener, EPOLL_CTL_ADD, EPOLLIN);
	for (;;) {
		int n = waited(events, 256);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accepted(listener, hold);
			else
				answer(events[i].data.fd);
		}
	}
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* dial begins to connect. A load's connections end by a reset, so that no port has to wait
 * a minute for its next use. */
static void dial(const struct sockaddr_in *to, int reset) {
	struct linger l = {.l_onoff = 1};
	int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) < 0 && errno != EINPROGRESS)
		die("connect");
	watch(fd, EPOLL_CTL_ADD, EPOLLOUT);
}

static void load(const char *port, int total, int many) {
	struct epoll_event events[256];
	struct sockaddr_in to = address(port);
	int begun = 0, done = 0;
	double began = now();
	for (; begun < many && begun < total; begun++)
		dial(&to, 1);
	while (done < total) {
		int n = waited(events, 256);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			char buf[4096];
			if (events[i].events & EPOLLOUT) {
				if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
					die("send");
				watch(fd, EPOLL_CTL_MOD, EPOLLIN);
				continue;
			}
			ssize_t got = recv(fd, buf, sizeof buf, 0);
			if (got < 0)
				die("recv");
			if (got > 0)
				continue;
			close(fd);
			done++;
			if (begun < total) {
				begun++;
				dial(&to, 1);
			}
		}
	}
	printf("%f\n", now() - began);
}

static void dialAll(const char *port, int total) {
	struct epoll_event events[256];
	struct sockaddr_in to = address(port);
	struct rusage r;
	double began = now();
	int stand = 0;
	for (int i = 0; i < total; i++)
		dial(&to, 0);
	while (stand < total) {
		int n = waited(events, 256);
		for (int i = 0; i < n; i++) {
			int code = 0;
			socklen_t size = sizeof code;
			if (getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0)
				die("connect");
			watch(events[i].data.fd, EPOLL_CTL_MOD, EPOLLIN);
			stand++;
		}
	}
	getrusage(RUSAGE_SELF, &r);
	printf("%f %f %ld\n", now() - began,
		r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6, r.ru_maxrss);
}

int main(int argc, char **argv) {
	poller = check(epoll_create1(0), "epoll_create1");
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2], 0);
	else if (argc == 3 && strcmp(argv[1], "hold") == 0)
		serve(argv[2], 1);
	else if (argc == 5 && strcmp(argv[1], "load") == 0)
		load(argv[2], atoi(argv[3]), atoi(argv[4]));
	else if (argc == 4 && strcmp(argv[1], "dial") == 0)
		dialAll(argv[2], atoi(argv[3]));
	else
		return 2;
	return 0;
}

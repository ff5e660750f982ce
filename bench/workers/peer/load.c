/* What loads the servers of bench/workers: one thread, bare epoll.
 *
 *	load echo|http PORT N MANY    asks N times over MANY connections that are kept
 *
 * Each asks again when its answer has come. It prints the seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char message[] = "0123456789012345678901234567890123456789012345678901234567890123";
static const char request[] = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

static void die(const char *what) {
	perror(what);
	exit(1);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
	if (argc != 5)
		return 2;
	int http = strcmp(argv[1], "http") == 0, total = atoi(argv[3]), many = atoi(argv[4]);
	const char *ask = http ? request : message;
	size_t size = http ? sizeof request - 1 : sizeof message - 1, answer = http ? 0 : size;
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int poller = epoll_create1(0), one = 1, asked = 0, done = 0;
	int *fds = calloc(many, sizeof *fds);
	size_t *got = calloc(many, sizeof *got);
	for (int i = 0; i < many; i++) {
		struct epoll_event e = {.events = EPOLLIN, .data.u32 = i};
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fds[i], (struct sockaddr *)&to, sizeof to) < 0)
			die("connect");
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &e) < 0)
			die("epoll_ctl");
	}
	if (http) { /* all answers are as long as the first */
		char buf[4096];
		if (send(fds[0], ask, size, 0) < 0)
			die("send");
		do {
			ssize_t n = recv(fds[0], buf + answer, sizeof buf - answer - 1, 0);
			if (n <= 0)
				die("recv");
			answer += n;
			buf[answer] = 0;
		} while (!strstr(buf, "\r\n\r\n") || strstr(buf, "\r\n\r\n") + 4 + 64 > buf + answer);
	}
	double began = now();
	for (; asked < many && asked < total; asked++)
		if (send(fds[asked], ask, size, 0) < 0)
			die("send");
	while (done < total) {
		struct epoll_event events[256];
		int n = epoll_wait(poller, events, 256, -1);
		for (int k = 0; k < n; k++) {
			int i = events[k].data.u32;
			char buf[4096];
			ssize_t r = recv(fds[i], buf, sizeof buf, 0);
			if (r <= 0)
				die("recv");
			if ((got[i] += r) < answer)
				continue;
			got[i] = 0;
			done++;
			if (asked < total) {
				asked++;
				if (send(fds[i], ask, size, 0) < 0)
					die("send");
			}
		}
	}
	printf("%f\n", now() - began);
	return 0;
}

// A client of TLS servers that measures their CPU time: one thread, epoll, OpenSSL.
// load PORT PID echo CONNECTIONS BYTES SECONDS      messages go to and fro, one at a time on each connection
// load PORT PID full|resumed CONNECTIONS 1 SECONDS  handshake, one byte to and fro, end; again and again
// load PORT PID get CONNECTIONS 0 SECONDS           read what the server sends
// It prints operations (get: MiB) a second, microseconds of the server's CPU time for one, and, of
// one processor, the percentage that server and client have used.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { ECHO, FULL, RESUMED, GET } mode;
typedef struct {
	int fd, ready;
	SSL *ssl;
	int sent, got;
} conn;

static int ep, size, checked;
static char msg[1 << 20], in[1 << 20];
static double done;
static SSL_CTX *ctx;
static SSL_SESSION *session;
static struct sockaddr_in addr;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static double cpu_of(long pid) {
	char path[64], line[2048];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f) return 0;
	size_t n = fread(line, 1, sizeof line - 1, f);
	fclose(f);
	line[n] = 0;
	unsigned long u = 0, s = 0;
	char *p = strrchr(line, ')');
	if (p) sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s);
	return (double)(u + s) / (double)sysconf(_SC_CLK_TCK);
}
static double own_cpu(void) {
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}
static void die(const char *what) {
	perror(what);
	ERR_print_errors_fp(stderr);
	exit(1);
}
static int keep(SSL *s, SSL_SESSION *x) {
	(void)s;
	if (!session && mode == RESUMED) session = SSL_SESSION_dup(x);
	return 0;
}

static void begin(conn *c) {
	int one = 1;
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd < 0 || connect(c->fd, (void *)&addr, sizeof addr)) die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ready = c->sent = c->got = 0;
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
	if (session) { // OpenSSL uses one only once
		SSL_SESSION *copy = SSL_SESSION_dup(session);
		SSL_set_session(c->ssl, copy);
		SSL_SESSION_free(copy);
	}
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
}
static void end(conn *c) {
	struct linger l = {1, 0}; // no TIME_WAIT: there would be a hundred thousand
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
	SSL_free(c->ssl);
	close(c->fd);
}
// blocked is for an SSL_ call that returned n: it has to wait, or all ends.
static void blocked(conn *c, int n) {
	int e = SSL_get_error(c->ssl, n);
	if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE) die("the server has ended a connection");
}

static void step(conn *c) {
	for (;;) {
		int n;
		if (!c->ready) {
			if ((n = SSL_do_handshake(c->ssl)) != 1) { blocked(c, n); return; }
			c->ready = 1;
			if (session && !SSL_session_reused(c->ssl)) die("a session was not resumed");
		}
		if (mode == GET) {
			if ((n = SSL_read(c->ssl, in, sizeof in)) <= 0) { blocked(c, n); return; }
			done += n / 1048576.0;
			continue;
		}
		while (c->sent < size) {
			if ((n = SSL_write(c->ssl, msg + c->sent, size - c->sent)) <= 0) { blocked(c, n); return; }
			c->sent += n;
		}
		if ((n = SSL_read(c->ssl, in, size - c->got)) <= 0) { blocked(c, n); return; }
		if (checked < 1000 && memcmp(in, msg + c->got, (size_t)n)) die("other bytes came back");
		checked++;
		if ((c->got += n) < size) continue;
		c->sent = c->got = 0;
		done++;
		if (mode != ECHO) {
			end(c);
			begin(c);
			return;
		}
	}
}

int main(int argc, char **argv) {
	if (argc != 7) { fprintf(stderr, "usage: load PORT PID echo|full|resumed|get CONNECTIONS BYTES SECONDS\n"); return 2; }
	long pid = atol(argv[2]);
	mode = !strcmp(argv[3], "echo") ? ECHO : !strcmp(argv[3], "full") ? FULL : !strcmp(argv[3], "resumed") ? RESUMED : GET;
	int n = atoi(argv[4]);
	size = atoi(argv[5]);
	double seconds = atof(argv[6]), warm = seconds / 4;
	addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < size; i++) msg[i] = (char)(i * 31 + 7);
	ctx = SSL_CTX_new(TLS_client_method());
	// The same work for every server.
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set1_groups_list(ctx, "X25519");
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, keep);
	ep = epoll_create1(0);
	struct epoll_event ev[1024];
	if (mode == RESUMED) { // one full handshake, for the ticket
		conn *c = calloc(1, sizeof *c);
		begin(c);
		while (!done && epoll_wait(ep, ev, 1, -1) >= 0) step(c);
		if (!session) die("no ticket has come");
	}
	conn *cs = calloc((size_t)n, sizeof *cs);
	for (int i = 0; i < n; i++) {
		begin(&cs[i]);
		step(&cs[i]);
	}
	double t0 = 0, c0 = 0, s0 = 0, until = now() + warm;
	for (int measuring = 0;;) {
		int k = epoll_wait(ep, ev, 1024, 100);
		if (now() >= until) {
			if (measuring) break;
			measuring = 1;
			done = 0;
			t0 = now(), c0 = own_cpu(), s0 = cpu_of(pid);
			until = t0 + seconds;
		}
		for (int i = 0; i < k; i++) step(ev[i].data.ptr);
	}
	double wall = now() - t0, server = cpu_of(pid) - s0;
	if (done == 0) die("nothing came back");
	printf("%.0f %.3f %.0f %.0f\n", done / wall, server * 1e6 / done, 100 * server / wall, 100 * (own_cpu() - c0) / wall);
	return 0;
}

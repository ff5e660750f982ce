// A TLS server in C on OpenSSL: one thread, epoll, level triggered.
// server PORT echo|send|lines CERT KEY
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

typedef struct {
	int fd, ready, out;
	SSL *ssl;
	char *left; // what SSL_write did not take
	size_t off, len;
} conn;

static int ep;
static char buf[64 << 10];

static void want(conn *c, int out) {
	if (c->out == out) return;
	c->out = out;
	struct epoll_event e = {.events = out ? EPOLLOUT : EPOLLIN, .data.ptr = c};
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}

static void drop(conn *c) {
	SSL_free(c->ssl);
	close(c->fd);
	free(c->left);
	free(c);
	ERR_clear_error();
}

// failed looks at what an SSL_ call returned, and reports whether the connection is at its end.
static int failed(conn *c, int n) {
	switch (SSL_get_error(c->ssl, n)) {
	case SSL_ERROR_WANT_READ: want(c, 0); return 0;
	case SSL_ERROR_WANT_WRITE: want(c, 1); return 0;
	}
	return 1;
}

// put writes p, all of it now or what is left later. It returns 0 when the connection is at its end.
static int put(conn *c, char *p, size_t len) {
	size_t off = 0;
	while (off < len) {
		int n = SSL_write(c->ssl, p + off, (int)(len - off));
		if (n <= 0) {
			if (failed(c, n)) return 0;
			if (!c->left) {
				c->left = malloc(len - off);
				memcpy(c->left, p + off, len - off);
				c->off = 0;
				c->len = len - off;
			} else {
				c->off += off;
				c->len -= off;
			}
			return 1;
		}
		off += (size_t)n;
	}
	if (c->left) {
		free(c->left);
		c->left = 0;
		want(c, 0);
	}
	return 1;
}

// serve echoes, or sends so many bytes at a time.
static void serve(conn *c, int sends) {
	if (!c->ready) {
		int n = SSL_accept(c->ssl);
		if (n <= 0) {
			if (failed(c, n)) drop(c);
			return;
		}
		c->ready = 1;
		want(c, sends != 0);
	}
	if (c->left) {
		if (!put(c, c->left + c->off, c->len)) drop(c);
		return;
	}
	if (sends) {
		for (size_t n = 0; n < 4 * sizeof buf && !c->left; n += (size_t)sends)
			if (!put(c, buf, (size_t)sends)) { drop(c); return; }
		want(c, 1);
		return;
	}
	do {
		int n = SSL_read(c->ssl, buf, sizeof buf);
		if (n <= 0) {
			if (failed(c, n)) drop(c);
			return;
		}
		if (!put(c, buf, (size_t)n)) { drop(c); return; }
	} while (!c->left && SSL_has_pending(c->ssl));
}

int main(int argc, char **argv) {
	if (argc != 5) return 2;
	int sends = !strcmp(argv[2], "send") ? (int)sizeof buf : !strcmp(argv[2], "lines") ? 1024 : 0, one = 1;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_CTX_use_certificate_chain_file(ctx, argv[3]) != 1 || SSL_CTX_use_PrivateKey_file(ctx, argv[4], SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	int ls = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(ls, (void *)&a, sizeof a) || listen(ls, 4096)) { perror("listen"); return 1; }
	ep = epoll_create1(0);
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = 0}, ev[512];
	epoll_ctl(ep, EPOLL_CTL_ADD, ls, &e);
	for (;;) {
		int k = epoll_wait(ep, ev, 512, -1);
		for (int i = 0; i < k; i++) {
			conn *c = ev[i].data.ptr;
			if (c) { serve(c, sends); continue; }
			int fd;
			while ((fd = accept4(ls, 0, 0, SOCK_NONBLOCK)) >= 0) {
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				c = calloc(1, sizeof *c);
				c->fd = fd;
				c->ssl = SSL_new(ctx);
				SSL_set_fd(c->ssl, fd);
				SSL_set_accept_state(c->ssl);
				e.events = EPOLLIN;
				e.data.ptr = c;
				epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
			}
		}
	}
}

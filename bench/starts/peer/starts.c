/* The peer of bench/starts in C: posix_spawn, and waitpid.
 *
 *	starts N MANY MEGABYTES    starts /bin/true N times, MANY at a time, with so much memory touched
 *
 * It prints the seconds and the CPU seconds of this process alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void start(void) {
	char *argv[] = {"true", NULL};
	pid_t pid;
	int err = posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ);
	if (err != 0) {
		errno = err;
		perror("posix_spawn");
		exit(1);
	}
}

int main(int argc, char **argv) {
	if (argc != 4)
		return 2;
	int n = atoi(argv[1]), many = atoi(argv[2]), begun = 0, status;
	size_t size = (size_t)atol(argv[3]) << 20;
	char *memory = malloc(size + 1);
	memset(memory, 1, size + 1);
	double began = now(), used = cpu();
	for (; begun < many && begun < n; begun++)
		start();
	for (int done = 0; done < n; done++) {
		if (wait(&status) < 0 || status != 0) {
			perror("wait");
			return 1;
		}
		if (begun < n) {
			begun++;
			start();
		}
	}
	printf("%f %f\n", now() - began, cpu() - used);
	return 0;
}

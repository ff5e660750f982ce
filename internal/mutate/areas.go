package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// An area is a room of the project for which the tests are judged together.
type area struct {
	name string

	// patterns are of path.Match, for a file's path from the module's root. One
	// that ends in "/" stands for all that is below.
	patterns []string

	// tests are the packages whose tests count. None: those of the file's own
	// package.
	tests []string
}

// areas are all of them. The first pattern that fits a file decides.
var areas = []area{
	{name: "kernel", patterns: []string{
		"loop*.go", "handle*.go", "future*.go", "task.go", "task_*.go", "context*.go", "sleep*.go", "run.go", "run_*.go",
		"options.go", "errors.go", "exceptions.go", "deadline.go", "driver_*.go", "doc.go", "debug*.go", "watchdog.go",
		"stack*.go", "callgraph*.go", "waitgraph*.go", "stats*.go", "spares.go", "closers*.go", "kernel*.go", "clock*.go",
		"watchedwait*.go",
	}},
	{name: "coordination", patterns: []string{
		"gather*.go", "wait.go", "wait_*.go", "waitfor*.go", "waitlist*.go", "ascompleted*.go", "shield*.go", "timeout*.go",
		"taskgroup*.go", "lock*.go", "event*.go", "condition*.go", "semaphore*.go", "barrier*.go", "queue*.go",
		"parkinglot*.go", "wrapfuture*.go", "misuse*.go", "coord*.go",
	}},
	{name: "streams", patterns: []string{
		"stream*.go", "netconn*.go", "pullsocket*.go", "tls.go", "tls_*.go",
	}},
	{name: "transports", patterns: []string{
		"transport*.go", "protocol*.go", "socktransport*.go", "tlstransport*.go", "server*.go", "acceptor*.go", "connect*.go",
		"socket*.go", "writequeue*.go", "sendfile*.go", "datagram*.go", "multicast*.go", "credentials*.go", "pipe*.go",
		"sock.go", "sock_*.go", "getaddrinfo*.go", "watch.go", "watch_*.go", "dealer*.go", "resolve*.go", "dial*.go",
		"internal/writequeue/", "internal/sockopt/", "internal/dealer/", "internal/shareport/",
	}},
	{name: "executors and processes", patterns: []string{
		"executor*.go", "thread*.go", "process*.go", "child*.go", "subprocess*.go", "signals*.go", "interrupt*.go",
		"workers*.go", "pdeathsig*.go", "terminal*.go", "internal/worker/", "internal/process/",
	}},
	{name: "asynchttp", patterns: []string{"asynchttp/"}},
	{name: "coro, ring, heap", patterns: []string{"internal/coro/", "internal/ring/", "internal/heap/"}},
	{name: "epoll", patterns: []string{"internal/driver/epoll/"}},
	{name: "other drivers", patterns: []string{"internal/driver/portable/", "internal/driver/virtual/"}},
	{name: "drivers' common", patterns: []string{"internal/driver/*.go"},
		tests: []string{"internal/driver/epoll", "internal/driver/portable", "internal/driver/virtual"}},
}

// unmeasured is what this program leaves alone: programs, and what tests others.
var unmeasured = []string{
	"cmd/", "examples/", "conformance/", "bench/", "docs/", "internal/driver/drivertest/", "internal/mutate/",
}

// areaOf returns the area of a file, or nil for one that is not measured. The
// file's path is from the module's root.
func areaOf(file string) (*area, error) {
	for i := range areas {
		if slices.ContainsFunc(areas[i].patterns, func(p string) bool { return fits(p, file) }) {
			return &areas[i], nil
		}
	}
	if slices.ContainsFunc(unmeasured, func(p string) bool { return fits(p, file) }) {
		return nil, nil
	}
	return nil, fmt.Errorf("%s is in no area: add it to the table in internal/mutate/areas.go", file)
}

func fits(pattern, file string) bool {
	if strings.HasSuffix(pattern, "/") {
		return strings.HasPrefix(file, pattern)
	}
	ok, err := path.Match(pattern, file)
	return ok && err == nil
}

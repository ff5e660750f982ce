package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// An area is a room of the project for which the tests are judged together. Two of
// one name are one, whose files are tested in different places.
type area struct {
	name string

	// patterns are of path.Match, for a file's path from the module's root. One
	// that ends in "/" stands for all that is below.
	patterns []string

	// tests are the packages whose tests count. None: those of the file's own
	// package, and of also, which has the code that uses it.
	tests []string
	also  []string
}

// areas are all of them. The first pattern that fits a file decides.
var areas = []area{
	{name: "kernel", patterns: []string{"loop*.go", "run*.go", "inspect_*.go", "doc.go", "internal/loopvalue/"}, also: []string{"."}},
	{name: "coordination", patterns: []string{"wait*.go", "sync_*.go"}},
	{name: "streams", patterns: []string{"stream*.go", "internal/filehead/"}, also: []string{"."}},
	{name: "transports", patterns: []string{
		"conn_*.go", "transport*.go", "datagram*.go", "descriptor_*.go",
		"internal/writequeue/", "internal/sockopt/", "internal/sharedport/", "internal/hangup/",
	}, also: []string{"."}},
	{name: "executors and processes", patterns: []string{ // which know of simulated worlds
		"process_simulated.go", "process_pool_simulated.go", "process_child.go", "process_start.go", "signal_handler.go",
		"thread_executor.go", "thread_default.go", "thread_wrapfuture.go",
	}, also: []string{".", "sim"}},
	{name: "executors and processes", patterns: []string{
		"thread_*.go", "process_*.go", "signal_*.go", "workers*.go", "internal/spawn/", "internal/workerproc/", "internal/gobvalue/",
	}, also: []string{"."}},
	{name: "http2", patterns: []string{"asynchttp/internal/h2/", "asynchttp/http2*.go"},
		tests: []string{"asynchttp/internal/h2", "asynchttp"}},
	{name: "asynchttp", patterns: []string{"asynchttp/"}, also: []string{"asynchttp"}},
	{name: "coro, ring, heap", patterns: []string{"internal/coro/", "internal/ring/", "internal/heap/"}},
	{name: "epoll", patterns: []string{"internal/driver/epoll/"}},
	{name: "other drivers", patterns: []string{"internal/driver/portable/", "internal/driver/virtual/"}},
	{name: "flow, asynctest", patterns: []string{"flow/", "asynctest/"}},
	{name: "insight", patterns: []string{"insight/", "internal/insightwire/"}, also: []string{"insight", "cmd/asyncio/internal/look"}},
	{name: "sql, files", patterns: []string{ // which know of simulated worlds
		"asyncfile/replace.go", "asyncfile/disk.go", "asyncfile/threads.go",
	}, also: []string{"asyncfile", "sim"}},
	{name: "sql, files", patterns: []string{"asyncsql/", "asyncfile/", "internal/offload/"}, also: []string{"asyncsql", "asyncfile"}},
	{name: "simulation", patterns: []string{"sim/", "internal/driver/sim/", "internal/hook/", "internal/simtrace/", "internal/simdisk/"}, also: []string{"sim"}},
	{name: "drivers' common", patterns: []string{"internal/driver/*.go"},
		tests: []string{"internal/driver/epoll", "internal/driver/portable", "internal/driver/virtual"}},
}

// unmeasured is what this program leaves alone: programs, and what tests others.
var unmeasured = []string{
	"cmd/", "examples/", "conformance/", "asyncvet/", "cluster/", "bench/", "docs/", "internal/driver/drivertest/", "internal/mutate/", "internal/pauses/", "internal/browsertest/", "internal/addresstest/", "internal/libraries/", "internal/h2spec/", "internal/natslink/", "internal/simtests/",
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

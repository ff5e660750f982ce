//go:build linux

// Pauses holds tests up at random places, as a busy machine does, and reports those that
// fail or hang by it.
//
//	go run ./internal/pauses .                          the root package, for a minute
//	go run ./internal/pauses -d 10m -seed 7 ./asynchttp ./cluster
//	go run ./internal/pauses -run TestRetry ./flow      tests whose name matches
//
// A test that waits for a time where it should wait for an event passes on an idle machine
// a thousand times. Here each test runs alone, in a process of its own, again and again, and
// each time other places in it and in the code that it tests sleep for 8 to 400 milliseconds
// when they are reached. The thread sleeps, not the goroutine: that is what a test meets whose
// process does not get the processor.
//
// Of a failure it finds a few places that suffice, and prints how to run that again:
//
//	go run ./internal/pauses -at flow/retry_test.go:63 -for 120ms -times 2 -procs 1 -run '^TestRetry$' ./flow
//
// A place is before a statement. The source is not touched: the build has an overlay. Tests
// that fail without any pause, since the places cost a little or keep a function from being
// inlined, are left out. It is for Linux.
package main

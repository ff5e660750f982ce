// Package simtests runs the library in simulated worlds: its kernel, locks, queues,
// groups, streams and its HTTP client and server, each with what must hold whatever is
// cancelled, cut, stalled or crashed at whatever moment. It has tests only; they are
// here and not beside what they test since package sim imports the library.
//
// A few seeds run by default. To run more:
//
//	go test ./internal/simtests -sim.seeds=3000
package simtests

// Mutate measures what the tests notice: it makes small changes to the code,
// runs the tests on each, and reports the changes that no test has noticed.
//
//	go run ./internal/mutate                           40 mutants of every area, seed 1
//	go run ./internal/mutate -seed 7 -n 60 kernel streams
//	go run ./internal/mutate -only sync_queue.go       every mutant of that file
//	go run ./internal/mutate -only sync_queue.go:120   of that line
//	go run ./internal/mutate -list kernel              what would be drawn; nothing runs
//
// An area is a room of the project; areas.go has the table, and says whose tests
// count: those of the file's package, and for what was taken out of the root
// package those of the root too. The same seed draws the same mutants from the
// same code. A run prints, for each area, how many mutants were noticed, and each
// survivor with its place, before and after.
//
// All mutants of a package are compiled into one test binary, and an environment
// variable chooses one. So there is one build for each package that is tested,
// and one or two runs of its binary for each mutant. Before that every test runs
// once alone and notes which mutants it reaches, since only those tests can
// notice them. The source is not touched: the build has an overlay.
//
// A failure that a second run does not confirm does not count, since it may be
// the test that is unsteady. What cannot be noticed, because the program behaves
// the same, stands in equivalent.txt with the reason; it is left out of the rate.
package main

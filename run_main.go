package asyncio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Main is the main function of a program on a loop: it runs main as [Run] does,
// prints its error, if it has one, with the stack if it was a panic, and ends the
// process with an exit status. An interrupt (^C) or SIGTERM cancels main, which may
// clean up; the second ends the program at once.
//
// The exit status is 0 without an error; 130 after an interrupt and 143 after SIGTERM,
// of which nothing is printed; what the error's method ExitCode() int returns, where
// it or what it wraps has one; and else 1. Deferred functions of the caller do not run.
//
//	func main() { asyncio.Main(serve) }
func Main(main func(ctx context.Context) error, opts ...Option) {
	ofMain := option(func(c *config) { c.interrupts = interruptsOfMain })
	err := Run(context.Background(), main, append([]Option{ofMain}, opts...)...)
	var interrupt *InterruptError
	var coded interface{ ExitCode() int }
	var panicked *PanicError
	switch {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &interrupt):
		os.Exit(interrupt.ExitCode())
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", programName(), err)
	if errors.As(err, &panicked) {
		fmt.Fprintf(os.Stderr, "%s", panicked.Stack)
	}
	if errors.As(err, &coded) && coded.ExitCode() != 0 {
		os.Exit(coded.ExitCode())
	}
	os.Exit(1)
}

func programName() string {
	if len(os.Args) == 0 {
		return "main"
	}
	return filepath.Base(os.Args[0])
}

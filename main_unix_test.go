//go:build unix

package asyncio_test

import (
	"os"
	"os/signal"
	"syscall"
)

// catchIgnored catches the signals of the terminal that this process has
// inherited as ignored, as it does under nohup or in the background of a script:
// the tests send them, to themselves and to processes, which would inherit that
// too.
func catchIgnored() {
	if os.Getenv("ASYNCIO_TEST_PROGRAM") != "" {
		return // a test has started it as it should be
	}
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

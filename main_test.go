package asyncio_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"go.uber.org/goleak"
)

// TestMain checks, when all tests are done, that none has left a goroutine or
// a descriptor behind.
func TestMain(m *testing.M) {
	asyncio.WorkerMain()
	catchIgnored()
	if program := os.Getenv("ASYNCIO_TEST_PROGRAM"); program != "" {
		testPrograms[program]()
		os.Exit(0)
	}
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		// The runtime's own poller may have been made meanwhile: two descriptors.
		if after := descriptors(); after > before+2 {
			fmt.Fprintf(os.Stderr, "%d descriptors were open before the tests, %d are after them\n", before, after)
			code = 1
		}
	}
	os.Exit(code)
}

// testPrograms are what this binary is when a test runs it as a program.
var testPrograms = map[string]func(){}

// itself is the command line that runs this test's binary once more. Where that is
// of a foreign processor, and the system does not know what runs it, the environment
// has the emulator's command line.
func itself() []string {
	return append(strings.Fields(os.Getenv("ASYNCIO_TEST_EMULATOR")), os.Args[0])
}

// notEmulated skips a test of what an emulator of one program cannot do.
func notEmulated(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ASYNCIO_TEST_EMULATOR") != "" {
		t.Skip("under an emulator: ", why)
	}
}

// descriptors counts the open descriptors of this process, where the system
// tells.
func descriptors() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

// drivers are the ways to run a loop with a network.
func drivers() map[string]asyncio.Option {
	all := map[string]asyncio.Option{"portable": asyncio.WithPortableDriver()}
	if runtime.GOOS == "linux" {
		all["epoll"] = asyncio.WithSystemDriver()
	}
	return all
}

// onEachDriver runs the coroutine body as a subtest on every driver there is.
func onEachDriver(t *testing.T, body func(t *testing.T, ctx context.Context)) {
	t.Helper()
	for name, driver := range drivers() {
		t.Run(name, func(t *testing.T) {
			runOn(t, driver, body)
		})
	}
}

// onVirtualClock runs the coroutine body on the virtual clock.
func onVirtualClock(t *testing.T, body func(t *testing.T, ctx context.Context)) {
	t.Helper()
	runOn(t, asyncio.WithVirtualClock(), body)
}

func runOn(t *testing.T, driver asyncio.Option, body func(t *testing.T, ctx context.Context)) {
	t.Helper()
	opts := []asyncio.Option{asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		t.Errorf("the loop's exception handler: %s: %v", c.Message, c.Err)
	})}
	if driver != nil {
		opts = append(opts, driver)
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		body(t, ctx)
		return nil
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until f is true. It is for what the system does in its own
// time, and tells nobody.
func eventually(t *testing.T, ctx context.Context, what string, f func() bool) {
	t.Helper()
	for range 20000 {
		if f() {
			return
		}
		must(t, asyncio.Sleep(ctx, time.Millisecond))
	}
	t.Errorf("it did not come to pass that %s", what)
}

var noTime time.Time

func timeSoon() time.Time { return time.Now().Add(5 * time.Millisecond) }

func optionList(o asyncio.Option) []asyncio.Option {
	if o == nil {
		return nil
	}
	return []asyncio.Option{o}
}

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

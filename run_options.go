package asyncio

import (
	"log/slog"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/driver/portable"
	"github.com/asyncio-go/asyncio/internal/driver/virtual"
)

// An Option is an option of [NewLoop], [Run] and [NewRunner].
type Option interface{ applyLoop(*config) }

type option func(*config)

func (f option) applyLoop(c *config) { f(c) }

type config struct {
	newDriver  func() (driver.Driver, error) // nil: none was asked for
	virtual    bool
	debug      bool
	labels     bool
	regions    bool
	logger     *slog.Logger
	onError    ExceptionHandler
	executor   defaultExecutor
	interrupts interruptMode
	stallLimit time.Duration
	stallAsked bool // it is what WithStallWatch was given
}

// WithDebug turns the loop's debug mode on or off; without it the environment
// variable ASYNCIODEBUG decides, if it is 1. Python: debug=, PYTHONASYNCIODEBUG.
//
// In debug mode a callback or a step of a task that holds the loop for more
// than 100 milliseconds ([Loop.SetSlowCallbackDuration]) is logged: while it
// does, with its stack, and when it has ended. Calls from wrong goroutines,
// awaits on the wrong loop among them, are errors or panic; those of locks and queues
// once a task has waited there. Reports of errors
// that nobody looked at say where the future or task was made; tasks that are
// pending, or never began, when the loop is closed are logged. Tasks have
// labels, see [WithTaskLabels]. It costs some microseconds for each task.
func WithDebug(on bool) Option { return option(func(c *config) { c.debug = on }) }

// WithStallWatch sets how long a loop may stand still before that is reported to
// its log: two seconds without it, and never for 0. A loop stands still when a task
// or a callback computes for so long, or is blocked in something that knows nothing
// of loops: a [sync.Mutex] that a suspended task holds, a channel, a database pool.
// The report names what that is and where in the program, and a second one says that
// the loop goes on.
//
// The watch looks from outside and costs the loop nothing: one timer for all loops
// of the process, while one runs. It goes by the real clock: a loop on the virtual
// one is watched only where this option is given, and one in a bubble of
// testing/synctest never. While a loop runs, its goroutine and the tasks' have the
// label asyncio.loop in profiles.
func WithStallWatch(limit time.Duration) Option {
	return option(func(c *config) { c.stallLimit, c.stallAsked = limit, true })
}

// WithTaskLabels puts on each task's goroutine the label asyncio.task, with the
// task's name, for profiles of [runtime/pprof] and dumps of goroutines. The
// goroutines that the task starts inherit it, and the labels that its context
// brings along stay. It costs half a microsecond for each task.
func WithTaskLabels() Option { return option(func(c *config) { c.labels = true }) }

// WithTraceRegions makes a loop show its tasks in the traces of [runtime/trace],
// each with a region for each of its steps, and callbacks as regions. While a trace
// is taken, or a flight recorder runs, a step costs several times as much then.
func WithTraceRegions() Option { return option(func(c *config) { c.regions = true }) }

// WithLogger makes the loop log to l instead of [slog.Default].
func WithLogger(l *slog.Logger) Option { return option(func(c *config) { c.logger = l }) }

// WithExceptionHandler makes the loop give its troubles to h instead of the
// log. Python: loop.set_exception_handler.
func WithExceptionHandler(h ExceptionHandler) Option {
	return option(func(c *config) { c.onError = h })
}

// WithExecutorWorkers bounds the functions that the loop's default executor
// runs at the same time. Without it that is four more than the number of
// processors, and at most 32, as in Python.
func WithExecutorWorkers(n int) Option { return option(func(c *config) { c.executor.workers = n }) }

// WithExecutorGrace bounds how long [Run] and [Runner.Close] wait for the jobs
// of the default executor: five seconds without it; in Python it is five minutes.
// Then the contexts of the jobs end, and the error has a [*JobsLeftError].
func WithExecutorGrace(d time.Duration) Option {
	return option(func(c *config) { c.executor.grace = d })
}

// WithInterrupts reports whether [Run] handles interrupts ([os.Interrupt], ^C at
// the terminal) or leaves them alone. Python: what Runner does with SIGINT.
//
// The first interrupt cancels main, which may clean up; Run returns an
// [*InterruptError] then, unless main goes on. The second ends the program at
// once, with exit status 130; deferred functions do not run. When several loops
// handle them, each main is cancelled. After main, interrupts do what they did
// before. [Loop.AddSignalHandler] for os.Interrupt takes the place of all that.
//
// Python does so in the main thread, while nobody else handles the signal. By
// default this does the same: in the main goroutine, when ctx has no end, so
// that nobody else can have seen to it, and when interrupts are not ignored. In
// a test, in a library's goroutine, and with a context of
// [signal.NotifyContext], Run leaves interrupts alone.
func WithInterrupts(on bool) Option {
	return option(func(c *config) {
		c.interrupts = interruptsOff
		if on {
			c.interrupts = interruptsOn
		}
	})
}

// WithVirtualClock makes the loop use a clock of its own, which starts at zero,
// stands still while anything can run, and leaps to the next timer when
// nothing can. A test of an hour's sleeping takes no time and always goes the
// same way.
//
// The loop has no network then, unless [WithSystemDriver] or
// [WithPortableDriver] gives it one. With one, the clock leaps only while no
// descriptor is open; while one is, nobody knows what is still to come, and the
// clock goes with the real one.
func WithVirtualClock() Option { return option(func(c *config) { c.virtual = true }) }

// WithSystemDriver makes the loop use the system's own means to wait: epoll on
// Linux, what [WithPortableDriver] does elsewhere. That is what it does without
// an option, but for [WithVirtualClock].
func WithSystemDriver() Option { return option(func(c *config) { c.newDriver = newDriver }) }

// WithPortableDriver makes the loop use Go's net package and goroutines for
// what waits, as it does on systems without a driver of their own.
func WithPortableDriver() Option {
	return option(func(c *config) {
		c.newDriver = func() (driver.Driver, error) { return portable.New() }
	})
}

// open makes the driver, and the clock that the loop goes by. outside says
// whether somebody is at work for whom a virtual clock must wait.
func (c *config) open(outside func() bool) (driver.Driver, driver.Clock, error) {
	if c.virtual && c.newDriver == nil {
		d := virtual.New()
		d.Outside = outside
		return d, d, nil
	}
	if c.newDriver == nil {
		c.newDriver = newDriver
	}
	d, err := c.newDriver()
	if err != nil || !c.virtual {
		return d, d, err
	}
	clock := virtual.NewOver(d)
	clock.Outside = outside
	return d, clock, nil
}

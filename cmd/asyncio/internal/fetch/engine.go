package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Streams is what the program reads from and writes to.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Width returns the columns of the terminal that Stderr is; nil when it is none.
	Width func() int
	// Color is whether the terminal may be sent colours.
	Color bool
	// StdoutIsTerminal is set where a body on Stdout would mix with the progress.
	StdoutIsTerminal bool
}

// engine is one run. All of it belongs to the loop's goroutine.
type engine struct {
	opts    *Options
	io      Streams
	loop    *asyncio.Loop
	client  *Client
	pool    *asyncio.ThreadPoolExecutor
	plan    *schedule
	feeding *asyncio.Task[struct{}]
	tasks   map[*asyncio.Task[struct{}]]struct{}

	places   *places
	opening  asyncio.Lock // of a device
	devices  []*os.File   // that are open
	out      *outlet
	writeOut writeOut
	spools   spools

	progress *progress
	stats    stats
	fatal    error // what ends the run early
}

// stats are what the progress and the summary show.
type stats struct {
	begun       time.Duration
	done        int // URLs that are done, for good or ill
	failed      int
	bytes       int64 // of bodies
	firstFailed int   // the number of the first URL that failed
	code        Code  // and its code
}

// Run fetches all targets and returns the exit code: 0, or that of the first URL
// that failed, in the order in which they were given; [Interrupted] when the
// task was cancelled. It runs in a coroutine, and all that it does runs on
// that one loop. What went wrong has been written to Stderr.
func Run(ctx context.Context, o *Options, s Streams) Code {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return BadUsage // not in a coroutine: a mistake in the program
	}
	client, err := NewClient(loop, o)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Code: BadUsage, Err: err}
		}
		fmt.Fprintf(s.Stderr, "asyncio: %s\n", e.Error())
		return e.Code
	}
	defer client.Close()
	return run(ctx, client, s)
}

func run(ctx context.Context, client *Client, s Streams) Code {
	loop, o := client.loop, client.opts
	e := &engine{
		opts: o, io: s, loop: loop, client: client,
		pool:   asyncio.NewThreadPoolExecutor(maxBlocked),
		tasks:  make(map[*asyncio.Task[struct{}]]struct{}),
		places: newPlaces(o),
	}
	e.stats.begun = loop.Time()
	e.plan = newSchedule(loop, o, e.start)
	e.out = newOutlet(loop, e.pool, s.Stdout, e.stopIfBroken)
	var unknown []string
	e.writeOut, unknown = parseWriteOut(o.WriteOut)
	for _, name := range unknown {
		e.note("%s", unknownVariable(name))
	}
	if n, less := o.parallel(); less {
		e.note("%d transfers at a time, not %d: only %d files may be open", n, o.ParallelMax, openFiles())
	}
	e.progress = newProgress(e)
	defer e.progress.end()
	defer e.closeDevices()
	return e.wait(ctx)
}

// maxBlocked is how many writes to pipes and terminals may block at a time.
const maxBlocked = 64

// wait runs until all is done, or the task is cancelled.
func (e *engine) wait(ctx context.Context) Code {
	e.feeding = asyncio.CreateTaskOn(e.loop, e.feed)
	_, err := e.plan.idle.Await(ctx)
	if err != nil {
		e.interrupt(ctx)
	}
	_, _ = e.feeding.Await(ctx) // it has printed its own errors
	e.flush(ctx)
	var fatal *Error
	switch {
	case err != nil:
		e.summary("interrupted")
		return Interrupted
	case errors.As(e.fatal, &fatal):
		return fatal.Code
	}
	e.summary("")
	return e.stats.code
}

// flushGrace is how long one waits, in the end, for somebody to take the output.
const flushGrace = time.Second

// flush writes what lines are left.
func (e *engine) flush(ctx context.Context) {
	if e.plan.stopped {
		_ = asyncio.Timeout(ctx, flushGrace, func(ctx context.Context) error { return e.out.flush(ctx) })
		return
	}
	_ = e.out.flush(ctx)
	e.stopIfBroken()
}

// feed hands the schedule its jobs. It is a task of its own, because it may wait
// for the next URL when the run is over for another reason.
func (e *engine) feed(ctx context.Context) (struct{}, error) {
	f := &feed{plan: e.plan, stdin: e.io.Stdin, pool: e.pool}
	err := f.run(ctx, e.opts.Targets)
	if err != nil && !asyncio.IsCancelled(err) && !errors.Is(err, errStopped) {
		e.feedFailed(err)
	}
	e.plan.end()
	return struct{}{}, nil
}

// feedFailed prints which lists could not be read.
func (e *engine) feedFailed(err error) {
	var failed *Error
	if errors.As(err, &failed) && e.stats.code == OK {
		e.stats.code, e.stats.firstFailed = failed.Code, -1
	}
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		for _, one := range several.Unwrap() {
			e.complain(one)
		}
	} else {
		e.complain(err)
	}
}

// interrupt cancels what is under way, and waits until it has cleaned up.
func (e *engine) interrupt(ctx context.Context) {
	e.cancelAll()
	for len(e.tasks) > 0 {
		e.plan.idle = asyncio.NewFuture[struct{}](e.loop)
		e.plan.settle()
		if _, err := e.plan.idle.Await(ctx); err == nil {
			return
		}
	}
}

// cancelAll starts nothing more and cancels what is under way, but for the task
// that runs.
func (e *engine) cancelAll() {
	e.plan.stop()
	e.feeding.Cancel()
	current := e.loop.CurrentTask()
	for t := range e.tasks {
		if asyncio.AnyTask(t) != current {
			t.Cancel()
		}
	}
}

// start runs a job as a task of its own.
func (e *engine) start(j *job) {
	var t *asyncio.Task[struct{}]
	t = asyncio.CreateTaskOn(e.loop, func(ctx context.Context) (struct{}, error) {
		again := e.work(ctx, j)
		delete(e.tasks, t)
		e.plan.done(j, again)
		return struct{}{}, nil
	})
	e.tasks[t] = struct{}{}
}

// work makes one attempt at a job and reports it. If there is to be another
// attempt, it returns the time until that instead.
func (e *engine) work(ctx context.Context, j *job) (again time.Duration) {
	if j.retries == 0 {
		j.began = e.loop.Time()
	}
	r := &Result{Number: j.number, URL: j.raw, Retries: j.retries}
	x := e.client.transfer(j.url, j.shown(), r, &jobReceiver{run: e, job: j})
	err := j.bad
	if err == nil {
		err = x.do(ctx)
	}
	r.Err = x.explain(err)
	retry, again := x.retry, x.again
	if !retry {
		again, retry = e.tryAgain(j, r)
	}
	if retry && !e.plan.stopped {
		j.retries++
		e.sayRetry(j, r, again)
		return again
	}
	e.places.release(j)
	if r.ExitCode() == Interrupted {
		return -1
	}
	e.report(ctx, j, r)
	return -1
}

// tryAgain reports whether there is to be another attempt, and after how long.
func (e *engine) tryAgain(j *job, r *Result) (time.Duration, bool) {
	if e.opts.Retry == 0 {
		return 0, false
	}
	return e.opts.again(r, j.retries, e.loop.Time()-j.began, time.Now())
}

// report counts and prints a URL that is done.
func (e *engine) report(ctx context.Context, j *job, r *Result) {
	s := &e.stats
	s.done++
	if r.Err != nil {
		s.failed++
		if s.code == OK || j.number < s.firstFailed {
			s.code, s.firstFailed = r.Err.Code, j.number
		}
		if r.Err.Code != WriteFailed || e.out.broken == nil { // that is printed once, below
			e.complain(r.Err)
		}
	} else if p := j.place; p != nil && p.wanted != "" {
		e.note("%s: saved as %s: another URL has the name %s", j.shown(), Printable(p.path), Printable(p.wanted))
	}
	if !e.opts.NDJSON && e.writeOut == nil {
		e.stopIfBroken()
		return
	}
	var line, errs []byte
	if e.opts.NDJSON {
		line = append(appendJSON(nil, r), '\n')
	}
	if e.writeOut != nil {
		var out []byte
		out, errs = e.writeOut.format(r)
		line = append(line, out...)
	}
	if len(errs) > 0 {
		e.progress.hide()
		_, _ = e.io.Stderr.Write(errs)
	}
	_ = e.out.line(ctx, line) // its error ends the run
	e.stopIfBroken()
}

// stopIfBroken ends the run when nobody takes its output any more.
func (e *engine) stopIfBroken() {
	if e.out.broken == nil || e.fatal != nil {
		return
	}
	e.fatal = e.out.broken
	e.complain(e.fatal)
	e.cancelAll()
}

// device opens a device to which several bodies go, once.
func (e *engine) device(ctx context.Context, p *place) (*outlet, error) {
	err := e.opening.With(ctx, func(ctx context.Context) error {
		if p.out != nil {
			return nil
		}
		f, err := openDevice(ctx, e.loop, e.pool, p.path)
		if err != nil {
			return err
		}
		p.out = newOutlet(e.loop, e.pool, f, func() {})
		p.out.what = p.path
		e.devices = append(e.devices, f)
		return nil
	})
	return p.out, err
}

// closeDevices closes them, when the run is over.
func (e *engine) closeDevices() {
	for _, f := range e.devices {
		_ = f.Close()
	}
}

// shown is the URL of a job as it is shown to the user: without a password.
func (j *job) shown() string {
	if j.url != nil && j.url.User != nil {
		return j.url.Redacted()
	}
	return j.raw
}

package asyncio

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// executorGrace is how long a runner waits for the default executor's jobs when
// nothing else was said. In Python it is five minutes; a Go program ends when main
// does.
const executorGrace = 5 * time.Second

// defaultExecutor is a loop's default executor: one that was given to it, or one
// that is made when it is first needed.
type defaultExecutor struct {
	executor Executor
	workers  int           // of one that is made; 0: as many as in Python
	grace    time.Duration // 0: executorGrace
}

func (l *Loop) executorPart() *defaultExecutor { return partOf[defaultExecutor](l, executorPart) }

// SetDefaultExecutor makes e what [ToThread] and [RunInExecutor] use when they
// are given none, and returns the one there was, or nil, which is the caller's to
// shut down. From now on e is the loop's: [Run] and [Runner.Close] wait for its
// jobs and shut it down, [Loop.Close] does without waiting. Python:
// loop.set_default_executor.
func (l *Loop) SetDefaultExecutor(e Executor) (old Executor) {
	d := l.executorPart()
	old, d.executor = d.executor, e
	return old
}

// defaultExecutor returns the default executor, made when there is none; nil on a
// loop that is closed.
func (l *Loop) defaultExecutor() Executor {
	d := l.executorPart()
	if d.executor == nil && !l.closing {
		d.executor = NewThreadPoolExecutor(d.workers)
	}
	return d.executor
}

// ShutdownDefaultExecutor takes no more jobs and suspends the running task
// until those of the default executor are done. When the wait is cancelled, or
// ctx ends, the contexts of the jobs end. [Run] does this by itself. Python:
// loop.shutdown_default_executor.
func (l *Loop) ShutdownDefaultExecutor(ctx context.Context) error {
	t, level, err := l.enter(ctx)
	if err != nil {
		return err
	}
	if _, ok := l.driver.(driver.Executor); ok {
		return nil // its jobs are the world's
	}
	e := l.defaultExecutor()
	if e == nil {
		return ErrLoopClosed
	}
	f := WrapFuture(l, func(ctx context.Context) (struct{}, error) { return struct{}{}, e.Shutdown(ctx) })
	if err := t.wait(&f.future, level); err != nil {
		f.Cancel()
		// Where its goroutine had not begun yet, nobody has told the jobs.
		ended, end := context.WithCancel(context.Background())
		end()
		go func() { _ = e.Shutdown(ended) }()
		return err
	}
	return nil
}

// shutdownExecutor waits for the default executor's jobs.
func (l *Loop) shutdownExecutor() error {
	d := l.executorPart()
	if d.executor == nil {
		return nil
	}
	grace := d.grace
	if grace == 0 {
		grace = executorGrace
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return d.executor.Shutdown(ctx)
}

// close shuts the default executor down without waiting.
func (d *defaultExecutor) close(l *Loop) {
	if d.executor == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := d.executor.Shutdown(ctx)
	var left *JobsLeftError
	if errors.As(err, &left) && !slices.ContainsFunc(left.Jobs, func(j Job) bool { return !j.Cancelled }) {
		return // each was told to end before
	}
	if err != nil {
		l.logger().Warn("asyncio: the loop is closed while jobs are under way", "error", err)
	}
}

// look implements lookingPart.
func (d *defaultExecutor) look(k *seenLoop) {
	if e, ok := d.executor.(*ThreadPoolExecutor); ok {
		k.Executors = append(k.Executors, e.look("threads"))
	}
}

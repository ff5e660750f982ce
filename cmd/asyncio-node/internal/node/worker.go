package node

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Pauses before a worker that has ended is started again. One that has lived for long
// begins with the shortest.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	longLife   = 10 * time.Second
)

// keepWorker keeps a worker process running until the node leaves.
func (m *member) keepWorker(ctx context.Context, number int) error {
	pause := firstPause
	for !m.stop.IsSet() {
		began := m.loop.Time()
		how, err := m.runWorker(ctx, number)
		if err != nil {
			return err
		}
		if m.stop.IsSet() {
			break
		}
		if m.loop.Time()-began > longLife {
			pause = firstPause
		}
		fmt.Fprintf(m.out, "worker %d has ended: %s; it is started again in %v\n", number, how, pause)
		if err := m.pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// runWorker runs a worker process, and says how it has ended, or why it could not be
// started.
func (m *member) runWorker(ctx context.Context, number int) (how string, err error) {
	opts := append(workerOptions(),
		asyncio.WithStdin(asyncio.Pipe), // its end tells a worker to leave, also when this process is killed
		asyncio.WithEnv(append(os.Environ(), m.o.environment(m.url)...)...))
	p, err := asyncio.CreateSubprocessExec(ctx, m.o.program[0], m.o.program[1:], opts...)
	if err != nil {
		if asyncio.IsCancelled(err) {
			return "", err
		}
		return err.Error(), nil
	}
	defer p.Close()
	fmt.Fprintf(m.out, "worker %d is process %d\n", number, p.Pid())
	ended := asyncio.CreateTask(ctx, p.Wait)
	defer ended.Cancel()
	leave := asyncio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 0, m.stop.Wait(ctx) })
	defer leave.Cancel()
	if _, _, err := asyncio.Wait[asyncio.Awaitable](ctx, asyncio.FirstCompleted, asyncio.NoTimeout, ended, leave); err != nil {
		return "", err
	}
	if !ended.Done() {
		_ = p.Stdin.Close()
		err := asyncio.Timeout(ctx, m.o.grace, func(ctx context.Context) error {
			_, err := p.Wait(ctx)
			return err
		})
		if err != nil {
			fmt.Fprintf(m.out, "worker %d does not leave within %v: it is killed\n", number, m.o.grace)
			_ = p.Kill()
		}
	}
	if _, err := p.Wait(ctx); err != nil {
		return "", err
	}
	if s := p.State(); s != nil {
		return s.String(), nil
	}
	return "it was reaped by somebody else", nil
}

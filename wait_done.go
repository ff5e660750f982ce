package asyncio

import "context"

// WaitDone suspends the running task until ctx ends, or the task is cancelled, and
// returns why. It is what <-ctx.Done() is in other Go code: on a loop that blocks the
// goroutine on which everything runs, and so also what would end ctx. Python: await
// of a future that nobody sets.
func WaitDone(ctx context.Context) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return t.wait(&future{loop: t.loop}, level)
}

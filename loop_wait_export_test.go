package asyncio

import (
	"context"
	"time"
)

// SleepWithin sleeps as functions do that have other waits, too.
func SleepWithin(ctx context.Context, d time.Duration) error {
	t, level, err := enter(ctx)
	if err != nil {
		return err
	}
	return t.sleep(d, level)
}

// AwaitTwice waits twice for what is not done, as functions do that enter once.
func AwaitTwice(ctx context.Context, f *Future[int]) (errs [2]error) {
	t, level, err := enter(ctx)
	if err != nil {
		panic(err)
	}
	for i := range errs {
		errs[i] = t.wait(&f.future, level)
	}
	return errs
}

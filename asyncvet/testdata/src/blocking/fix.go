package blocking

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

func fixed(ctx context.Context) error {
	if err := asyncio.Sleep(ctx, time.Second); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // want `time.Sleep blocks`
	return nil
}

func notFixed(ctx context.Context) (int, error) {
	time.Sleep(time.Second) // want `time.Sleep blocks`
	return 0, asyncio.Sleep(ctx, time.Second)
}

func notFixedInADefer(ctx context.Context) error {
	defer time.Sleep(time.Second) // want `time.Sleep blocks`
	return asyncio.Sleep(ctx, time.Second)
}

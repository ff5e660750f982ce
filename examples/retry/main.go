// Command retry calls something that fails at first, again and again, after pauses
// that grow. Each attempt has a time limit, and an error that no attempt can mend
// ends it at once. It runs on the virtual clock, so it takes no time.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"time"

	"github.com/asyncio-go/asyncio"
)

// errPermanent is wrapped by errors that another attempt would not mend.
var errPermanent = errors.New("permanent")

// A policy says how often, and after which pauses.
type policy struct {
	attempts int
	limit    time.Duration // of one attempt
	first    time.Duration // the first pause; each one is twice as long
	longest  time.Duration
}

// retry calls f until it succeeds. A pause is drawn between half of it and all of it,
// so that many clients of a server that was away do not come back in step.
func retry[T any](ctx context.Context, p policy, f func(context.Context) (T, error)) (v T, err error) {
	pause := p.first
	for attempt := 1; ; attempt++ {
		err = asyncio.Timeout(ctx, p.limit, func(ctx context.Context) error {
			v, err = f(ctx)
			return err
		})
		switch {
		case err == nil:
			return v, nil
		case asyncio.IsCancelled(err), errors.Is(err, errPermanent):
			return v, err // a cancellation is an order to end, and no failure
		case attempt == p.attempts:
			return v, fmt.Errorf("%d attempts: %w", attempt, err)
		}
		drawn := pause/2 + rand.N(pause/2)
		fmt.Printf("attempt %d: %v\n", attempt, err)
		if err := asyncio.Sleep(ctx, drawn); err != nil {
			return v, err
		}
		pause = min(2*pause, p.longest)
	}
}

func main() {
	if err := asyncio.Run(context.Background(), run, asyncio.WithVirtualClock()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	p := policy{attempts: 5, limit: 10 * time.Second, first: time.Second, longest: 30 * time.Second}
	calls := 0
	page, err := retry(ctx, p, func(ctx context.Context) (string, error) {
		switch calls++; calls {
		case 1:
			return "", errors.New("connection refused")
		case 2:
			return "", asyncio.Sleep(ctx, time.Hour) // the time limit ends it
		case 3:
			return "", errors.New("try again later")
		}
		return "a page", nil
	})
	fmt.Println("at last:", page, err)

	_, err = retry(ctx, p, func(context.Context) (string, error) {
		return "", fmt.Errorf("no such page: %w", errPermanent)
	})
	fmt.Println("at once:", err)

	p.attempts = 2
	_, err = retry(ctx, p, func(context.Context) (string, error) {
		return "", errors.New("connection refused")
	})
	fmt.Println("never:", err)
	return nil
}

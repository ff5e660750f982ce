package asyncio_test

import (
	"context"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// plenty is a connection that always has more to read.
type plenty struct{ driver.Conn }

func (plenty) Start(driver.Handler) error { return nil }
func (plenty) Read(p []byte) (int, error) { return len(p), nil }
func (plenty) Close() error               { return nil }

func TestAReaderThatNeverHasToWaitLetsOthersRun(t *testing.T) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		s, err := asyncio.NewStreamOn(loop, plenty{})
		if err != nil {
			return err
		}
		defer s.Abort()
		turns := 0
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
				turns++
			}
		})
		buf := make([]byte, 64<<10)
		for range 10 << 20 / len(buf) {
			if _, err := s.Read(buf); err != nil {
				return err
			}
		}
		other.Cancel()
		if turns < 10 {
			t.Errorf("another task ran %d times while ten megabytes were read", turns)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

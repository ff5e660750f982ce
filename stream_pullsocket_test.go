package asyncio_test

import (
	"context"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/driver"
)

// plenty is a connection that always has more to read, and takes everything.
type plenty struct{ driver.Conn }

func (plenty) Start(driver.Handler) error  { return nil }
func (plenty) Read(p []byte) (int, error)  { return len(p), nil }
func (plenty) Write(p []byte) (int, error) { return len(p), nil }
func (plenty) Close() error                { return nil }

func TestAReaderThatNeverHasToWaitLetsOthersRun(t *testing.T) {
	letsOthersRun(t, func(s *asyncio.Stream, buf []byte) error {
		_, err := s.Read(buf)
		return err
	})
}

func TestAWriterThatNeverHasToWaitLetsOthersRun(t *testing.T) {
	letsOthersRun(t, func(s *asyncio.Stream, buf []byte) error {
		_, err := s.Write(buf)
		return err
	})
}

// letsOthersRun does something with ten megabytes, and looks how often another
// task runs meanwhile.
func letsOthersRun(t *testing.T, do func(s *asyncio.Stream, buf []byte) error) {
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
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
			if err := do(s, buf); err != nil {
				return err
			}
		}
		other.Cancel()
		if turns < 10 {
			t.Errorf("another task ran %d times meanwhile", turns)
		}
		return nil
	}, asyncio.WithVirtualClock())
	if err != nil {
		t.Fatal(err)
	}
}

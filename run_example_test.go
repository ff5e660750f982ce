package asyncio_test

import (
	"context"
	"log"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A program that serves until ^C or SIGTERM, and ends with the exit status that fits.
func ExampleMain() {
	main := func() {
		asyncio.Main(func(ctx context.Context) error {
			srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:8080", echoLines)
			if err != nil {
				return err // printed, and the exit status is 1
			}
			return srv.ServeForever(ctx)
		})
	}
	_ = main
}

func echoLines(ctx context.Context, s *asyncio.Stream) error {
	for line, err := range s.Lines(ctx) {
		if err != nil {
			return err
		}
		if _, err := s.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// A mistake is found while the program runs: after half a second the log says
//
//	asyncio: the loop stands still: Task-1 is blocked in a channel receive at main.go:12
//	(on a loop, wait with WaitDone, WrapChan or a ThreadQueue)
func ExampleWithStallWatch() {
	main := func(ctx context.Context) error {
		//asyncvet:ignore blocking the example is of what this does
		<-ctx.Done() // blocks the goroutine on which everything runs
		return nil
	}
	if err := asyncio.Run(context.Background(), main, asyncio.WithStallWatch(500*time.Millisecond)); err != nil {
		log.Fatal(err)
	}
}

package swallow

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func dropped(ctx context.Context) {
	for {
		asyncio.Sleep(ctx, time.Second) // want `the error of asyncio.Sleep is dropped in a loop without end`
	}
}

func droppedOfAnother(ctx context.Context, s *asyncio.Stream) {
	for {
		wrap.Pause(ctx) // want `the error of wrap.Pause → asyncio.Sleep is dropped`
		wrap.Greet(s)
	}
}

func ignored(ctx context.Context, q *asyncio.Queue[int]) {
	for {
		item, _ := q.Get(ctx) // want `the error of asyncio.Queue.Get is dropped`
		log.Print(item)
	}
}

func logged(ctx context.Context, q *asyncio.Queue[int]) {
	for {
		item, err := q.Get(ctx)
		if err != nil { // want `the error of asyncio.Queue.Get may be a cancellation, and the loop goes on after it`
			log.Print(err)
			continue
		}
		if err := q.Put(ctx, item); err != nil { // want `the error of asyncio.Queue.Put may be a cancellation`
			log.Print(err)
		}
	}
}

func returned(ctx context.Context, q *asyncio.Queue[int]) error {
	for {
		item, err := q.Get(ctx)
		if err != nil {
			return err
		}
		log.Print(item)
	}
}

func looked(ctx context.Context, q *asyncio.Queue[int]) error {
	for {
		if _, err := q.Get(ctx); err != nil {
			if asyncio.IsCancelled(err) {
				return err
			}
			log.Print(err)
		}
	}
}

func lookedForAnother(ctx context.Context, s *asyncio.Stream) {
	for {
		_, err := s.ReadLine(ctx)
		if errors.Is(err, io.EOF) {
			return
		}
	}
}

func withAnEnd(ctx context.Context) {
	for range 3 {
		asyncio.Sleep(ctx, time.Second)
	}
	for ctx.Err() == nil {
		asyncio.Sleep(ctx, time.Second)
	}
}

func keptForLater(ctx context.Context) error {
	var last error
	for {
		if err := asyncio.Sleep(ctx, 1); err != nil {
			last = err
		}
		if last != nil {
			return last
		}
	}
}

func broken(ctx context.Context) {
	for {
		if err := asyncio.Sleep(ctx, 1); err != nil {
			break
		}
	}
}

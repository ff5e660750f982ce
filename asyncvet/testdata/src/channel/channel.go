package channel

import (
	"context"

	"checked/wrap"

	"example.com/other"
	"github.com/asyncio-go/asyncio"
)

func operations(ctx context.Context, c chan int) error {
	c <- 1        // want `a send on a channel blocks the loop; use an asyncio.Queue`
	<-c           // want `a receive from a channel blocks`
	for range c { // want `a range over a channel blocks`
	}
	select { // want `a select blocks`
	case <-c:
	case <-ctx.Done():
	}
	helper(c)       // want `channel.helper → a receive from a channel blocks`
	wrap.Receive(c) // want `wrap.Receive → a receive from a channel blocks`
	other.Receive(c)
	return asyncio.Sleep(ctx, 0)
}

func helper(c chan int) int { return <-c }

func fine(ctx context.Context, c chan int) error {
	select {
	case c <- 1:
	default:
	}
	result := make(chan int, 1)
	result <- 1
	go func() { c <- 1 }()
	_, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return <-c, nil })
	return err
}

func noLoop(c chan int) { <-c }

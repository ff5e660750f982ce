package mutex

import (
	"context"
	"fmt"
	"sync"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) held(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return wrap.Pause(ctx) // want `wrap.Pause → asyncio.Sleep waits while c.mu is locked`
}

func (c *counter) written(s *asyncio.Stream) {
	c.mu.Lock()
	fmt.Fprintln(s, c.n) // want `fmt.Fprintln may wait while c.mu is locked`
	c.mu.Unlock()
}

func (c *counter) inABranch(ctx context.Context, rw *sync.RWMutex) error {
	rw.RLock()
	if c.n > 0 {
		if err := asyncio.Sleep(ctx, 1); err != nil { // want `asyncio.Sleep waits while rw is locked`
			rw.RUnlock()
			return err
		}
	}
	rw.RUnlock()
	return asyncio.Sleep(ctx, 1)
}

func (c *counter) inALoop(ctx context.Context) {
	for range 3 {
		c.mu.Lock()
		asyncio.Sleep(ctx, 1) // want `waits while c.mu is locked`
		c.mu.Unlock()
	}
}

func (c *counter) released(ctx context.Context) error {
	c.mu.Lock()
	c.n++
	c.mu.Unlock()
	return asyncio.Sleep(ctx, 1)
}

func (c *counter) releasedOnOneWay(ctx context.Context) error {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return asyncio.Sleep(ctx, 1)
	}
	c.mu.Unlock()
	switch {
	case c.n > 1:
		c.mu.Lock()
		c.n--
		c.mu.Unlock()
	}
	return asyncio.Sleep(ctx, 1)
}

func (c *counter) overAnIterator(ctx context.Context) {
	c.mu.Lock()
	for range wrap.Ticks(ctx) { // want `wrap.Ticks → wrap.Pause → asyncio.Sleep waits while c.mu is locked`
	}
	c.mu.Unlock()
	for range wrap.Ticks(ctx) {
		c.mu.Lock()
		wrap.Anywhere(ctx, 1)
		c.mu.Unlock()
	}
}

func (c *counter) inATaskOfItsOwn(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, 1) })
}

func loopsLock(ctx context.Context, l *asyncio.Lock) error {
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	return asyncio.Sleep(ctx, 1)
}

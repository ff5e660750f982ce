package callback

import (
	"context"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
)

func callbacks(ctx context.Context, loop *asyncio.Loop, q *asyncio.Queue[int]) {
	loop.CallSoon(func() {
		q.Put(ctx, 1)                // want `asyncio.Queue.Put waits, and in a callback \(of asyncio.Loop.CallSoon\) there is no task that could: it returns ErrNotInTask`
		func() { wrap.Pause(ctx) }() // want `wrap.Pause → asyncio.Sleep waits`
	})
	wrap.Later(loop, onTimer(ctx))
}

func tasks(ctx context.Context, loop *asyncio.Loop, q *asyncio.Queue[int], task *asyncio.Task[int]) {
	task.AddDoneCallback(func() { q.PutNowait(1) })
	wrap.Spawn(ctx, func(ctx context.Context) error { return q.Put(ctx, 1) })
	loop.CallSoon(func() {
		asyncio.CreateTaskOn(loop, func(ctx context.Context) (int, error) { return 0, q.Put(ctx, 1) })
	})
	q.Put(ctx, 1)
}

func onTimer(ctx context.Context) func() {
	return func() {
		wrap.Pause(ctx) // want `wrap.Pause → asyncio.Sleep waits, and in a callback \(of wrap.Later\)`
	}
}

type proto struct {
	asyncio.BaseProtocol
	ctx context.Context
	s   *asyncio.Stream
}

func (p *proto) DataReceived(data []byte) {
	wrap.Pause(p.ctx) // want `waits, and in a callback \(of an asyncio.Protocol\)`
	p.s.Write(data)   // is queued
}

func (p *proto) notOfTheProtocol() { wrap.Pause(p.ctx) }

package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

// flushTime bounds how long the end of a connection waits for the network.
const flushTime = 2 * time.Second

// connect connects to NATS on a thread, and has prepare called there.
func connect(ctx context.Context, url, name string, log *slog.Logger, prepare func(*nats.Conn) error) (*nats.Conn, error) {
	return asyncio.ToThread(ctx, func(ctx context.Context) (*nats.Conn, error) {
		nc, err := natslink.Connect(url, name, log)
		if err != nil {
			return nil, err
		}
		if err = prepare(nc); err == nil {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			err = nc.FlushWithContext(ctx)
		}
		if err == nil {
			err = ctx.Err() // nobody may wait for it any more
		}
		if err != nil {
			nc.Close()
			return nil, err
		}
		return nc, nil
	})
}

// subscribe brings the messages of subjects to an inbox.
func subscribe(nc *nats.Conn, in *natslink.Inbox[*nats.Msg], subjects ...string) error {
	for _, subject := range subjects {
		sub, err := nc.Subscribe(subject, in.Put)
		if err == nil {
			// What comes is bounded by what was asked for.
			err = sub.SetPendingLimits(-1, -1)
		}
		if err != nil {
			return fmt.Errorf("listen to %s: %w", subject, err)
		}
	}
	return nil
}

// disconnect sends what is to be sent still, and closes the connection. It suspends
// the running task, and is not cut off: what stays would be a leak.
func disconnect(ctx context.Context, loop *asyncio.Loop, nc *nats.Conn, out *natslink.Outbox[nats.Msg]) error {
	out.Close()
	done := asyncio.WrapFuture(loop, func(context.Context) (struct{}, error) {
		out.Wait()
		_ = nc.FlushTimeout(flushTime)
		nc.Close()
		return struct{}{}, nil
	})
	var err error
	for !done.Done() {
		if _, e := asyncio.Shield(context.WithoutCancel(ctx), done); e != nil {
			if err == nil {
				err = e
			}
			if errors.Is(e, asyncio.ErrLoopClosed) {
				break
			}
		}
	}
	return err
}

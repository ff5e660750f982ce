package asyncio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// A server that serves nobody has nobody to wait for.
func TestServeWithNobodyLeftDoesNotWaitForItsGrace(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		srv := serve(t, ctx, echo)
		until, end := context.WithCancel(ctx)
		loopOf(ctx).CallSoon(end)
		if err := srv.Serve(until, time.Hour); err != nil {
			t.Errorf("Serve gave %v", err)
		}
	})
}

func TestASharedPacketConnTellsWhoHasSent(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		pc, err := asyncio.OpenPacketConn(ctx, "udp", asyncio.WithLocalAddr("127.0.0.1:0"))
		if err != nil {
			t.Fatal(err)
		}
		shared := pc.Shared()
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			if n, err := shared.WriteTo([]byte("hello"), shared.LocalAddr()); n != 5 || err != nil {
				t.Errorf("WriteTo gave %d, %v", n, err)
			}
			n, from, err := shared.ReadFrom(make([]byte, 10))
			if n != 5 || from == nil || from.String() != shared.LocalAddr().String() {
				t.Errorf("ReadFrom gave %d from %v, %v", n, from, err)
			}
			return n, err
		})
		if err := errors.Join(err, pc.Close()); err != nil {
			t.Error(err)
		}
	})
}

func TestSendfileOutsideATaskSendsNothing(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		f := fileOf(t, pattern(10))
		//asyncvet:ignore background it is refused, which is what is tested
		if n, err := loopOf(ctx).Sendfile(context.Background(), nil, f, 0, -1); n != 0 || err == nil {
			t.Errorf("Sendfile gave %d, %v", n, err)
		}
		if n, err := loopOf(ctx).Sendfile(ctx, nil, f, 0, -1); n != 0 || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("on no transport Sendfile gave %d, %v", n, err)
		}
	})
}

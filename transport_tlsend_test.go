package asyncio_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/asyncio-go/asyncio"
)

func TestStartTLSAfterThePeersEndIsAnError(t *testing.T) {
	onVirtualClock(t, func(t *testing.T, ctx context.Context) {
		w, r := &wire{room: 1 << 20}, &recorder{keepOpen: true}
		if err := asyncio.NewTransportOn(loopOf(ctx), w, r); err != nil {
			t.Fatal(err)
		}
		r.untilCall(ctx, "made")
		w.finish(io.EOF)
		r.untilCall(ctx, "eof")
		tr, err := loopOf(ctx).StartTLS(ctx, r.transport, serverTLS(), true)
		if tr != nil || !errors.Is(err, io.ErrUnexpectedEOF) || r.transport.ConnectionState() != nil {
			t.Errorf("StartTLS gave %v, %v", tr, err)
		}
		if n, err := r.transport.Write([]byte("x")); n != 1 || err != nil || string(w.out) != "x" {
			t.Errorf("the transport is not as it was: Write gave %d, %v, sent %q", n, err, w.out)
		}
		r.transport.Close()
		r.untilCall(ctx, "lost")
	})
}

// Whoever closes reads on until the peer's end, however many records are before that.
func TestACloseOverTLSReadsAllRecordsBeforeThePeersEnd(t *testing.T) {
	const records = 50
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		ln := must(net.Listen("tcp", "127.0.0.1:0"))
		defer ln.Close()
		sent := make(chan struct{})
		peer := asyncio.RunInExecutor(loopOf(ctx), nil, func(context.Context) (int, error) {
			nc, err := ln.Accept()
			if err != nil {
				return 0, err
			}
			defer nc.Close()
			c := tls.Server(nc, serverTLS())
			for range records {
				if _, err := c.Write([]byte("record")); err != nil {
					return 0, err
				}
			}
			if err := c.CloseWrite(); err != nil {
				return 0, err
			}
			close(sent)
			n, err := c.Read(make([]byte, 1))
			if err == io.EOF {
				err = nil
			}
			return n, err
		})
		r := &recorder{}
		r.on = map[string]func(){"made": func() { r.transport.PauseReading() }}
		tr := join(t, ctx, ln.Addr(), r, asyncio.WithTLS(clientTLS()))
		if err := inThread(t, ctx, func() error { <-sent; return nil }); err != nil {
			t.Fatal(err)
		}
		tr.Close()
		r.untilCall(ctx, "lost")
		if r.lost != nil || len(r.data) > 0 {
			t.Errorf("lost with %v, received %q", r.lost, r.data)
		}
		if _, err := peer.Await(ctx); err != nil {
			t.Error(err)
		}
	})
}

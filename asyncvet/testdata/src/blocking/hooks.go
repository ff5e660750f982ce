package blocking

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/flow"
)

// Functions that fields are set to run where the field says.

func hooks(ctx context.Context) error {
	srv := &asynchttp.Server{ConnState: func(net.Conn, http.ConnState) {
		time.Sleep(1) // want `time.Sleep blocks`
	}}
	srv.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		time.Sleep(1) // want `time.Sleep blocks`
		return ctx
	}
	srv.RegisterOnShutdown(func() {
		time.Sleep(1) // want `time.Sleep blocks`
	})
	return flow.Retry(ctx, flow.Retries{If: func(error) bool {
		time.Sleep(1) // want `time.Sleep blocks`
		return true
	}}, func(context.Context) error { return nil })
}

func hooksElsewhere(ctx context.Context) (int, error) {
	_ = &asynchttp.AccessLog{OnTrouble: func(error) { time.Sleep(1) }}
	_ = &http.Server{ConnState: func(net.Conn, http.ConnState) { time.Sleep(1) }}
	return asyncfile.Do(ctx, func(context.Context) (int, error) { time.Sleep(1); return 0, nil })
}

// What serves requests, and what sends them.

func ownClient(ctx context.Context) (*http.Response, error) {
	c, err := asynchttp.DefaultClient(ctx)
	if err != nil {
		return nil, err
	}
	time.Sleep(1) // want `time.Sleep blocks`
	return c.Get("http://localhost/")
}

func patientClient() {
	patient := &http.Client{Transport: new(asynchttp.Retrier)}
	time.Sleep(1) // want `time.Sleep blocks`
	patient.Get("http://localhost/")
}

// What a field of the program's own is set to runs where it is called.

type observed struct{ seen, heard func() }

func observes(ctx context.Context, o *observed) error {
	o.seen = func() { time.Sleep(1) }
	o.heard = func() {
		time.Sleep(1) // want `time.Sleep blocks`
	}
	return asyncio.Sleep(ctx, 0)
}

func (o *observed) see() { o.seen() } // it is not known where that is

func (o *observed) hear(ctx context.Context) error {
	o.heard()
	return asyncio.Sleep(ctx, 0)
}

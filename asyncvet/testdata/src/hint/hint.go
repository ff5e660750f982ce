package hint

import (
	"context"
	"crypto/tls"
	"net/http"
	"time"

	"checked/wrap"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func twoTasks(ctx context.Context, s *asyncio.Stream, cfg *tls.Config) {
	conn := tls.Client(s.Conn(), cfg) // want `two tasks use conn, a tls.Client over a stream`
	asyncio.Go(ctx, func(context.Context) error { _, err := conn.Read(nil); return err })
	conn.Write(nil)
}

func oneTask(s *asyncio.Stream, cfg *tls.Config) {
	conn := tls.Client(s.Conn(), cfg)
	conn.Read(nil)
	conn.Write(nil)
}

func served(ctx context.Context, h http.Handler) error {
	limited := http.TimeoutHandler(h, time.Second, "too late") // want `http.TimeoutHandler serves a loop's requests and runs the handler on a goroutine of its own`
	srv := &asynchttp.Server{Handler: limited}
	return srv.Serve(ctx, "tcp", ":0")
}

func servedByAnother(ctx context.Context, h http.Handler) error {
	return wrap.Serve(ctx, http.TimeoutHandler(h, time.Second, "")) // want `http.TimeoutHandler serves a loop's requests`
}

func servedByNetHTTP(h http.Handler) error {
	return http.ListenAndServe(":0", http.TimeoutHandler(h, time.Second, ""))
}

func broadcast(ctx context.Context, all []*asyncio.Stream, data []byte) error {
	for _, s := range all {
		s.Write(data) // want `asyncio.StreamWriter.Write to one stream after another: the slowest reader holds up the others`
	}
	for _, s := range all {
		wrap.Greet(s) // want `wrap.Greet to one stream after another`
	}
	for range all {
		all[0].Write(data)
	}
	return asyncio.Sleep(ctx, 1)
}

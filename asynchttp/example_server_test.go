package asynchttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A handler that waits holds nobody up. When its client goes away, its wait ends.
func ExampleServer() {
	srv := &asynchttp.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := asyncio.Sleep(r.Context(), time.Millisecond); err != nil {
				return
			}
			fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
		}),
		ReadHeaderTimeout: 5 * time.Second,
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		text, err := page(ctx, &http.Client{Transport: tr}, "http://"+addr.String()+"/hello")
		fmt.Println(text)
		if err != nil {
			return err
		}
		return srv.Shutdown(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: GET /hello
}

// Serve serves until the server is shut down. Here a handler asks for that.
func ExampleServer_Serve() {
	mux := http.NewServeMux()
	srv := &asynchttp.Server{Handler: mux}
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		// Shutdown waits for this very handler, so it has a task of its own.
		asyncio.Go(r.Context(), srv.Shutdown)
	})
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		serving := asyncio.Go(ctx, func(ctx context.Context) error { return srv.Serve(ctx, "tcp", "127.0.0.1:0") })
		if err := asyncio.Sleep(ctx, 0); err != nil { // until it has started
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+srv.Addr().String()+"/stop", nil)
		if err != nil {
			return err
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		_, err = serving.Await(ctx)
		fmt.Println(resp.Status, err)
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: 200 OK http: Server closed
}

// Each Flush sends what was written, and the client reads it at once.
func ExampleServer_streaming() {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				return // the client has gone
			}
			if err := asyncio.Sleep(r.Context(), time.Millisecond); err != nil {
				return
			}
		}
	})}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String(), nil)
		if err != nil {
			return err
		}
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if event, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				fmt.Println(event)
			}
		}
		return srv.Shutdown(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output:
	// 0
	// 1
	// 2
}

// A handler takes the connection over and speaks a protocol of its own.
func ExampleServer_hijack() {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		if rw.Flush() != nil {
			return
		}
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(conn, "you said %s", line)
	})}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr.String(), nil)
		if err != nil {
			return err
		}
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := tr.RoundTrip(req)
		if err != nil {
			return err
		}
		conn := resp.Body.(io.ReadWriteCloser) // after 101 it can be written, too
		defer conn.Close()
		if _, err := io.WriteString(conn, "hello\n"); err != nil {
			return err
		}
		answer, err := io.ReadAll(conn)
		fmt.Printf("%s", answer)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: you said hello
}

// A reverse proxy needs a Transport of this package: with the default one it
// would block the loop.
func ExampleTransport_reverseProxy() {
	behind := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Header.Get("X-Forwarded-For"))
	})}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		inner, err := behind.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{}
		defer tr.Close()
		target := &url.URL{Scheme: "http", Host: inner.String()}
		front := &asynchttp.Server{Handler: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.SetXForwarded()
			},
			Transport: tr,
		}}
		outer, err := front.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		text, err := page(ctx, &http.Client{Transport: tr}, "http://"+outer.String()+"/hello")
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: /hello for 127.0.0.1
}

// An http.Client works over a Transport as it is, in a coroutine. A time limit
// costs least as a scope.
func ExampleTransport() {
	slow := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = asyncio.Sleep(r.Context(), time.Hour)
	})}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		addr, err := slow.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{MaxConnsPerHost: 10}
		defer tr.Close()
		client := &http.Client{Transport: tr}
		err = asyncio.Timeout(ctx, 10*time.Millisecond, func(ctx context.Context) error {
			_, err := page(ctx, client, "http://"+addr.String())
			return err
		})
		fmt.Println(err)
		return slow.Shutdown(ctx) // the handler has ended: its client has gone away
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output: asyncio: timed out
}

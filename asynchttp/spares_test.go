package asynchttp

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Requests one after another need one buffer of each kind, whatever they are.
func TestOneBufferIsEnoughForRequestsOneAfterAnother(t *testing.T) {
	srv := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		case "/large":
			io.WriteString(w, strings.Repeat("x", 50_000))
		case "/pieces":
			for range 3 {
				io.WriteString(w, "piece")
				w.(http.Flusher).Flush()
			}
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, "packed")
			z.Close()
			return
		}
		w.Write(b)
	})}
	tr := &Transport{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := asyncio.Run(ctx, func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		for range 2 {
			for _, path := range []string{"/", "/early", "/large", "/pieces", "/gzip"} {
				for _, body := range []io.Reader{nil, strings.NewReader("body"), io.MultiReader(strings.NewReader("body"))} {
					req, err := http.NewRequestWithContext(ctx, "PUT", "http://"+addr.String()+path, body)
					if err != nil {
						return err
					}
					resp, err := tr.RoundTrip(req)
					if err != nil {
						return err
					}
					if _, err := io.Copy(io.Discard, resp.Body); err != nil {
						return err
					}
					if err := resp.Body.Close(); err != nil {
						return err
					}
					for range 3 { // the server is done, too
						if err := asyncio.Sleep(ctx, 0); err != nil {
							return err
						}
					}
					if all, idle := tr.pool.all.Len(), tr.pool.idle.Len(); all != 1 || idle != 1 {
						t.Errorf("%s: %d connections, %d idle", path, all, idle)
					}
					if n := len(tr.wires.free); n != 1 {
						t.Errorf("%s: the client has %d buffers to write from", path, n)
					}
					if n := len(tr.readers); n != 1 {
						t.Errorf("%s: the client has %d readers", path, n)
					}
				}
			}
		}
		if n := len(tr.unzippers); n != 1 {
			t.Errorf("the client has %d unpackers", n)
		}
		if n := len(srv.wires.free); n != 1 {
			t.Errorf("the server has %d buffers to write from", n)
		}
		if n := len(srv.readers); n != 1 {
			t.Errorf("the server has %d readers", n)
		}
		tr.Close()
		return errors.Join(srv.Shutdown(ctx))
	})
	if err != nil {
		t.Fatal(err)
	}
}

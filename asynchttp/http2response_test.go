package asynchttp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// overHTTP2 runs f with a client of HTTP/2 and the URL of a server with h.
func overHTTP2(t *testing.T, h http.HandlerFunc, f func(ctx context.Context, c *http.Client, url string) error) {
	onEveryDriver(t, func(t *testing.T) {
		run(t, func(ctx context.Context) error {
			srv := handle(h)
			addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			tr := &asynchttp.Transport{Protocols: plainOnly}
			err = f(ctx, &http.Client{Transport: tr}, "http://"+addr.String())
			return errors.Join(err, tr.Close(), srv.Shutdown(ctx))
		})
	})
}

// A file is read in the executor, piece by piece, and others are served meanwhile.
func TestAFileIsServedWholeOverHTTP2(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	name := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(io.ReaderFrom); !ok {
			t.Error("the ResponseWriter is no io.ReaderFrom")
		}
		http.ServeFile(w, r, name)
	}, func(ctx context.Context, c *http.Client, url string) error {
		for _, part := range []struct {
			header string
			want   []byte
		}{{"", data}, {"bytes=70000-", data[70_000:]}, {"bytes=5-200004", data[5:200_005]}} {
			req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
			if err != nil {
				return err
			}
			if part.header != "" {
				req.Header.Set("Range", part.header)
			}
			resp, err := c.Do(req)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(resp.Body)
			if sha256.Sum256(got) != sha256.Sum256(part.want) || resp.ContentLength != int64(len(part.want)) || err != nil {
				t.Errorf("%q: %d of %d bytes, announced %d, %v", part.header, len(got), len(part.want), resp.ContentLength, err)
			}
			if got := resp.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
				t.Error("it is", got)
			}
		}
		return nil
	})
}

// A file that shrinks while it is sent must not look whole.
func TestAFileThatShrinksEndsTheStreamOfHTTP2(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		if err := f.Truncate(5 << 20); err != nil {
			t.Error(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Error(err)
		}
		shrink := asyncio.Go(r.Context(), func(ctx context.Context) error { return f.Truncate(1 << 20) })
		_, err := w.(io.ReaderFrom).ReadFrom(f)
		shrink.Cancel()
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error("ReadFrom returned", err)
		}
	}, func(ctx context.Context, c *http.Client, url string) error {
		_, err := get(ctx, c, url)
		if err == nil {
			t.Error("the response looks whole")
		}
		return nil
	})
}

func TestCloseNotifyTellsOfAStreamThatIsReset(t *testing.T) {
	told := make(chan bool, 1)
	begun := make(chan struct{}, 1)
	overHTTP2(t, func(w http.ResponseWriter, r *http.Request) {
		//lint:ignore SA1019 old code asks for it
		gone := w.(http.CloseNotifier).CloseNotify()
		begun <- struct{}{}
		_ = asyncio.Sleep(r.Context(), time.Minute) // it is cancelled
		select {
		case <-gone:
			told <- true
		default:
			told <- false
		}
	}, func(ctx context.Context, c *http.Client, url string) error {
		task := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := get(ctx, c, url)
			return err
		})
		if _, err := asyncio.WrapChan(task.Loop(), begun).Await(ctx); err != nil {
			return err
		}
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			return err
		}
		ok, err := asyncio.ToThread(ctx, func(context.Context) (bool, error) { return <-told, nil })
		if !ok {
			t.Error("the handler was not told that its client has gone")
		}
		return err
	})
}

// Two tasks of a handler may write: what one has held back is not lost while the
// other waits for the client.
func TestTwoTasksOfAHandlerMayWrite(t *testing.T) {
	big := bytes.Repeat([]byte{'b'}, 3<<20)
	for name, protocols := range map[string]*http.Protocols{"HTTP/1": http1Only, "HTTP/2": plainOnly} {
		t.Run(name, func(t *testing.T) {
			run(t, func(ctx context.Context) error {
				srv := handle(func(w http.ResponseWriter, r *http.Request) {
					err := asyncio.Group(r.Context(), func(ctx context.Context, g *asyncio.TaskGroup) error {
						g.Go(func(context.Context) error { _, err := w.Write(big); return err })
						g.Go(func(ctx context.Context) error {
							if err := asyncio.Sleep(ctx, 0); err != nil {
								return err
							}
							_, err := io.WriteString(w, "small")
							return err
						})
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				})
				addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				tr := &asynchttp.Transport{Protocols: protocols}
				body, err := get(ctx, &http.Client{Transport: tr}, "http://"+addr.String())
				if len(body) != len(big)+5 || !bytes.Contains([]byte(body), []byte("small")) {
					t.Errorf("%d bytes came", len(body))
				}
				return errors.Join(err, tr.Close(), srv.Shutdown(ctx))
			})
		})
	}
}

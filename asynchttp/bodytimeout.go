package asynchttp

import (
	"io"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
	"github.com/asyncio-go/asyncio/internal/coro"
)

// A timedBody is the body of a response of which something must come now and then.
type timedBody struct {
	io.ReadCloser
	t      *Transport
	within time.Duration
	alarm  alarm.Alarm
	late   bool
}

// limitBody bounds the waits for the body of resp.
func (t *Transport) limitBody(resp *http.Response) {
	within := t.BodyTimeout
	if within <= 0 || resp.Body == http.NoBody || resp.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	b := &timedBody{ReadCloser: resp.Body, t: t, within: within}
	b.alarm = alarm.New(t.loop, func() {
		b.late = true
		_ = b.ReadCloser.Close() // the Read ends
	})
	resp.Body = b
}

// Read implements [io.Reader].
func (b *timedBody) Read(p []byte) (int, error) {
	if !coro.OnMarkedGoroutine() {
		return b.ReadCloser.Read(p) // which returns an error
	}
	b.alarm.Set(b.within)
	n, err := b.ReadCloser.Read(p)
	b.alarm.Stop()
	if err != nil {
		b.alarm.End()
		if b.late {
			err = &TimeoutError{"response body"}
		}
	}
	return n, err
}

// WriteTo implements [io.WriterTo], for [io.Copy].
func (b *timedBody) WriteTo(w io.Writer) (int64, error) {
	if !coro.OnMarkedGoroutine() {
		_, err := b.ReadCloser.Read(nil)
		return 0, err
	}
	buf := b.t.copies.Get()
	defer b.t.copies.Put(buf)
	return io.CopyBuffer(w, struct{ io.Reader }{b}, buf)
}

// Close implements [io.Closer].
func (b *timedBody) Close() error {
	if coro.OnMarkedGoroutine() {
		b.alarm.End()
	}
	return b.ReadCloser.Close()
}

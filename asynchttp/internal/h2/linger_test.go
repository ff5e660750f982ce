package h2_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// unfinished sends the header of a request whose body is to come, and reads until
// the response has ended.
func unfinished(addr string) (net.Conn, *http2.Framer, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, nil, err
	}
	fr := http2.NewFramer(c, c)
	_, _ = io.WriteString(c, http2.ClientPreface) // an error comes again
	_ = fr.WriteSettings()
	a := new(attacker)
	a.enc = hpack.NewEncoder(&a.head)
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: a.block("POST", "/")})
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return c, fr, err
		}
		if f.Header().StreamID == 1 && f.Header().Flags.Has(http2.FlagDataEndStream) {
			return c, fr, nil
		}
	}
}

// verdict returns the first that comes of stream 1, or "none" if a PING is answered
// before.
func verdict(fr *http2.Framer) (string, error) {
	if err := fr.WritePing(false, [8]byte{1}); err != nil {
		return "", err
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return "", err
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			return f.ErrCode.String(), nil
		case *http2.PingFrame:
			if f.IsAck() {
				return "none", nil
			}
		}
	}
}

// A request whose response comes first is not reset at once: mostly its end is on
// its way, and what a client does wrong on it is told by its name.
func TestARequestThatIsAnsweredBeforeItsEndMayStillEnd(t *testing.T) {
	zeros := make([]byte, 16<<10)
	for name, test := range map[string]struct {
		do   func(fr *http2.Framer) error
		want string
	}{
		"the end comes":           {func(fr *http2.Framer) error { return fr.WriteData(1, true, []byte("end")) }, "none"},
		"the client resets":       {func(fr *http2.Framer) error { return fr.WriteRSTStream(1, http2.ErrCodeCancel) }, "none"},
		"the window is too large": {func(fr *http2.Framer) error { return fr.WriteWindowUpdate(1, 1<<31-1) }, "FLOW_CONTROL_ERROR"},
		"much comes": {func(fr *http2.Framer) error {
			for range 5 {
				if err := fr.WriteData(1, false, zeros); err != nil {
					return err
				}
			}
			return nil
		}, "NO_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			serving(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "enough") }, func(ctx context.Context, addr string) error {
				return inThread(ctx, func(ctx context.Context) error {
					c, fr, err := unfinished(addr)
					if c != nil {
						defer c.Close()
					}
					if err != nil {
						return err
					}
					if err := test.do(fr); err != nil {
						return err
					}
					got, err := verdict(fr)
					if got != test.want {
						t.Errorf("the server's word on it was %q, want %q", got, test.want)
					}
					return err
				})
			})
		})
	}
}

// A client that sends neither the end nor much else is told after a while.
func TestARequestThatDoesNotEndIsGivenUp(t *testing.T) {
	serving(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "enough") }, func(ctx context.Context, addr string) error {
		return inThread(ctx, func(ctx context.Context) error {
			c, fr, err := unfinished(addr)
			if c != nil {
				defer c.Close()
			}
			for err == nil {
				var f http2.Frame
				if f, err = fr.ReadFrame(); err == nil {
					if f, ok := f.(*http2.RSTStreamFrame); ok && f.ErrCode == http2.ErrCodeNo {
						return nil
					}
				}
			}
			return err
		})
	})
}

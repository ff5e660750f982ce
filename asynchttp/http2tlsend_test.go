package asynchttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A gathering connection sends what is written in one piece, when it is closed.
type gathering struct {
	net.Conn
	hold bool
	buf  bytes.Buffer
}

func (g *gathering) Write(p []byte) (int, error) {
	if g.hold {
		return g.buf.Write(p)
	}
	return g.Conn.Write(p)
}

func (g *gathering) Close() error {
	_ = g.SetWriteDeadline(time.Time{}) // which crypto/tls lets run out after the last
	_, _ = g.Conn.Write(g.buf.Bytes())  // the client tells of what is missing
	_ = g.Conn.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, g.Conn) // or the system would reset it
	return g.Conn.Close()
}

// greet begins HTTP/2 with a client.
func greet(c io.ReadWriter) (*http2.Framer, error) {
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return nil, err
	}
	fr := http2.NewFramer(c, c)
	return fr, fr.WriteSettings()
}

// answerAndLeave answers one request, and ends TLS in the same breath.
func answerAndLeave(raw net.Conn, cfg *tls.Config) error {
	g := &gathering{Conn: raw}
	c := tls.Server(g, cfg)
	defer g.Close()
	fr, err := greet(c)
	if err != nil {
		return err
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return err
		}
		if _, ok := f.(*http2.HeadersFrame); ok {
			break
		}
	}
	g.hold = true
	var head bytes.Buffer
	if err := hpack.NewEncoder(&head).WriteField(hpack.HeaderField{Name: ":status", Value: "200"}); err != nil {
		return err
	}
	for _, write := range []func() error{
		func() error {
			return fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: head.Bytes()})
		},
		func() error { return fr.WriteData(1, true, []byte("the last word")) },
		c.CloseWrite,
	} {
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// Over TLS the end of the connection may be read together with the last bytes, and
// those count.
func TestAResponseThatComesWithTheEndOfTLSIsWhole(t *testing.T) {
	s := h2Server(t, nil) // for its certificate
	// Of TLS 1.3 nobody sees from outside that a record is the end.
	cfg := &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		raw, err := l.Accept()
		if err == nil {
			err = answerAndLeave(raw, cfg)
		}
		served <- err
	}()
	tr := &asynchttp.Transport{TLSClientConfig: trusting(s)}
	withClient(t, tr, func(ctx context.Context, c *http.Client) error {
		body, err := get(ctx, c, "https://"+l.Addr().String())
		if body != "the last word" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		_, err = asyncio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, <-served })
		return err
	})
}

package h2

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
)

// A deadWire takes everything and gives nothing.
type deadWire struct{ written int }

func (w *deadWire) Read([]byte) (int, error)              { return 0, io.EOF }
func (w *deadWire) Write(p []byte) (int, error)           { w.written += len(p); return len(p), nil }
func (w *deadWire) Close() error                          { return nil }
func (w *deadWire) Abort()                                {}
func (w *deadWire) Conn() net.Conn                        { return deadConn{} }
func (w *deadWire) ConnectionState() *tls.ConnectionState { return nil }
func (w *deadWire) Drain(context.Context) error           { return nil }
func (w *deadWire) LocalAddr() net.Addr                   { return &net.TCPAddr{} }
func (w *deadWire) RemoteAddr() net.Addr                  { return &net.TCPAddr{} }
func (w *deadWire) SetWriteBufferLimits(int, int)         {}
func (w *deadWire) WaitClosed(context.Context) error      { return nil }
func (w *deadWire) WriteBufferSize() int                  { return 0 }
func (w *deadWire) WriteEOF() error                       { return nil }

type deadConn struct{ net.Conn }

func (deadConn) SetReadDeadline(time.Time) error { return nil }

// seed is what a client might send.
func seed(f func(fr *http2.Framer, block []byte)) []byte {
	var out, head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, x := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/"}, {"cookie", "a"}} {
		_ = enc.WriteField(hpack.HeaderField{Name: x[0], Value: x[1]})
	}
	fr := http2.NewFramer(&out, nil)
	fr.AllowIllegalWrites = true
	_ = fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	f(fr, head.Bytes())
	return out.Bytes()
}

// FuzzFrames feeds a server's connection any bytes, in pieces of any size. It
// must not panic, its books must balance, and the size of the pieces must make
// no difference.
func FuzzFrames(f *testing.F) {
	f.Add(seed(func(fr *http2.Framer, b []byte) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b, EndHeaders: true})
		_ = fr.WriteData(1, false, []byte("data"))
		_ = fr.WriteDataPadded(1, true, []byte("data"), make([]byte, 5))
	}), uint8(3))
	f.Add(seed(func(fr *http2.Framer, b []byte) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:3], EndStream: true, PadLength: 3})
		_ = fr.WriteContinuation(1, true, b[3:])
		_ = fr.WriteWindowUpdate(1, 5)
		_ = fr.WriteWindowUpdate(0, 5)
		_ = fr.WriteRSTStream(1, http2.ErrCodeCancel)
	}), uint8(200))
	f.Add(seed(func(fr *http2.Framer, b []byte) {
		_ = fr.WritePing(false, [8]byte{1})
		_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		_ = fr.WritePriority(3, http2.PriorityParam{StreamDep: 3})
		_ = fr.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x01u=1"))
		_ = fr.WriteSettingsAck()
	}), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, piece uint8) {
		whole, sentWhole := feedServer(t, data, len(data))
		pieces, sentPieces := feedServer(t, data, int(piece)+1)
		if whole != pieces || sentWhole != sentPieces {
			t.Fatalf("in one piece: %s, %d bytes sent; in several: %s, %d", whole, sentWhole, pieces, sentPieces)
		}
	})
}

// feedServer returns how the connection has ended, and how much it sent.
func feedServer(t *testing.T, data []byte, piece int) (end string, sent int) {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		w := &deadWire{}
		s := &Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})}
		sc, err := s.NewConn(ctx, w, nil)
		if err != nil {
			return err
		}
		c := &sc.c
		c.received([]byte(http2.ClientPreface))
		for p := data; len(p) > 0; {
			n := min(piece, len(p))
			c.received(p[:n])
			p = p[n:]
			if len(c.part) > frameHeaderSize+frameSize {
				t.Fatal("more is kept than a frame")
			}
		}
		if c.err != nil {
			end = c.err.Error()
		}
		held := int64(0)
		for _, st := range c.streams {
			held += int64(st.body.size)
		}
		if c.err == nil && c.window.left+c.window.owed+held != c.window.size {
			t.Fatalf("the window of %d has %d left, %d owed, and %d bytes are held", c.window.size, c.window.left, c.window.owed, held)
		}
		sent = len(c.out.buf)
		c.lose(io.EOF)
		for c.running > 0 {
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return end, sent
}

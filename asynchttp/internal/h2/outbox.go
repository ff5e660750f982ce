package h2

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp/internal/alarm"
)

// A Wire is what a connection needs of an [asyncio.Stream].
type Wire interface {
	io.ReadWriteCloser
	Abort()
	Conn() net.Conn
	ConnectionState() *tls.ConnectionState
	Drain(ctx context.Context) error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	SetWriteBufferLimits(low, high int)
	WaitClosed(ctx context.Context) error
	WriteBufferSize() int
	WriteEOF() error
}

const (
	// outLimit is how much an outbox gathers of DATA before a stream waits for
	// its turn. It is also how much a connection sends before others run.
	outLimit = 64 << 10

	// unreadLimit is how much may be on its way to a peer before nothing more is
	// read of it. DATA never comes to that much; answers to PINGs or to HEADs
	// may, and there is no other bound for them.
	unreadLimit = 256 << 10

	// stallTime is how long a peer may take nothing at all of what is sent.
	stallTime = time.Minute
)

// An outbox is the way out of a connection. Whoever has something to send adds
// frames to its buffer, without ever waiting; one callback a turn passes that on
// to the socket. Only DATA waits, in the [sender] of its stream, for windows and
// for its turn.
//
// What the socket does not take at once makes the connection clogged: until the
// socket has got rid of it, frames stay in the buffer and DATA with its sender.
type outbox struct {
	loop   *asyncio.Loop
	wire   Wire
	common *common
	lost   func(error) // told when writing fails

	buf       []byte
	flushFn   func()
	scheduled bool
	clogged   bool
	closed    bool          // nothing is sent any more
	free      asyncio.Event // set while so little is unsent that reading may go on

	window sendWindow // of the connection
	queue  sendQueue

	enc   *hpack.Encoder
	block []byte // the header block that is being encoded
	table uint32 // of the encoder
	sent  int    // DATA frames with something in them, since the guard has asked

	stall     alarm.Alarm
	stalledAt int // what was unsent when the stall timer was set
}

func (o *outbox) init(l *asyncio.Loop, w Wire, c *common, lost func(error)) {
	o.loop, o.wire, o.common, o.lost = l, w, c, lost
	o.flushFn = o.flush
	o.window, o.table = defaultWindow, tableSize
	o.stall = alarm.New(l, o.stalled)
	// One byte that is queued clogs: what lies in the outbox need not lie in the
	// socket's queue too.
	w.SetWriteBufferLimits(0, 0)
}

// schedule makes the loop flush in its next turn.
func (o *outbox) schedule() {
	if !o.scheduled && !o.clogged && !o.closed {
		o.scheduled = true
		o.loop.CallSoon(o.flushFn)
	}
}

// flush passes on what there is. It is a callback, in which a stream's Write
// never waits.
func (o *outbox) flush() {
	o.scheduled = false
	if o.closed || o.clogged {
		return
	}
	o.fill()
	if len(o.buf) == 0 {
		return
	}
	buf := o.buf
	o.buf = nil
	_, err := o.wire.Write(buf)
	o.common.outs.Put(buf)
	if err != nil {
		o.lost(err)
		return
	}
	if n := o.wire.WriteBufferSize(); n > 0 {
		o.clogged = true
		o.stalledAt = n
		o.stall.Set(stallTime)
		asyncio.CreateTaskOn(o.loop, o.drain, asyncio.WithName("asynchttp: HTTP/2 drain"))
	} else if o.queue.n > 0 {
		o.schedule()
	}
	o.measure()
}

// drain waits until the socket has got rid of what was given to it.
func (o *outbox) drain(ctx context.Context) (struct{}, error) {
	err := o.wire.Drain(ctx)
	o.clogged = false
	o.stall.Stop()
	if err != nil {
		o.lost(err)
		return struct{}{}, nil
	}
	o.measure()
	o.schedule()
	return struct{}{}, nil
}

// stalled looks whether a peer that took nothing for a while has begun to.
func (o *outbox) stalled() {
	if n := o.wire.WriteBufferSize(); n < o.stalledAt {
		o.stalledAt = n
		o.stall.Set(stallTime)
		return
	}
	o.lost(ErrStalled)
}

// unsent returns how much is on its way out.
func (o *outbox) unsent() int { return len(o.buf) + o.wire.WriteBufferSize() }

// measure sets or clears free.
func (o *outbox) measure() {
	if o.unsent() < unreadLimit {
		o.free.Set()
	} else {
		o.free.Clear()
	}
}

// empty reports whether all was given to the system.
func (o *outbox) empty() bool { return !o.clogged && len(o.buf) == 0 }

// close drops what was not sent. Senders are told by their streams.
func (o *outbox) close() {
	if o.closed {
		return
	}
	o.closed = true
	o.common.outs.Put(o.buf)
	o.buf, o.block = nil, nil
	o.queue = sendQueue{}
	o.stall.End()
	o.free.Set()
}

// fill takes DATA from the senders whose turn it is, while there is room and the
// connection's window is open.
func (o *outbox) fill() {
	for !o.clogged && o.window > 0 && len(o.buf) < outLimit {
		s := o.queue.pop()
		if s == nil {
			return
		}
		s.turn()
	}
}

// grown is called when the connection's window has grown.
func (o *outbox) grown() {
	if o.queue.n > 0 {
		o.schedule()
	}
}

func (o *outbox) frame(n int, kind http2.FrameType, flags http2.Flags, id uint32) {
	if o.buf == nil {
		o.buf = o.common.outs.Get()
	}
	o.buf = append(o.buf, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags))
	o.buf = binary.BigEndian.AppendUint32(o.buf, id)
	o.schedule()
}

// data adds a DATA frame.
func (o *outbox) data(id uint32, p []byte, end bool) {
	if o.closed {
		return
	}
	var flags http2.Flags
	if end {
		flags = http2.FlagDataEndStream
	}
	o.frame(len(p), http2.FrameData, flags, id)
	o.buf = append(o.buf, p...)
	if len(p) > 0 {
		o.sent++
	}
}

// words adds a frame whose payload is numbers.
func (o *outbox) words(kind http2.FrameType, flags http2.Flags, id uint32, words ...uint32) {
	if o.closed {
		return
	}
	o.frame(4*len(words), kind, flags, id)
	for _, w := range words {
		o.buf = binary.BigEndian.AppendUint32(o.buf, w)
	}
}

func (o *outbox) rstStream(id uint32, code http2.ErrCode) {
	o.words(http2.FrameRSTStream, 0, id, uint32(code))
}

func (o *outbox) windowUpdate(id, n uint32) { o.words(http2.FrameWindowUpdate, 0, id, n) }

func (o *outbox) goAway(last uint32, code http2.ErrCode, reason string) {
	if o.closed {
		return
	}
	const most = 256
	reason = reason[:min(len(reason), most)]
	o.frame(8+len(reason), http2.FrameGoAway, 0, 0)
	o.buf = binary.BigEndian.AppendUint32(o.buf, last)
	o.buf = binary.BigEndian.AppendUint32(o.buf, uint32(code))
	o.buf = append(o.buf, reason...)
}

func (o *outbox) ping(ack bool, data [8]byte) {
	if o.closed {
		return
	}
	var flags http2.Flags
	if ack {
		flags = http2.FlagPingAck
	}
	o.frame(len(data), http2.FramePing, flags, 0)
	o.buf = append(o.buf, data[:]...)
}

func (o *outbox) settings(settings ...http2.Setting) {
	if o.closed {
		return
	}
	o.frame(6*len(settings), http2.FrameSettings, 0, 0)
	for _, s := range settings {
		o.buf = binary.BigEndian.AppendUint16(o.buf, uint16(s.ID))
		o.buf = binary.BigEndian.AppendUint32(o.buf, s.Val)
	}
}

func (o *outbox) settingsAck() { o.words(http2.FrameSettings, http2.FlagSettingsAck, 0) }

// field encodes a field of the next header block. Between the first one and
// [outbox.headers] nothing may suspend: the table of hpack must follow the order
// of the wire.
func (o *outbox) field(name, value string) {
	if o.closed {
		return
	}
	if o.enc == nil {
		o.enc = hpack.NewEncoder((*blockWriter)(o))
		if o.table != tableSize {
			o.enc.SetMaxDynamicTableSize(o.table)
		}
	}
	_ = o.enc.WriteField(hpack.HeaderField{Name: name, Value: value}) // a blockWriter takes everything
}

// setTable bounds the encoder's table, as the peer asks.
func (o *outbox) setTable(size uint32) {
	if size != o.table && o.enc != nil {
		o.enc.SetMaxDynamicTableSize(size)
	}
	o.table = size
}

type blockWriter outbox

func (w *blockWriter) Write(p []byte) (int, error) {
	w.block = append(w.block, p...)
	return len(p), nil
}

// headers adds the fields that were encoded as a header block.
func (o *outbox) headers(id uint32, end bool) {
	if o.closed {
		return
	}
	kind, flags := http2.FrameHeaders, http2.Flags(0)
	if end {
		flags = http2.FlagHeadersEndStream
	}
	for p := o.block; ; {
		n := min(len(p), frameSize)
		if n == len(p) {
			flags |= http2.FlagHeadersEndHeaders
		}
		o.frame(n, kind, flags, id)
		o.buf = append(o.buf, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			break
		}
		kind, flags = http2.FrameContinuation, 0
	}
	if cap(o.block) > frameSize {
		o.block = nil
	}
	o.block = o.block[:0]
}

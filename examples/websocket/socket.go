package main

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

const (
	maxMessage = 4 << 10          // bytes of a message
	maxBehind  = 256              // frames that may wait for a slow peer
	pingEvery  = 20 * time.Second // when there is nothing else to send
	silence    = 50 * time.Second // after which the peer has gone
	writeTime  = 10 * time.Second // for one frame
	closeTime  = 3 * time.Second  // for the peer's answer to a Close
)

var (
	errTooLarge = errors.New("the message is too large")
	errBehind   = errors.New("too slow")
)

// A socket is one side of a WebSocket. One task reads it; whatever is sent goes
// through a queue, which another task writes. So only that task waits for a peer
// that reads slowly, and no lock is held meanwhile.
type socket struct {
	conn   net.Conn
	reader *wsutil.Reader
	frames *asyncio.Queue[[]byte]
	behind bool // the queue was full
}

// newSocket makes a socket of a connection, of which src may have read ahead.
func newSocket(conn net.Conn, src io.Reader, side ws.State) *socket {
	s := &socket{conn: conn, frames: asyncio.NewQueue[[]byte](maxBehind)}
	s.reader = &wsutil.Reader{Source: src, State: side, CheckUTF8: true, MaxFrameSize: maxMessage, OnIntermediate: s.control}
	return s
}

// run reads messages and gives them to each until the socket has ended, and
// returns why.
func (s *socket) run(ctx context.Context, each func(message string)) error {
	defer s.conn.Close()
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		writer := g.Go(s.write)
		err := s.read(each)
		writer.Cancel()
		s.bye(err)
		return err
	})
}

func (s *socket) read(each func(message string)) error {
	for {
		if err := s.conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return err
		}
		h, err := s.reader.NextFrame()
		if err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := s.control(h, s.reader); err != nil {
				return err
			}
			continue
		}
		p, err := io.ReadAll(io.LimitReader(s.reader, maxMessage+1))
		switch {
		case err != nil:
			return err
		case len(p) > maxMessage:
			return errTooLarge
		}
		each(string(p))
	}
}

// control answers a control frame; that of a Close is its error.
func (s *socket) control(h ws.Header, payload io.Reader) error {
	p, err := io.ReadAll(payload)
	if err != nil {
		return err
	}
	switch h.OpCode {
	case ws.OpPing:
		s.send(ws.NewPongFrame(p))
	case ws.OpClose:
		code, reason := ws.ParseCloseFrameData(p)
		return wsutil.ClosedError{Code: code, Reason: reason}
	}
	return nil
}

// send gives a frame to the task that writes. It does not wait.
func (s *socket) send(f ws.Frame) {
	if s.reader.State.ClientSide() {
		f = ws.MaskFrame(f)
	}
	s.sendBytes(ws.MustCompileFrame(f))
}

// sendBytes is send for a frame as it is sent, which may be the same for many.
func (s *socket) sendBytes(frame []byte) {
	if s.frames.PutNowait(frame) != nil && !s.behind {
		s.behind = true
		_ = s.conn.SetReadDeadline(time.Now()) // ends read, and with it the rest
	}
}

// write is the task that writes.
func (s *socket) write(ctx context.Context) error {
	for {
		var frame []byte
		idle, err := asyncio.MoveOnAfter(ctx, pingEvery, func(ctx context.Context) (err error) {
			frame, err = s.frames.Get(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if idle {
			s.send(ws.NewPingFrame(nil))
			continue
		}
		if err := s.put(frame, writeTime); err != nil {
			if asyncio.IsCancelled(err) {
				return err
			}
			return nil // it has gone, or is too slow, and its reader notices
		}
	}
}

func (s *socket) put(frame []byte, within time.Duration) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := s.conn.Write(frame)
	return err
}

// bye tells the peer why the socket ends, and waits a little for its answer.
func (s *socket) bye(why error) {
	code, reason := s.code(why)
	if code == 0 {
		return // there is nobody to tell
	}
	f := ws.NewCloseFrame(ws.NewCloseFrameBody(code, reason))
	if s.reader.State.ClientSide() {
		f = ws.MaskFrame(f)
	}
	if s.put(ws.MustCompileFrame(f), closeTime) != nil {
		return
	}
	var closed wsutil.ClosedError
	if errors.As(why, &closed) {
		return // that was the answer
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(closeTime))
	_, _ = io.Copy(io.Discard, s.reader.Source)
}

// code returns the code and the reason of the Close that an end is; zero when
// none can be sent.
func (s *socket) code(why error) (ws.StatusCode, string) {
	var closed wsutil.ClosedError
	var protocol ws.ProtocolError
	switch {
	case s.behind:
		return ws.StatusPolicyViolation, errBehind.Error()
	case errors.As(why, &closed) && closed.Code == ws.StatusNoStatusRcvd:
		return ws.StatusNormalClosure, ""
	case errors.As(why, &closed):
		return closed.Code, closed.Reason
	case errors.Is(why, errTooLarge), errors.Is(why, wsutil.ErrFrameTooLarge):
		return ws.StatusMessageTooBig, errTooLarge.Error()
	case errors.Is(why, wsutil.ErrInvalidUTF8):
		return ws.StatusInvalidFramePayloadData, "the text is not UTF-8"
	case errors.As(why, &protocol):
		return ws.StatusProtocolError, protocol.Error()
	case asyncio.IsCancelled(why):
		return ws.StatusGoingAway, "the server ends"
	}
	return 0, ""
}

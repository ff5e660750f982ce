// Command counter is the counter of the tutorial of Python's websockets (counter.py): all
// pages that are connected show one number, which each of them can change, and how many
// they are.
//
//	counter [ADDRESS]
//
// The same as there: the JSON messages, {"type": "value", "value": 1} and {"type": "users",
// "count": 2} to all, {"action": "plus"} and {"action": "minus"} from each; a new page is
// told both; a message that is none of these is logged and passed over.
//
// Other than there: a page that does not read for ten seconds, or is far behind, is cut off, where
// websockets.broadcast queues without a bound until a ping gets no answer.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/flow"
)

const (
	maxBehind  = 64               // messages that a page may be behind
	maxMessage = 1 << 10          // bytes of a message
	patience   = 10 * time.Second // for a page to read a message
)

var errBehind = errors.New("too slow")

// A counter is what all pages share. It needs no lock.
type counter struct {
	value, users int
	patience     time.Duration // for a page that does not read
	events       *flow.Broadcast[[]byte]
}

func newCounter() *counter {
	return &counter{patience: patience, events: flow.NewBroadcast[[]byte](maxBehind)}
}

func main() {
	address := "127.0.0.1:6789"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	asyncio.Main(func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: newCounter(), ReadHeaderTimeout: 10 * time.Second}
		addr, err := srv.Start(ctx, "tcp", address)
		if err != nil {
			return err
		}
		fmt.Println("listening at", addr)
		return asyncio.WaitDone(ctx)
	})
}

// ServeHTTP is the task of a page.
func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, rw, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // it has answered
	}
	defer conn.Close()
	if err := c.serve(r.Context(), conn, rw.Reader); err != nil && !asyncio.IsCancelled(err) && !errors.As(err, new(wsutil.ClosedError)) {
		slog.Info("a page has gone", "address", conn.RemoteAddr(), "why", err)
	}
}

// serve reads what a page says, beside a task that tells it what happens.
func (c *counter) serve(ctx context.Context, conn net.Conn, ahead io.Reader) error {
	events := c.events.Subscribe()
	c.users++
	c.send(map[string]any{"type": "users", "count": c.users})
	defer func() {
		c.users--
		c.send(map[string]any{"type": "users", "count": c.users})
	}()
	if err := wsutil.WriteServerText(conn, encode(map[string]any{"type": "value", "value": c.value})); err != nil {
		return err
	}
	return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
		g.Go(func(ctx context.Context) error { return c.tell(ctx, conn, events) })
		return c.listen(conn, ahead)
	})
}

func (c *counter) listen(conn net.Conn, ahead io.Reader) error {
	reader := &wsutil.Reader{Source: ahead, State: ws.StateServerSide, CheckUTF8: true, MaxFrameSize: maxMessage}
	reader.OnIntermediate = wsutil.ControlFrameHandler(conn, ws.StateServerSide)
	for {
		header, err := reader.NextFrame()
		if err != nil {
			return err
		}
		if header.OpCode.IsControl() {
			if err := reader.OnIntermediate(header, reader); err != nil {
				return err
			}
			continue
		}
		message, err := io.ReadAll(io.LimitReader(reader, maxMessage))
		if err != nil {
			return err
		}
		c.handle(message)
	}
}

func (c *counter) handle(message []byte) {
	var event struct{ Action string }
	err := json.Unmarshal(message, &event)
	switch {
	case err == nil && event.Action == "plus":
		c.value++
	case err == nil && event.Action == "minus":
		c.value--
	default:
		slog.Warn("unsupported event", "message", string(message), "error", err)
		return
	}
	c.send(map[string]any{"type": "value", "value": c.value})
}

// send sends an event to all pages. It does not wait.
func (c *counter) send(event map[string]any) {
	_ = c.events.Send(encode(event)) // it is never closed
}

// tell is the task that writes to a page. Its error ends the reader, too.
func (c *counter) tell(ctx context.Context, conn net.Conn, events *flow.Receiver[[]byte]) error {
	for {
		message, missed, err := events.Receive(ctx)
		if err != nil {
			return err
		}
		if missed > 0 {
			return errBehind
		}
		if err := conn.SetWriteDeadline(time.Now().Add(c.patience)); err != nil {
			return err
		}
		if err := wsutil.WriteServerText(conn, message); err != nil {
			return err
		}
	}
}

func encode(event map[string]any) []byte {
	text, err := json.Marshal(event)
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return text
}

// Command chat is a chat room: each line that a client sends goes to all others.
// A client that does not read holds up nobody; when it is far behind it is cut off.
//
//	chat [ADDRESS]
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/asyncio-go/asyncio"
)

// maxBehind is how many lines a client may be behind.
const maxBehind = 256

// A room is all clients. It has no lock: between two waits nothing else runs.
type room struct{ clients map[*client]struct{} }

// A client has a queue of lines, which a task of its own writes. So only that task
// waits for a client that reads slowly.
type client struct {
	stream *asyncio.Stream
	lines  *asyncio.Queue[[]byte]
}

func main() {
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	asyncio.Main(func(ctx context.Context) error {
		r := &room{clients: map[*client]struct{}{}}
		srv, err := asyncio.StartServer(ctx, "tcp", address, r.serve)
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.ServeForever(ctx)
	})
}

// serve is the task of a client. When it returns, its stream is closed.
func (r *room) serve(ctx context.Context, s *asyncio.Stream) error {
	c := &client{s, asyncio.NewQueue[[]byte](maxBehind)}
	writer := asyncio.Go(ctx, c.write)
	r.clients[c] = struct{}{}
	defer func() {
		delete(r.clients, c)
		writer.Cancel()
	}()
	for line, err := range s.Lines(ctx) {
		if asyncio.IsCancelled(err) {
			return err
		}
		if err != nil {
			return nil // it has gone
		}
		r.send(c, bytes.Clone(line))
	}
	return nil
}

// send gives a line to all but its sender. It does not wait, so the map does not
// change under it.
func (r *room) send(from *client, line []byte) {
	for c := range r.clients {
		if c == from {
			continue
		}
		if err := c.lines.PutNowait(line); err != nil {
			fmt.Println("too slow:", c.stream.RemoteAddr())
			delete(r.clients, c)
			c.stream.Abort() // which ends its task, too
		}
	}
}

// write is the task that writes to the client, and waits for it.
func (c *client) write(ctx context.Context) error {
	for line, err := range c.lines.All(ctx) {
		if err != nil {
			return err
		}
		if _, err := c.stream.WriteContext(ctx, line); err != nil {
			if asyncio.IsCancelled(err) {
				return err
			}
			return nil // it has gone, and its reader notices
		}
	}
	return nil
}

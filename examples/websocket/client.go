package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/asyncio-go/asyncio"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// talk joins the room at the address, says what stands on standard input, and
// prints what the others say.
func talk(ctx context.Context, address, name string) error {
	stream, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		return err
	}
	conn := stream.Conn() // what a library knows how to use
	defer conn.Close()
	u := &url.URL{Scheme: "ws", Host: address, Path: "/room", RawQuery: url.Values{"name": {name}}.Encode()}
	ahead, _, err := ws.Dialer{}.Upgrade(conn, u)
	if err != nil {
		return fmt.Errorf("join %s: %w", u, err)
	}
	src := io.Reader(conn)
	if ahead != nil { // the first frames came with the response
		src = ahead
	}
	s := newSocket(conn, src, ws.StateClientSide)
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		g.Go(func(ctx context.Context) error { return s.say(ctx, os.Stdin) })
		err := s.run(ctx, func(line string) { fmt.Println(line) })
		g.Cancel()
		var closed wsutil.ClosedError
		if errors.As(err, &closed) && closed.Code == ws.StatusNormalClosure {
			return nil
		}
		return err
	})
}

// say sends the lines of a file, and a Close after the last.
func (s *socket) say(ctx context.Context, f *os.File) error {
	lines := bufio.NewScanner(f)
	for {
		more, err := asyncio.ToThread(ctx, func(context.Context) (bool, error) { return lines.Scan(), nil })
		if err != nil {
			return err
		}
		if !more {
			s.send(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
			return lines.Err()
		}
		s.send(ws.NewTextFrame(lines.Bytes()))
	}
}

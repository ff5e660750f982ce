//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// conversations is how many connections each loop has with itself.
const conversations = 25

// inside has n loops do total requests each, of their own servers over their own
// connections, and prints the seconds: no other program takes part.
func inside(what string, n, total int) error {
	began := time.Now()
	err := asyncio.Workers(context.Background(), n, func(ctx context.Context, _ *asyncio.Worker) error {
		address, end, err := ownServer(ctx, what)
		if err != nil {
			return err
		}
		defer end()
		left := total
		return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			for range conversations {
				g.Go(func(ctx context.Context) error { return converse(ctx, address, &left) })
			}
			return nil
		})
	})
	fmt.Println(time.Since(began).Seconds())
	return err
}

func ownServer(ctx context.Context, what string) (address string, end func(), err error) {
	if what == "http" {
		srv := &asynchttp.Server{Handler: http.HandlerFunc(answer)}
		a, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return "", nil, err
		}
		return a.String(), func() { _ = srv.Close() }, nil
	}
	s, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", echo())
	if err != nil {
		return "", nil, err
	}
	return s.Addr().String(), s.Close, nil
}

// request is answered by a header and 64 bytes; an echo is as long as it is.
var request = []byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-: 0123456789012345678901\r\n\r\n")

// converse asks while left is above zero.
func converse(ctx context.Context, address string, left *int) error {
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer s.Close()
	answer := make([]byte, 0, 4096)
	for size := 0; *left > 0; *left-- {
		if _, err := s.Write(request); err != nil {
			return err
		}
		for answer = answer[:0]; size == 0 || len(answer) < size; {
			n, err := s.Read(answer[len(answer):cap(answer)])
			answer = answer[:len(answer)+n]
			if err != nil {
				return err
			}
			if i := bytes.Index(answer, []byte("\r\n\r\n")); size == 0 && i >= 0 {
				size = i + 4
				if bytes.HasPrefix(answer, []byte("HTTP")) {
					size += len(body)
				}
			}
		}
	}
	return nil
}

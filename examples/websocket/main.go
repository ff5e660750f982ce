// Command websocket is a chat room for browsers, by WebSocket: a server, with a page
// that joins, and a client for a terminal.
//
//	websocket [ADDRESS]             serves
//	websocket -join ADDRESS NAME    joins
//
// The protocol is github.com/gobwas/ws's, whose functions work on any connection
// and hold no locks.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func main() {
	asyncio.Main(func(ctx context.Context) error {
		if len(os.Args) == 4 && os.Args[1] == "-join" {
			return talk(ctx, os.Args[2], os.Args[3])
		}
		address := "127.0.0.1:8080"
		if len(os.Args) > 1 {
			address = os.Args[1]
		}
		return serve(ctx, address)
	})
}

func serve(ctx context.Context, address string) error {
	r := &room{members: map[*socket]asyncio.AnyTask{}}
	srv := &asynchttp.Server{Handler: r.handler(), ReadHeaderTimeout: 10 * time.Second}
	addr, err := srv.Start(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening at", addr)
	stop := asyncio.WaitDone(ctx)
	srv.RegisterOnShutdown(r.end)
	limited, cancel := context.WithTimeout(ctx, 5*time.Second) // holds, although ctx has ended
	defer cancel()
	if err := srv.Shutdown(limited); err != nil {
		return err
	}
	return stop
}

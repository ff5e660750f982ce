// Command jsonapi is a JSON API of notes: made, read, changed, listed, imported line
// by line and with files attached. Its notes are in memory, without a lock.
//
//	jsonapi [ADDRESS]
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func main() { asyncio.Main(run) }

func run(ctx context.Context) error {
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	srv := &asynchttp.Server{
		Handler:           newAPI().handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
	}
	addr, err := srv.Start(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening at", addr)
	stop := asyncio.WaitDone(ctx)
	limited, cancel := context.WithTimeout(ctx, 5*time.Second) // holds, although ctx has ended
	defer cancel()
	if err := srv.Shutdown(limited); err != nil {
		return err
	}
	return stop
}

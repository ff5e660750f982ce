// Command graceful is a web server that ends well. At SIGTERM or ^C it accepts no
// more, answers what it was asked, for five seconds at most, and exits with 0. A
// second signal ends it at once.
//
//	graceful [ADDRESS]
package main

import (
	"context"
	"fmt"
	"net/http"
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
	srv := &asynchttp.Server{Handler: http.HandlerFunc(answer), ReadHeaderTimeout: 10 * time.Second}
	addr, err := srv.Start(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Println("listening at", addr)

	stop := asyncio.WaitDone(ctx) // what <-ctx.Done() is with goroutines
	fmt.Println("shutting down")
	limited, cancel := context.WithTimeout(ctx, 5*time.Second) // holds, although ctx has ended
	defer cancel()
	if err := srv.Shutdown(limited); err != nil {
		return fmt.Errorf("some were cut off: %w", err)
	}
	fmt.Println("all were answered")
	if asyncio.IsCancelled(stop) {
		return nil // the end that was asked for: exit status 0
	}
	return stop
}

// answer takes a second. While it waits, others are served.
func answer(w http.ResponseWriter, r *http.Request) {
	fmt.Println("a request")
	if err := asyncio.Sleep(r.Context(), time.Second); err != nil {
		return // the client has gone, or the time is over
	}
	fmt.Fprintln(w, "that took a second")
}

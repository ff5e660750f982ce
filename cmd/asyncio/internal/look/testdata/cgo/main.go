// Command cgo has a loop that a function of C holds.
package main

// static void nap(void) {
// 	volatile int on = 1;
// 	while (on) { }
// }
import "C"

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/insight"
)

func main() {
	s, err := insight.Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = s.Close()
		os.Exit(0)
	}()
	crowd, _ := strconv.Atoi(os.Getenv("ASYNCIO_TEST_CROWD"))
	_ = asyncio.Run(context.Background(), func(ctx context.Context) error {
		for range crowd {
			asyncio.Go(ctx, func(ctx context.Context) error { return asyncio.Sleep(ctx, time.Hour) })
		}
		if err := asyncio.Sleep(ctx, 0); err != nil {
			return err
		}
		fmt.Println("ready")
		C.nap() // the line that calls C
		return nil
	})
}

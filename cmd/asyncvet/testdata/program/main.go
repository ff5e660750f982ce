package main

import (
	"context"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	done := make(chan int, 1)
	asyncio.Run(context.Background(), func(ctx context.Context) error {
		time.Sleep(time.Second)
		done <- 1
		<-done
		return nil
	})
}

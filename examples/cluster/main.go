// Command cluster shares work among processes, on one machine or on many. Start a
// server and four workers, which are this program with the argument work:
//
//	go build ./cmd/asyncio-node && go build -o primes ./examples/cluster
//	./asyncio-node --workers 4 -- ./primes work
//
// and in another terminal give them something to do:
//
//	./primes
//
// It finds the cluster by NATS_URL, nats://127.0.0.1:4222 without it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// Registered in every process of the program, before main begins.
var countPrimes = asyncio.RegisterWorker("countPrimes", func(ctx context.Context, below int) (int, error) {
	n := 0
	for i := 2; i < below; i++ {
		if i%10_000 == 0 {
			if ctx.Err() != nil { // cancelled, perhaps from far away
				return 0, context.Cause(ctx)
			}
			if err := cluster.Report(ctx, cluster.Progress{Done: int64(i), Total: int64(below)}); err != nil {
				return 0, err
			}
		}
		if isPrime(i) {
			n++
		}
	}
	return n, nil
})

func isPrime(n int) bool {
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

func main() {
	var err error
	if len(os.Args) == 2 && os.Args[1] == "work" {
		err = work()
	} else {
		err = asyncio.Run(context.Background(), run)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// work runs jobs until it is interrupted, and leaves none behind.
func work() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return cluster.Serve(ctx, "")
}

func run(ctx context.Context) (err error) {
	c, err := cluster.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer func() {
		if e := c.Close(ctx); err == nil {
			err = e
		}
	}()

	// Many jobs, their results in order.
	for n, err := range cluster.Map(ctx, c, countPrimes, slices.Values([]int{10, 100, 1000, 10_000, 100_000})) {
		if err != nil {
			return err
		}
		fmt.Println(n, "primes")
	}

	// A job with a key is run once, however often it is asked for; one that fails is
	// tried again.
	for range 2 {
		n, err := cluster.Call(ctx, c, countPrimes, 1_000_000,
			cluster.WithKey("a million"), cluster.WithRetry(3, 100*time.Millisecond, time.Second))
		if err != nil {
			return err
		}
		fmt.Println(n, "primes below a million")
	}

	// A time limit ends the job, too, wherever it runs.
	begun := false
	err = asyncio.Timeout(ctx, 500*time.Millisecond, func(ctx context.Context) error {
		_, err := cluster.Call(ctx, c, countPrimes, 1_000_000_000,
			cluster.WithProgress(func(cluster.Progress) { begun = true }))
		return err
	})
	fmt.Println("a billion: begun:", begun, "-", err)
	return nil
}

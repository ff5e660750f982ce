// Command workers counts primes in worker processes: this program, started once
// more. One of the calls crashes its process; the others do not notice.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/asyncio-go/asyncio"
)

// Registered in every process of the program, before main begins.
var countPrimes = asyncio.RegisterWorker("countPrimes", func(_ context.Context, below int) (int, error) {
	if below < 0 {
		os.Exit(3) // as a bug in a C library would
	}
	n := 0
	for i := 2; i < below; i++ {
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
	asyncio.WorkerMain() // in a worker process this never returns
	if err := asyncio.Run(context.Background(), run); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	pool, err := asyncio.NewProcessPoolExecutor(2, asyncio.WithWorkerStderr(io.Discard))
	if err != nil {
		return err
	}
	var calls []asyncio.Awaiter[int]
	for _, below := range []int{1000, -1, 10_000, 100_000} {
		calls = append(calls, countPrimes.Start(loop, pool, below))
	}
	results, err := asyncio.GatherSettled(ctx, calls...)
	if err != nil {
		return err
	}
	for _, r := range results {
		var crash *asyncio.WorkerCrashError
		switch {
		case errors.As(r.Err, &crash):
			fmt.Println("a worker process died:", crash.State)
		case r.Err != nil:
			return r.Err
		default:
			fmt.Println(r.Value, "primes")
		}
	}
	_, err = asyncio.WrapFuture(loop, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, pool.Shutdown(ctx)
	}).Await(ctx)
	return err
}

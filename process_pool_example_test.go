package asyncio_test

import (
	"context"
	"fmt"
	"log"

	"github.com/asyncio-go/asyncio"
)

// countWords is registered in every process of the program, before main begins.
var countWords = asyncio.RegisterWorker("countWords", func(_ context.Context, text string) (int, error) {
	n, inWord := 0, false
	for _, r := range text {
		if r != ' ' && !inWord {
			n++
		}
		inWord = r != ' '
	}
	return n, nil
})

func ExampleProcessPoolExecutor() {
	// The main function begins with this: in a worker process it never returns.
	asyncio.WorkerMain()

	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		pool, err := asyncio.NewProcessPoolExecutor(2)
		if err != nil {
			return err
		}
		n, err := countWords.Call(ctx, pool, "one two three") // waits
		if err != nil {
			return err
		}
		many, err := asyncio.Gather(ctx, // two at the same time
			countWords.Start(loop, pool, "one"), countWords.Start(loop, pool, "one two"))
		if err != nil {
			return err
		}
		fmt.Println(n, many)

		// Shutdown waits for the processes, so it is called in a thread.
		_, err = asyncio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
			return struct{}{}, pool.Shutdown(ctx)
		})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}

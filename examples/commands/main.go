// Command commands runs shell commands at the same time, and prints what each
// of them says as it says it. ^C ends those that still run.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/asyncio-go/asyncio"
)

func main() {
	lines := os.Args[1:]
	if len(lines) == 0 {
		lines = []string{"echo one; sleep 1; echo two", "sleep 0.3; echo between; exit 3"}
	}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		return asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			for _, line := range lines {
				g.Go(func(ctx context.Context) error { return run(ctx, line) })
			}
			return nil
		})
	})
	var interrupt *asyncio.InterruptError
	if errors.As(err, &interrupt) {
		os.Exit(interrupt.ExitCode())
	}
	if err != nil {
		log.Fatal(err)
	}
}

// run runs one command.
func run(ctx context.Context, line string) error {
	p, err := asyncio.CreateSubprocessShell(ctx, line, asyncio.WithStdout(asyncio.Pipe))
	if err != nil {
		return err
	}
	defer p.Close() // when this is cancelled, the command is killed
	for text, err := range p.Stdout.Lines(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("%s", text)
	}
	code, err := p.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%q ended with %d\n", line, code)
	return nil
}

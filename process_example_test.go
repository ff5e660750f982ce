//go:build unix

package asyncio_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/asyncio-go/asyncio"
)

func ExampleCreateSubprocessExec() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sort", nil,
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe))
		if err != nil {
			return err
		}
		stdout, _, err := p.Communicate(ctx, []byte("pear\napple\n"))
		if err != nil {
			return err
		}
		code, _ := p.ReturnCode()
		fmt.Printf("%ssort has ended with %d\n", stdout, code)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// apple
	// pear
	// sort has ended with 0
}

func ExampleProcess_Wait() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessExec(ctx, "sleep", []string{"1000"})
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := p.Wait(limited); err != nil {
			fmt.Println("it takes too long")
			if err := p.Kill(); err != nil {
				return err
			}
		}
		code, err := p.Wait(ctx)
		fmt.Println("it has ended with", code)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// it takes too long
	// it has ended with -9
}

func ExampleLoop_AddSignalHandler() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		loop, err := asyncio.RunningLoop(ctx)
		if err != nil {
			return err
		}
		var stop asyncio.Event
		if err := loop.AddSignalHandler(os.Interrupt, stop.Set); err != nil {
			return err
		}
		// Here somebody presses ^C.
		self, err := os.FindProcess(os.Getpid())
		if err != nil {
			return err
		}
		defer self.Release()
		if err := self.Signal(os.Interrupt); err != nil {
			return err
		}
		if err := stop.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("stopping in good order")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: stopping in good order
}

// Communicate sends all of the input while it reads all of the output, so a
// process that writes before it has read does not hold both up.
func ExampleProcess_Communicate() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		p, err := asyncio.CreateSubprocessShell(ctx, "tr a-z A-Z; echo done >&2",
			asyncio.WithStdin(asyncio.Pipe), asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
		if err != nil {
			return err
		}
		stdout, stderr, err := p.Communicate(ctx, []byte("hello"))
		fmt.Printf("%s %s", stdout, stderr)
		return err
	})
	fmt.Println(err)
	// Output:
	// HELLO done
	// <nil>
}

// A process that does not end when it is asked to is killed.
func ExampleProcess_Stop() {
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		for _, c := range []struct {
			line  string
			grace time.Duration
		}{
			{"trap 'exit 7' TERM; echo here; while :; do sleep 0.01; done", time.Minute},
			{"trap '' TERM; echo here; while :; do sleep 0.01; done", 100 * time.Millisecond},
		} {
			p, err := asyncio.CreateSubprocessShell(ctx, c.line, asyncio.WithStdout(asyncio.Pipe))
			if err != nil {
				return err
			}
			defer p.Close()
			if _, err := p.Stdout.ReadLine(ctx); err != nil { // now it has its trap
				return err
			}
			code, err := p.Stop(ctx, c.grace)
			if err != nil {
				return err
			}
			fmt.Println(code)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 7
	// -9
}

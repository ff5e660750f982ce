// Command supervise runs programs side by side, prints what they say line by line, each
// under its name, and starts one again that has failed. At ^C or SIGTERM it asks all to end,
// prints their last lines, and kills what has not ended after ten seconds.
//
//	supervise NAME="COMMAND ARGUMENT..."...
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

const (
	grace     = 10 * time.Second
	firstRest = 100 * time.Millisecond // before a program is started again
	lastRest  = 30 * time.Second
	maxBehind = 1000 // lines that may wait to be printed
)

// A supervisor has one queue of lines, which one task prints. While that is full, who reads
// from programs waits, and so do programs that say more: nothing is lost, and nothing grows.
type supervisor struct{ lines *asyncio.Queue[string] }

func main() {
	asyncio.Main(func(ctx context.Context) error {
		if len(os.Args) < 2 {
			return errors.New(`usage: supervise NAME="COMMAND [ARGUMENTS]" [NAME=... ...]`)
		}
		s := &supervisor{asyncio.NewQueue[string](maxBehind)}
		printer := asyncio.Go(ctx, s.print)
		err := asyncio.Group(ctx, func(_ context.Context, g *asyncio.TaskGroup) error {
			for _, arg := range os.Args[1:] {
				name, command, ok := strings.Cut(arg, "=")
				words := strings.Fields(command)
				if !ok || len(words) == 0 {
					return fmt.Errorf("%q is no NAME=COMMAND", arg)
				}
				g.Go(func(ctx context.Context) error { return s.keep(ctx, name, words) }, asyncio.WithName(name))
			}
			return nil
		})
		s.lines.Shutdown(false) // the printer ends when all is printed
		_, printErr := printer.Await(ctx)
		return errors.Join(err, printErr)
	})
}

// print writes the lines to the standard output, which may block: in a thread, and all that
// are there at once.
func (s *supervisor) print(ctx context.Context) error {
	defer s.lines.Shutdown(true) // nobody is to wait for one who has gone
	for line, err := range s.lines.All(ctx) {
		if err != nil {
			return err
		}
		for err == nil && len(line) < 64<<10 {
			var more string
			if more, err = s.lines.GetNowait(); err == nil {
				line += more
			}
		}
		if _, err := asyncio.ToThread(ctx, func(context.Context) (int, error) { return os.Stdout.WriteString(line) }); err != nil {
			return err
		}
	}
	return nil
}

// keep runs a program until it ends well.
func (s *supervisor) keep(ctx context.Context, name string, words []string) error {
	for rest := firstRest; ; rest = min(2*rest, lastRest) {
		code, err := s.run(ctx, name, words)
		if err != nil {
			return err
		}
		if code == 0 {
			return s.say(ctx, name, "ended")
		}
		if err := s.say(ctx, name, fmt.Sprintf("ended with %d, again in %v", code, rest)); err != nil {
			return err
		}
		if err := asyncio.Sleep(ctx, rest); err != nil {
			return err
		}
	}
}

// run runs a program once, to its last line.
func (s *supervisor) run(ctx context.Context, name string, words []string) (code int, err error) {
	p, err := asyncio.CreateSubprocessExec(ctx, words[0], words[1:], asyncio.WithStdout(asyncio.Pipe), asyncio.WithStderr(asyncio.Pipe))
	if err != nil {
		return 0, err
	}
	defer p.Close()
	pumps := []*asyncio.Task[struct{}]{
		asyncio.Go(ctx, func(ctx context.Context) error { return s.pump(ctx, name, p.Stdout) }),
		asyncio.Go(ctx, func(ctx context.Context) error { return s.pump(ctx, name, p.Stderr) }),
	}
	code, err = p.Wait(ctx)
	if asyncio.IsCancelled(err) {
		// The task was told once, and may wait again, to end what it has begun.
		if _, stopErr := p.Stop(ctx, grace); stopErr != nil {
			err = errors.Join(err, stopErr)
		}
	}
	// A child of the program may hold the pipes for ever.
	late, waitErr := asyncio.MoveOnAfter(ctx, grace, func(ctx context.Context) error {
		_, err := asyncio.GatherSettled(ctx, pumps...)
		return err
	})
	for _, pump := range pumps {
		pump.Cancel()
	}
	if late {
		waitErr = errors.Join(waitErr, s.say(ctx, name, "its output goes on; it is not read any more"))
	}
	return code, errors.Join(err, waitErr)
}

// pump passes on what a program says, line by line. A line that is too long is not kept.
func (s *supervisor) pump(ctx context.Context, name string, from *asyncio.StreamReader) error {
	for {
		text, err := from.ReadText(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, asyncio.ErrLineTooLong):
			text = "(a line that is too long)"
			if err := from.SkipLine(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		if err := s.say(ctx, name, text); err != nil {
			return err
		}
	}
}

// say puts a line into the queue, and waits while that is full.
func (s *supervisor) say(ctx context.Context, name, line string) error {
	return s.lines.Put(ctx, fmt.Sprintf("%-10s | %s\n", name, line))
}

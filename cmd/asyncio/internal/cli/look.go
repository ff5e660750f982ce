package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/look"
)

// lookFailed is the exit code when a process could not be looked into.
const lookFailed fetch.Code = 1

// errOutOfRange is the error for a number that an option cannot have.
var errOutOfRange = errors.New("is out of its range")

// lookLong is said of each command that looks into processes.
const lookLong = `

PID is the number of a process that imports github.com/asyncio-go/asyncio/insight/auto
or has called insight.Start, also of one in a container; or the path of its socket.
Only processes of the same user answer, and to root all.`

func (p *program) lookCommands() []*cobra.Command {
	one := cobra.ExactArgs(1)
	o := &look.Options{}
	tasks := func(c *cobra.Command) *cobra.Command {
		c.Flags().IntVar(&o.Tasks, "tasks", 1000, "at most so many tasks of each loop; 0: all")
		return c
	}
	return []*cobra.Command{
		tasks(p.lookCommand(o, "ps [PID]", "List processes with event loops, or the tasks of one",
			`Ps without PID lists all processes with their loops; with PID it lists the tasks of
that process, what they wait for, who holds it, and the line at which they stand. A
loop that hangs comes first, in red, with what holds it.`, cobra.MaximumNArgs(1),
			func(ctx context.Context, s *look.Screen, args []string) error {
				if len(args) == 0 {
					return look.List(ctx, s, *o)
				}
				return look.PS(ctx, s, args[0], *o)
			})),
		p.lookCommand(o, "top PID", "Show the busiest tasks of a process, again and again",
			`Top fills the terminal with the tasks of a process, the busiest first; the last line
names its keys. On what is no terminal it prints them once, and with --json a line
a second.`, one,
			func(ctx context.Context, s *look.Screen, args []string) error {
				return look.Top(ctx, s, p.in, args[0], *o)
			}),
		p.pstreeCommand(o, tasks),
		p.lookCommand(o, "where PID", "Show where the tasks of a process stand, grouped by their stacks",
			`Where groups the tasks by equal stacks, the largest group first: a screen or two for
100,000 tasks.`, one,
			func(ctx context.Context, s *look.Screen, args []string) error {
				return look.Where(ctx, s, args[0], *o)
			}),
		p.graphCommand(o), p.cancelCommand(o), p.dumpCommand(o),
		p.lookCommand(o, "watch PID", "Print what happens in a process, a line each",
			`Watch prints tasks that begin and end, steps that were slow, and loops that hang and
go on, until it is interrupted.`, one,
			func(ctx context.Context, s *look.Screen, args []string) error {
				return look.Watch(ctx, s, args[0], *o)
			}),
		p.recordCommand(o),
		p.lookCommand(o, "web PID|FILE.json", "Show the loops of a process, or a trace, in a browser on this machine",
			`Web prints an address for a browser on this machine, with a token in it, and serves
it until it is interrupted. The process itself opens no port. FILE.json is the trace of
a simulated world, as a failing test of package sim writes it.`, one,
			func(ctx context.Context, s *look.Screen, args []string) error {
				return look.Web(ctx, s, args[0], *o)
			}),
	}
}

func (p *program) pstreeCommand(o *look.Options, tasks func(*cobra.Command) *cobra.Command) *cobra.Command {
	byParent := false
	c := tasks(p.lookCommand(o, "pstree PID", "Show the tasks of a process as a tree of who awaits whom",
		`Pstree shows below each task the calls that lead to its await, and the tasks that it
awaits, as python -m asyncio pstree does.`, cobra.ExactArgs(1),
		func(ctx context.Context, s *look.Screen, args []string) error {
			return look.PSTree(ctx, s, args[0], *o, byParent)
		}))
	c.Flags().BoolVar(&byParent, "made", false, "below each task those that it has made")
	return c
}

func (p *program) graphCommand(o *look.Options) *cobra.Command {
	svg := false
	c := p.lookCommand(o, "graph PID", "Print who waits for what as a graph",
		`Graph prints, in Graphviz' language DOT, which tasks wait for each other, for which
locks, semaphores and queues, and who holds those. Circles of tasks that will never go
on are red.`, cobra.ExactArgs(1),
		func(ctx context.Context, s *look.Screen, args []string) error {
			return look.Graph(ctx, s, p.err, args[0], *o, svg)
		})
	c.Flags().BoolVar(&svg, "svg", false, "print SVG, made by Graphviz' dot")
	return c
}

func (p *program) cancelCommand(o *look.Options) *cobra.Command {
	var loop uint64
	c := p.lookCommand(o, "cancel PID TASK", "Cancel a task of a process",
		`Cancel cancels the task of that number, which ps shows as ID. Where the loop hangs the
task is cancelled when the loop goes on.`, cobra.ExactArgs(2),
		func(ctx context.Context, s *look.Screen, args []string) error {
			return look.Cancel(ctx, s, args[0], args[1], loop, *o)
		})
	c.Flags().Uint64Var(&loop, "loop", 0, "the `number` of the loop; needed where there are several")
	return c
}

func (p *program) dumpCommand(o *look.Options) *cobra.Command {
	goroutines := false
	c := p.lookCommand(o, "dump PID", "Print everything that is known of a process as one JSON",
		`Dump prints the loops with all tasks, their stacks and labels, what they wait for, slow
steps, ended tasks, events, sockets and processes. It is JSON with and without --json.`, cobra.ExactArgs(1),
		func(ctx context.Context, s *look.Screen, args []string) error {
			return look.Dump(ctx, s, args[0], goroutines)
		})
	c.Flags().BoolVar(&goroutines, "goroutines", false, "the goroutines of the whole process, too")
	return c
}

func (p *program) recordCommand(o *look.Options) *cobra.Command {
	var r look.RecordOptions
	c := p.lookCommand(o, "record PID", "Record what a process does, for 'go tool trace'",
		`Record keeps Go's execution trace and what the loops did, in a zip. With --until-incident
it goes on until a loop hangs or something panics, and keeps the last seconds before
that. It slows the process down meanwhile.`, cobra.ExactArgs(1),
		func(ctx context.Context, s *look.Screen, args []string) error {
			switch {
			case r.Seconds < 1 || r.Seconds > 600:
				return fmt.Errorf("--seconds %d %w: it is from 1 to 600", r.Seconds, errOutOfRange)
			case r.Megabytes < 1 || r.Megabytes > 1024:
				return fmt.Errorf("--megabytes %d %w: it is from 1 to 1024", r.Megabytes, errOutOfRange)
			case r.Within < time.Second || r.Within > 24*time.Hour:
				return fmt.Errorf("--within %v %w: it is from a second to a day", r.Within, errOutOfRange)
			}
			return look.Record(ctx, s, p.err, args[0], *o, r)
		})
	f := c.Flags()
	f.IntVar(&r.Seconds, "seconds", 5, "so many seconds")
	f.BoolVar(&r.Until, "until-incident", false, "until a loop hangs or something panics")
	f.DurationVar(&r.Within, "within", time.Hour, "wait for an incident no longer than that")
	f.IntVar(&r.Megabytes, "megabytes", 64, "keep about so much of Go's trace")
	f.StringVarP(&r.File, "output", "o", "", "into this `file` (asyncio-PID.zip)")
	return c
}

// lookCommand makes a command that looks into processes.
func (p *program) lookCommand(o *look.Options, use, short, long string, args cobra.PositionalArgs,
	run func(ctx context.Context, s *look.Screen, args []string) error,
) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Long: long + lookLong, Args: args,
		RunE: func(c *cobra.Command, args []string) error {
			if o.Tasks < 0 {
				return fmt.Errorf("--tasks %d %w", o.Tasks, errOutOfRange)
			}
			err := run(c.Context(), p.screen(), args)
			return p.lookError(c.Context(), err)
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	return c
}

// lookError prints the error of looking and sets the exit code for it.
func (p *program) lookError(ctx context.Context, err error) error {
	switch {
	case err == nil:
	case ctx.Err() != nil:
		p.code = fetch.Interrupted
	case errors.As(err, new(*look.UsageError)) || errors.Is(err, errOutOfRange):
		return err
	default:
		fmt.Fprintf(p.err, "asyncio: %v\n", err)
		p.code = lookFailed
	}
	return nil
}

// screen describes standard output. What is no terminal gets whole lines, unless COLUMNS
// says how wide they may be.
func (p *program) screen() *look.Screen {
	s := &look.Screen{Out: p.out}
	if f := terminal(p.out); f != nil && allowEscapes(f) {
		s.Color = os.Getenv("NO_COLOR") == ""
		s.Size = func() (width, height int) {
			width, height, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 || height <= 0 { // its size is not known
				return 80, 24
			}
			return width, height
		}
		s.Width, s.Height = s.Size()
	} else if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		s.Width = n
	}
	return s
}

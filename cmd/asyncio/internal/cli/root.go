// Package cli is the command line of the program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// program is what the commands share.
type program struct {
	in       io.Reader
	out, err io.Writer
	driver   string
	code     fetch.Code
}

// Main runs the program and returns its exit code.
//
// The first interrupt ends it cleanly: what is under way is cancelled and
// removed. The second ends it at once.
func Main(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// From then on the system does what it does by default.
	context.AfterFunc(ctx, stop)
	// A reader that goes away is an error of writing, not the end: there may be
	// temporary files to remove.
	signal.Ignore(syscall.SIGPIPE)
	return run(ctx, args, in, out, errs)
}

func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	p := &program{in: in, out: out, err: errs}
	root := &cobra.Command{
		Use:           "asyncio",
		Short:         "Many things at once in one thread, on an event loop",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&p.driver, "driver", "", "the loop's driver: portable, or this system's own")
	_ = root.PersistentFlags().MarkHidden("driver")
	root.AddCommand(p.fetchCommand(), p.crawlCommand(), p.serveCommand(), p.newCommand(), p.demoCommand())
	root.AddCommand(p.lookCommands()...)
	if err := root.ExecuteContext(ctx); err != nil {
		var known *fetch.Error
		if !errors.As(err, &known) {
			known = &fetch.Error{Code: fetch.BadUsage, Err: err}
		}
		fmt.Fprintf(errs, "asyncio: %s\n", known.Error())
		if known.Code == fetch.BadUsage {
			command := "fetch"
			if c, _, ferr := root.Find(args); ferr == nil && c != root {
				command = strings.Fields(c.CommandPath())[1]
			}
			fmt.Fprintf(errs, "asyncio: try 'asyncio help %s'\n", command)
		}
		return int(known.Code)
	}
	return int(p.code)
}

// onLoop runs main on a loop of the driver that the user chose.
func (p *program) onLoop(ctx context.Context, main func(context.Context) error) error {
	opts, err := p.loopOptions()
	if err != nil {
		return err
	}
	return asyncio.Run(ctx, main, opts...)
}

// loopOptions returns the options of a loop with the driver that the user chose.
func (p *program) loopOptions() ([]asyncio.Option, error) {
	switch p.driver {
	case "":
		return nil, nil
	case "portable":
		return []asyncio.Option{asyncio.WithPortableDriver()}, nil
	}
	return nil, fmt.Errorf("--driver %s: there is none of that name", p.driver)
}

// streams describes the standard streams.
func (p *program) streams() fetch.Streams {
	s := fetch.Streams{Stdin: p.in, Stdout: p.out, Stderr: p.err}
	s.StdoutIsTerminal = terminal(p.out) != nil
	if f := terminal(p.err); f != nil && allowEscapes(f) {
		s.Width = func() int {
			w, _, err := term.GetSize(int(f.Fd()))
			if err != nil || w <= 0 { // its size is not known
				return 80
			}
			return w
		}
		s.Color = os.Getenv("NO_COLOR") == ""
	}
	return s
}

// terminal returns w as a file if it is a terminal, or nil.
func terminal(w any) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

const fetchLong = `Fetch gets all URLs at once, in one thread. Options have curl's names, and mean
what they mean there, but for these:

  -i FILE    is a list of URLs: one a line, empty lines and lines that begin
             with # are passed over; - is standard input. (curl shows headers.)
             An argument - is a list on standard input, too.
  -o, -O     pair with URLs in order, as in curl; one for a list is for all its
             URLs. Where only -O is given, it is for all URLs.
             When two URLs want the same name, the later gets a number after it.
             A URL without a name is saved as index.html.
  --parallel-max takes effect always; -Z is accepted and changes nothing.
  --rate     holds for parallel transfers, too.

Without -o and -O bodies go to standard output: one by one, in the order in
which they are whole. A body that does not come whole is not written, unless it
is the only one. Files are written under a temporary name and renamed when they
are whole.

--ndjson prints a JSON object for each URL that is done, with the names that
curl's -w has. Bodies are then dropped, unless -o or -O says where they go.

The exit code is curl's. When several URLs fail, it is that of the first of
them, in the order in which they were given; after an interrupt it is 130.`

// fetchFlags are the options as they stand on the command line.
type fetchFlags struct {
	connectionFlags
	lists      []string
	outputs    []fetch.Output
	data       []string
	parallelOK bool

	o fetch.Options
}

func (p *program) fetchCommand() *cobra.Command {
	f := &fetchFlags{}
	c := &cobra.Command{
		Use:   "fetch [flags] URL...",
		Short: "Fetch many URLs at once, in the manner of curl",
		Long:  fetchLong,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.fetchOptions(f, c, args); err != nil {
				return err
			}
			s := p.streams()
			err := p.onLoop(c.Context(), func(ctx context.Context) error {
				p.code = fetch.Run(ctx, &f.o, s)
				return nil
			})
			return err
		},
	}
	f.define(c)
	return c
}

func (f *fetchFlags) define(c *cobra.Command) {
	o, s := &f.o, c.Flags()
	s.SortFlags = false
	defer f.connectionFlags.define(s, o, "A")
	s.StringArrayVarP(&f.lists, "input-file", "i", nil, "read URLs from a `file`, - for standard input")
	s.VarP(&outputValue{f: f}, "output", "o", "write to a `file` instead of standard output")
	s.VarP(&outputValue{f: f, remote: true}, "remote-name", "O", "write to a file named as in the URL")
	s.Lookup("remote-name").NoOptDefVal = "true"
	s.StringVar(&o.OutputDir, "output-dir", "", "save files in this `directory`")
	s.BoolVar(&o.CreateDirs, "create-dirs", false, "make directories that are missing")
	s.BoolVarP(&f.parallelOK, "parallel", "Z", false, "accepted; transfers are always parallel")
	s.IntVar(&o.ParallelMax, "parallel-max", 50, "so many transfers at a time")
	s.IntVar(&o.ParallelMaxHost, "parallel-max-host", 0, "so many of them to one host; 0: no bound")
	s.Var(value[fetch.Rate](&o.Rate, fetch.ParseRate), "rate", "start so many transfers a time unit: `N/s`, N/m, N/h, N/d")
	s.BoolVarP(&o.Location, "location", "L", false, "follow redirects")
	s.IntVar(&o.MaxRedirs, "max-redirs", fetch.DefaultMaxRedirs, "at most so many redirects; -1: no bound")
	s.StringVarP(&o.Method, "request", "X", "", "use this `method`")
	s.StringArrayVarP(&f.data, "data", "d", nil, "POST `data`; @file for a file's")
	s.Var(value[int64](&o.MaxFilesize, fetch.ParseSize), "max-filesize", "give up bodies of more `bytes`, counted unpacked")
	s.IntVar(&o.Retry, "retry", 0, "try again so often when the trouble may pass")
	s.Var(value[time.Duration](&o.RetryDelay, fetch.ParseSeconds), "retry-delay", "wait so many `seconds` between tries")
	s.Var(value[time.Duration](&o.RetryMaxTime, fetch.ParseSeconds), "retry-max-time", "try again only for so many `seconds`")
	s.BoolVar(&o.RetryAllErrors, "retry-all-errors", false, "try again after every error")
	s.BoolVarP(&o.Fail, "fail", "f", false, "a status of 400 and above is an error")
	s.BoolVarP(&o.Silent, "silent", "s", false, "no progress, no messages")
	s.BoolVarP(&o.ShowError, "show-error", "S", false, "errors all the same, with -s")
	s.BoolVarP(&o.Verbose, "verbose", "v", false, "tell what happens")
	s.StringVarP(&o.WriteOut, "write-out", "w", "", "print this `format` after each transfer; @file for a file's")
	s.BoolVar(&o.NDJSON, "ndjson", false, "print a JSON object a line for each transfer")
	s.BoolVar(&o.NoProgress, "no-progress-meter", false, "no progress and no summary")
}

// fetchOptions makes fetch's options of the flags.
func (p *program) fetchOptions(f *fetchFlags, c *cobra.Command, args []string) error {
	if err := f.inRange(); err != nil {
		return err
	}
	if err := f.targets(args); err != nil {
		return err
	}
	if err := p.readInput(f); err != nil {
		return err
	}
	if err := f.readWriteOut(); err != nil {
		return err
	}
	return f.connectionFlags.set(p, &f.o, c.Flags().Changed)
}

// inRange returns an error for a value that an option cannot have.
func (f *fetchFlags) inRange() error {
	o := &f.o
	if o.ParallelMax < 1 || o.ParallelMaxHost < 0 || o.Retry < 0 || o.MaxRedirs < -1 {
		return errors.New("--parallel-max, --parallel-max-host, --retry or --max-redirs is out of its range")
	}
	if o.Method != "" && !fetch.ValidMethod(o.Method) {
		return fmt.Errorf("%q is no method", o.Method)
	}
	return nil
}

// readWriteOut reads the format of -w from a file where it names one.
func (f *fetchFlags) readWriteOut() error {
	name, isFile := strings.CutPrefix(f.o.WriteOut, "@")
	if !isFile {
		return nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return &fetch.Error{Code: fetch.ReadFailed, Err: fmt.Errorf("-w: %w", err)}
	}
	f.o.WriteOut = string(b)
	return nil
}

// targets pairs URLs and lists with where their bodies go.
func (f *fetchFlags) targets(args []string) error {
	o := &f.o
	for _, a := range args {
		if a == "-" {
			o.Targets = append(o.Targets, fetch.Target{List: "-"})
		} else {
			o.Targets = append(o.Targets, fetch.Target{URL: a})
		}
	}
	for _, l := range f.lists {
		o.Targets = append(o.Targets, fetch.Target{List: l})
	}
	if len(o.Targets) == 0 {
		return errors.New("no URL specified")
	}
	stdins := 0
	for _, t := range o.Targets {
		if t.List == "-" {
			stdins++
		}
	}
	if stdins > 1 {
		return errors.New("standard input can be read once only")
	}
	return f.pairOutputs()
}

// pairOutputs pairs the targets with -o and -O, in order.
func (f *fetchFlags) pairOutputs() error {
	o := &f.o
	remote := f.allRemote()
	for i := range o.Targets {
		t := &o.Targets[i]
		switch {
		case i < len(f.outputs):
			t.Output = f.outputs[i]
			if o.NDJSON && t.Output.Kind == fetch.ToStdout {
				return errors.New("--ndjson and a body cannot both go to standard output")
			}
		case remote:
			t.Output = fetch.Output{Kind: fetch.ToRemote}
		case o.NDJSON:
			t.Output = fetch.Output{Kind: fetch.ToNowhere}
		}
	}
	return nil
}

// allRemote reports whether -O is for all URLs: it is the only kind of output
// that was asked for, or there is only a directory to save in.
func (f *fetchFlags) allRemote() bool {
	if len(f.outputs) == 0 {
		return f.o.OutputDir != ""
	}
	for _, out := range f.outputs {
		if out.Kind != fetch.ToRemote {
			return false
		}
	}
	return true
}

// readInput reads what -d and -H name: files, or standard input.
func (p *program) readInput(f *fetchFlags) error {
	stdinTaken := false
	for _, t := range f.o.Targets {
		stdinTaken = stdinTaken || t.List == "-"
	}
	read := func(name string) ([]byte, error) {
		if name != "-" {
			return os.ReadFile(name)
		}
		if stdinTaken {
			return nil, errors.New("standard input can be read once only")
		}
		stdinTaken = true
		return io.ReadAll(p.in)
	}
	body, err := fetch.FormBody(f.data, read)
	if err != nil {
		return &fetch.Error{Code: fetch.ReadFailed, Err: err}
	}
	f.o.Data, f.o.HasData = body, len(f.data) > 0
	return f.readHeaders(&f.o, read)
}

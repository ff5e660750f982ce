package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cluster"
)

// state is what status shows.
type state struct {
	cluster.Stats
	Workers []cluster.Worker
}

func readState(ctx context.Context, c *cluster.Client) (s state, err error) {
	if s.Workers, err = c.Workers(ctx); err == nil {
		s.Stats, err = c.Stats(ctx)
	}
	return s, err
}

// line is the state in a line.
func (s *state) line() string {
	running, places, workers := 0, 0, 0
	var finished, failed uint64
	for _, w := range s.Workers {
		finished += w.Finished
		failed += w.Failed
		if w.State == cluster.Working {
			running += w.Running
			places += w.Places
			workers++
		}
	}
	return fmt.Sprintf("%d jobs in the cluster, %d workers with %d of %d places in use, %d jobs done, %d calls failed, %d dead letters",
		s.Jobs, workers, running, places, finished, failed, s.DeadLetters)
}

func (s *state) print(out io.Writer) {
	fmt.Fprintln(out, s.line())
	if len(s.Workers) == 0 {
		return
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "HOST\tPROCESS\tSTATE\tRUNNING\tHELD\tPLACES\tDONE\tFAILED\tSINCE")
	for _, w := range s.Workers {
		fmt.Fprintf(t, "%s\t%d\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", printable(w.Host), w.Process, printable(string(w.State)),
			w.Running, w.Held, w.Places, w.Finished, w.Failed, w.Began.Format(time.RFC3339))
	}
	_ = t.Flush()
}

// printable makes what others have written harmless to a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// withClient runs fn as a client of the cluster that the options name.
func (o *options) withClient(ctx context.Context, fn func(ctx context.Context, c *cluster.Client) error) error {
	return asyncio.Run(ctx, func(ctx context.Context) error {
		var opts []cluster.ConnectOption
		for _, opt := range o.client() {
			opts = append(opts, opt)
		}
		c, err := cluster.Connect(ctx, o.joined(), opts...)
		if err != nil {
			return err
		}
		err = fn(ctx, c)
		if e := c.Close(ctx); err == nil {
			err = e
		}
		return err
	})
}

func statusCommand(out io.Writer) *cobra.Command {
	o := new(options)
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the queue and the workers of a cluster",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withClient(cmd.Context(), func(ctx context.Context, c *cluster.Client) error {
				s, err := readState(ctx, c)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(out).Encode(s)
				}
				s.print(out)
				return nil
			})
		},
	}
	o.connection(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, and %q is one", cmd.Name(), args[0])
	}
	return nil
}

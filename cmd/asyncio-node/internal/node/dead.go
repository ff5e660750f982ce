package node

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cluster"
)

// deadCommand shows dead letters, and retries or drops them.
func deadCommand(out io.Writer) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:   "dead",
		Short: "List the jobs that have failed for the last time",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.withClient(cmd.Context(), func(ctx context.Context, c *cluster.Client) error {
				return eachLetter(ctx, c, func(l cluster.DeadLetter) error {
					_, err := fmt.Fprintf(out, "%d\t%s\t%s\t%s\t%s\n", l.Number, l.Time.Format(time.RFC3339), printable(l.Function), printable(l.Key), printable(l.Err.Error()))
					return err
				})
			})
		},
	}
	o.connection(cmd)
	cmd.AddCommand(
		lettersCommand("retry", "Submit them again", (*cluster.Client).RetryDeadLetter),
		lettersCommand("drop", "Remove them", (*cluster.Client).DropDeadLetter),
	)
	return cmd
}

// maxListed is how many dead letters are read at once.
const maxListed = 1000

func eachLetter(ctx context.Context, c *cluster.Client, fn func(cluster.DeadLetter) error) error {
	for after := uint64(0); ; {
		all, err := c.DeadLetters(ctx, after, maxListed)
		if err != nil {
			return err
		}
		for _, l := range all {
			if err := fn(l); err != nil {
				return err
			}
			after = l.Number
		}
		if len(all) < maxListed {
			return nil
		}
	}
}

func lettersCommand(name, short string, do func(*cluster.Client, context.Context, uint64) error) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:   name + " NUMBER... | all",
		Short: short,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s which dead letters? Give their numbers, or all", name)
			}
			for _, a := range args {
				if _, err := strconv.ParseUint(a, 10, 64); err != nil && (a != "all" || len(args) > 1) {
					return usagef("%s: %q is not the number of a dead letter", name, a)
				}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.withClient(cmd.Context(), func(ctx context.Context, c *cluster.Client) error {
				if args[0] == "all" {
					return eachLetter(ctx, c, func(l cluster.DeadLetter) error { return do(c, ctx, l.Number) })
				}
				for _, a := range args {
					number, _ := strconv.ParseUint(a, 10, 64) // as Args has seen
					if err := do(c, ctx, number); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	o.connection(cmd)
	return cmd
}

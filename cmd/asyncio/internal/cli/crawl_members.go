package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/remote"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/internal/natslink"
)

const memberLong = `Member makes fetches for crawls that were started with --join, on this machine or
on others. They meet at a NATS server, as asyncio-node is one:

  asyncio-node --listen 0.0.0.0:4222 --token secret
  NATS_TOKEN=secret asyncio crawl member --join nats://first:4222
  NATS_TOKEN=secret asyncio crawl https://example.com/ --join nats://first:4222

It keeps nothing, and may be started, stopped and killed at any time. Without --join
the server is in the environment: NATS_URL, NATS_TOKEN, NATS_CREDS, NATS_CA,
NATS_CERT, NATS_KEY.

Who reaches the server can have URLs fetched from here. Addresses that are not public
are refused unless both sides say --allow-private.`

func (p *program) crawlMemberCommand() *cobra.Command {
	o := &crawl.MemberOptions{}
	c := &cobra.Command{
		Use:   "member [flags]",
		Short: "Make fetches for crawls of other processes",
		Long:  memberLong,
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Places < 1 || o.Places > 1<<20 {
				return fmt.Errorf("--parallel-max %d is out of its range: it is from 1 to %d", o.Places, 1<<20)
			}
			s := p.streams()
			ctx, leave := context.WithCancel(c.Context())
			defer leave()
			if os.Getenv(natslink.EnvNode) != "" {
				go func() { // which the end of the process ends
					_, _ = io.Copy(io.Discard, p.in)
					leave()
				}()
			}
			err := p.onLoop(ctx, func(ctx context.Context) error {
				p.code = crawl.RunMember(ctx, o, s)
				return nil
			})
			if errors.Is(err, context.Canceled) { // it has left in order
				return nil
			}
			return err
		},
	}
	s := c.Flags()
	s.StringVar(&o.Join, "join", "", "the NATS server where crawls are met, as `nats://host:port`")
	s.IntVar(&o.Places, "parallel-max", crawl.DefaultPlaces, "so many requests at a time")
	s.BoolVar(&o.AllowPrivate, "allow-private", false, "allow addresses that are not public, where a crawl allows them, too")
	s.BoolVarP(&o.Silent, "silent", "s", false, "print nothing")
	return c
}

func (p *program) crawlStatusCommand() *cobra.Command {
	var join string
	c := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Show how far a crawl is, by its --state directory or at a NATS server",
		Long: `Status reads the journal of a crawl, which may be running, and counts its URLs. With
--join it asks the crawls and the members that are running at a NATS server.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && !c.Flags().Changed("join") {
				return errors.New("whose status? give a directory, or --join")
			}
			if len(args) > 0 {
				s, err := crawl.ReadStatus(args[0])
				if err != nil {
					return &fetch.Error{Code: fetch.ReadFailed, Err: err}
				}
				if _, err = fmt.Fprint(p.out, s); err != nil {
					return err
				}
			}
			if !c.Flags().Changed("join") {
				return nil
			}
			s, err := remote.ReadStatus(c.Context(), join, slog.New(slog.DiscardHandler))
			if err != nil {
				return &fetch.Error{Code: fetch.CannotConnect, Err: err}
			}
			return p.printRunning(s)
		},
	}
	c.Flags().StringVar(&join, "join", "", "ask at this NATS server, as `nats://host:port`; empty: that of the environment")
	return c
}

// printRunning prints what runs at a NATS server.
func (p *program) printRunning(s *remote.Status) error {
	w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "CRAWL\tOWNER\tSAVED\tNOT SAVED\tQUEUED\tACTIVE\tLOST\tHOSTS\tPAGES/S\tBYTES\tTIME\n")
	for _, c := range s.Crawls {
		what := c.State
		if what == "" {
			what = c.Root
		}
		fmt.Fprintf(w, "%s\t%s %d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%s\t%s\n", fetch.Printable(what), fetch.Printable(c.Host), c.Process,
			c.Saved, c.Redirected+c.Ended, c.Queued, c.Active, c.Lost, c.Hosts, float64(c.Requests)/max(c.Seconds, 0.001),
			fetch.SizeText(c.Bytes), fetch.TimeText(time.Duration(c.Seconds*float64(time.Second))))
	}
	fmt.Fprintf(w, "\nMEMBER\tPROCESS\tRUNNING\tPLACES\tFETCHED\t\n")
	for _, m := range s.Members {
		state := ""
		if m.Leaving {
			state = "leaving"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", fetch.Printable(m.Host), m.Process, m.Running, m.Places, m.Fetched, state)
	}
	return w.Flush()
}

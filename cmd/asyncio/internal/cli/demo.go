package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/demo"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

func (p *program) demoCommand() *cobra.Command {
	pages := 0
	c := &cobra.Command{
		Use:   "demo",
		Short: "Fetch two hundred pages at once from two sites that it runs itself",
		Long: `Demo starts an http and an https site on this machine, whose pages take 0.1 to
0.9 seconds each, and fetches two hundred of them at once. Sites and client run
on one event loop, in one thread.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.demo(c.Context(), pages) },
	}
	c.Flags().IntVar(&pages, "pages", 200, "so many pages")
	return c
}

func (p *program) demo(ctx context.Context, pages int) error {
	if pages < 1 {
		return errors.New("--pages must be at least 1")
	}
	s := p.streams()
	err := p.onLoop(ctx, func(ctx context.Context) error {
		fmt.Fprintf(p.out, "Fetching %d pages from two sites on this machine, all at once ...\n", pages)
		r, err := demo.Run(ctx, pages, demoProgress(s, pages))
		if s.Width != nil {
			fmt.Fprintln(p.err) // the bar stays
		}
		if err != nil {
			return &fetch.Error{Code: fetch.ReceiveFailed, Err: err}
		}
		fmt.Fprintln(p.out, r)
		return nil
	})
	if asyncio.IsCancelled(err) || ctx.Err() != nil {
		return &fetch.Error{Code: fetch.Interrupted, Err: errors.New("interrupted")}
	}
	return err
}

// demoInterval is how often the bar is drawn, as that of fetch is.
const demoInterval = 500 * time.Millisecond

// demoProgress draws a bar, on a terminal: when it begins, now and then, and
// when it is full.
func demoProgress(s fetch.Streams, pages int) func(done int) {
	if s.Width == nil {
		return func(int) {}
	}
	var drawn time.Time
	draw := func(done int) {
		if done < pages && time.Since(drawn) < demoInterval {
			return
		}
		drawn = time.Now()
		_, _ = io.WriteString(s.Stderr, "\r\x1b[K"+fetch.Bar(done, pages, " pages", s.Width(), s.Color))
	}
	draw(0)
	return draw
}

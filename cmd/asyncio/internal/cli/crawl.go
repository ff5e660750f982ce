package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

const crawlLong = `Crawl follows links from the roots and saves what it fetches, on one event loop.
Options have the names that wget and katana have; those about connections are
fetch's.

It is polite by default: it heeds robots.txt, asks a host for two things at a time
at most, and waits half a second and longer between two requests to it. For a host
of your own, --wait 0 takes the pauses away, and --no-robots the rules. Addresses
that are not public are refused unless --allow-private permits them.

It stays on the hosts of the roots, with and without "www.", or in the domains of
-D. With --state DIR it keeps a journal there, and --resume goes on with a crawl
that was interrupted, killed or cut off from its power: nothing is fetched twice
but what was under way.

With --join other processes make the fetches, on this machine or on others: those
that were started as asyncio crawl member. Everything else stays here.

The exit code is 0 also when some pages could not be fetched, 23 when what was
fetched could not be saved, and 130 after an interrupt.`

// crawlFlags are the options as they stand on the command line.
type crawlFlags struct {
	connectionFlags
	level          string
	accept, reject []string
	acceptRegex    string
	rejectRegex    string

	o crawl.Options
}

func (p *program) crawlCommand() *cobra.Command {
	f := &crawlFlags{}
	c := &cobra.Command{
		Use:   "crawl [flags] URL...",
		Short: "Follow links and save what they lead to",
		Long:  crawlLong,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.crawlOptions(f, c, args); err != nil {
				return err
			}
			s := p.streams()
			return p.onLoop(c.Context(), func(ctx context.Context) error {
				p.code = crawl.Run(ctx, &f.o, s)
				return nil
			})
		},
	}
	f.define(c)
	c.AddCommand(p.crawlStatusCommand(), p.crawlMemberCommand())
	return c
}

func (f *crawlFlags) define(c *cobra.Command) {
	o, s := &f.o, c.Flags()
	s.SortFlags = false
	o.Fetch.Compressed, o.Fetch.ConnectTimeout, o.Fetch.MaxTime = true, 20*time.Second, 60*time.Second
	o.Wait, o.MaxFilesize, o.WARCSize = crawl.DefaultWait, crawl.DefaultMaxFilesize, crawl.DefaultWARCSize
	s.StringVarP(&f.level, "level", "l", fmt.Sprint(crawl.DefaultLevel), "at most so many links from a root; 0 or inf: no bound")
	s.StringSliceVarP(&o.Domains, "domains", "D", nil, "stay in these domains, with all below them")
	s.BoolVar(&o.NoParent, "no-parent", false, "fetch nothing above the directories of the roots")
	s.StringSliceVarP(&f.accept, "accept", "A", nil, "save only files with these suffixes, or that match these patterns")
	s.StringSliceVarP(&f.reject, "reject", "R", nil, "save no such files")
	s.StringVar(&f.acceptRegex, "accept-regex", "", "fetch only URLs that match this `regex`")
	s.StringVar(&f.rejectRegex, "reject-regex", "", "fetch no URLs that match this `regex`")
	s.VarP(value[time.Duration](&o.Wait, fetch.ParseSeconds), "wait", "w", "wait so many `seconds` between two requests to a host (0.5, and longer for a slow one)")
	s.BoolVar(&o.RandomWait, "random-wait", false, "wait half to one and a half times as long")
	s.VarP(value[int64](&o.Quota, fetch.ParseSize), "quota", "Q", "start nothing more after so many `bytes`")
	s.StringVarP(&o.Directory, "directory-prefix", "P", ".", "save files below this `directory`; empty: save nothing")
	s.IntVar(&o.MaxRedirs, "max-redirs", crawl.DefaultMaxRedirs, "follow at most so many redirects from one URL")
	s.IntVar(&o.MaxPages, "max-pages", 0, "fetch at most so many URLs; 0: no bound")
	s.IntVar(&o.MaxPagesHost, "max-pages-host", 0, "take at most so many URLs of a host; 0: no bound")
	s.IntVar(&o.Parallel, "parallel-max", crawl.DefaultParallel, "so many requests at a time")
	s.IntVar(&o.ParallelHost, "parallel-max-host", crawl.DefaultParallelHost, "so many of them to one host")
	s.IntVar(&o.ParallelAddress, "parallel-max-address", crawl.DefaultParallelAddress, "so many of them to one address; 0: no bound")
	s.IntVar(&o.Tries, "tries", crawl.DefaultTries, "try each URL at most so often")
	s.Var(value[int64](&o.MaxFilesize, fetch.ParseSize), "max-filesize", "give up bodies of more `bytes`, counted unpacked (16M)")
	s.BoolVar(&o.NoRobots, "no-robots", false, "heed neither robots.txt nor nofollow")
	s.BoolVar(&o.Sitemaps, "sitemaps", false, "take the URLs of sitemaps, too")
	s.BoolVar(&o.Requisites, "page-requisites", false, "fetch what is needed to show pages: images, style sheets, scripts")
	s.BoolVar(&o.Convert, "convert-links", false, "in the end, let links lead to saved files")
	s.BoolVar(&o.AllowPrivate, "allow-private", false, "allow addresses that are not public: of this machine, of private networks")
	s.StringVar(&o.State, "state", "", "keep a journal in this `directory`, for --resume")
	s.BoolVar(&o.Resume, "resume", false, "go on with the crawl of --state")
	s.BoolVar(&o.Sync, "fsync", false, "sync files and journal, so that a loss of power loses nothing")
	s.StringVar(&o.Join, "join", "", "have the members at this NATS server make the fetches: `nats://host:port`")
	s.BoolVar(&o.NDJSON, "ndjson", false, "print a JSON object a line for each URL")
	s.StringVar(&o.WARC, "warc-file", "", "write requests and responses into WARC files that begin with this `name`")
	s.Var(value[int64](&o.WARCSize, fetch.ParseSize), "warc-max-size", "begin another WARC file after so many `bytes` (1G)")
	s.BoolVarP(&o.Silent, "silent", "s", false, "no progress, no report")
	s.BoolVarP(&o.Verbose, "verbose", "v", false, "print a line for each URL")
	s.BoolVar(&o.NoProgress, "no-progress-meter", false, "no progress")
	f.connectionFlags.define(s, &o.Fetch, "")
}

// crawlOptions makes crawl's options of the flags.
func (p *program) crawlOptions(f *crawlFlags, c *cobra.Command, args []string) error {
	o := &f.o
	o.Roots = args
	if err := f.check(); err != nil {
		return err
	}
	if err := f.patterns(); err != nil {
		return err
	}
	for i, d := range o.Domains {
		o.Domains[i] = strings.ToLower(strings.Trim(strings.TrimSpace(d), "."))
	}
	read := func(name string) ([]byte, error) {
		if name == "-" {
			return io.ReadAll(p.in)
		}
		return os.ReadFile(name)
	}
	if err := f.readHeaders(&o.Fetch, read); err != nil {
		return err
	}
	err := f.connectionFlags.set(p, &o.Fetch, c.Flags().Changed)
	o.CA, o.Insecure = f.ca, f.insecure
	return err
}

// check returns an error for values that options cannot have, or not together.
func (f *crawlFlags) check() error {
	o := &f.o
	switch {
	case len(o.Roots) == 0 && !o.Resume:
		return errors.New("no URL specified")
	case o.Resume && o.State == "":
		return errors.New("--resume needs --state")
	case o.Convert && o.Directory == "":
		return errors.New("--convert-links needs --directory-prefix")
	}
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"parallel-max", o.Parallel, 1, 1 << 20}, {"parallel-max-host", o.ParallelHost, 1, 1 << 20}, {"parallel-max-address", o.ParallelAddress, 0, 1 << 20},
		{"max-redirs", o.MaxRedirs, 0, 255}, {"tries", o.Tries, 1, 255}, {"max-pages", o.MaxPages, 0, 1 << 30}, {"max-pages-host", o.MaxPagesHost, 0, 1 << 30},
	} {
		if n.value < n.min || n.value > n.max {
			return fmt.Errorf("--%s %d is out of its range: it is from %d to %d", n.name, n.value, n.min, n.max)
		}
	}
	if f.level == "inf" {
		f.level = "0"
	}
	if n, err := fmt.Sscan(f.level, &o.Level); n != 1 || err != nil || o.Level < 0 || o.Level > 1<<15 {
		return fmt.Errorf("--level %s: it is a number of links, or inf", f.level)
	}
	return nil
}

// patterns reads what decides about names and URLs.
func (f *crawlFlags) patterns() (err error) {
	o := &f.o
	o.Accept, o.Reject = f.accept, f.reject
	for _, p := range append(o.Accept, o.Reject...) {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q is not a pattern: %w", p, err)
		}
	}
	if f.acceptRegex != "" {
		if o.AcceptRegexp, err = regexp.Compile(f.acceptRegex); err != nil {
			return fmt.Errorf("--accept-regex: %w", err)
		}
	}
	if f.rejectRegex != "" {
		if o.RejectRegexp, err = regexp.Compile(f.rejectRegex); err != nil {
			return fmt.Errorf("--reject-regex: %w", err)
		}
	}
	return nil
}

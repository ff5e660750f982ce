package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
	lists      []string
	outputs    []fetch.Output
	headers    []string
	data       []string
	user       string
	proxy      string
	resolve    []string
	caFile     string
	insecure   bool
	userAgent  string
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
	s.StringArrayVarP(&f.headers, "header", "H", nil, "send a `header`; @file for many")
	s.StringArrayVarP(&f.data, "data", "d", nil, "POST `data`; @file for a file's")
	s.StringVarP(&f.userAgent, "user-agent", "A", "", "send this User-Agent `name`")
	s.StringVarP(&f.user, "user", "u", "", "`user:password` for the server")
	s.StringVarP(&f.proxy, "proxy", "x", "", "use this proxy: `[protocol://]host[:port]`")
	s.BoolVarP(&f.insecure, "insecure", "k", false, "allow TLS servers without a good certificate")
	s.StringVar(&f.caFile, "cacert", "", "`file` with the certificates of authorities")
	s.BoolVar(&o.Compressed, "compressed", false, "ask for a packed response, and unpack it")
	s.Var(value[time.Duration](&o.ConnectTimeout, fetch.ParseSeconds), "connect-timeout", "so many `seconds` for connecting")
	s.VarP(value[time.Duration](&o.MaxTime, fetch.ParseSeconds), "max-time", "m", "so many `seconds` for a transfer")
	s.Int64VarP(&o.SpeedLimit, "speed-limit", "Y", 0, "give up transfers slower than this, in `bytes` a second")
	s.VarP(value[time.Duration](&o.SpeedTime, fetch.ParseSeconds), "speed-time", "y", "when they were so for so many `seconds` (30)")
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
	s.StringArrayVar(&f.resolve, "resolve", nil, "`host:port:address[,address]`: the addresses of a host")
}

// fetchOptions makes fetch's options of the flags.
func (p *program) fetchOptions(f *fetchFlags, c *cobra.Command, args []string) error {
	o, given := &f.o, c.Flags().Changed
	if err := f.inRange(); err != nil {
		return err
	}
	if given("speed-time") && !given("speed-limit") {
		o.SpeedLimit = 1
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
	return p.connectionOptions(f, given)
}

// inRange returns an error for a value that an option cannot have.
func (f *fetchFlags) inRange() error {
	o := &f.o
	if o.ParallelMax < 1 || o.ParallelMaxHost < 0 || o.Retry < 0 || o.SpeedLimit < 0 || o.MaxRedirs < -1 {
		return errors.New("--parallel-max, --parallel-max-host, --retry, --speed-limit or --max-redirs is out of its range")
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

// connectionOptions sets the options about connections and what is sent on them.
func (p *program) connectionOptions(f *fetchFlags, given func(name string) bool) error {
	o := &f.o
	if given("user-agent") {
		o.UserAgent = &f.userAgent
	}
	if given("proxy") {
		o.Proxy = &f.proxy
	}
	for _, s := range f.resolve {
		r, err := fetch.ParseResolve(s)
		if err != nil {
			return fmt.Errorf("--resolve: %w", err)
		}
		o.Resolve = append(o.Resolve, r)
	}
	if given("user") {
		user, err := p.userInfo(f.user)
		if err != nil {
			return err
		}
		o.User = user
	}
	return f.tlsConfig()
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
	for _, s := range f.headers {
		lines := []string{s}
		if name, isFile := strings.CutPrefix(s, "@"); isFile {
			b, err := read(name)
			if err != nil {
				return &fetch.Error{Code: fetch.ReadFailed, Err: fmt.Errorf("-H %s: %w", s, err)}
			}
			lines = strings.Split(string(b), "\n")
		}
		for _, line := range lines {
			if line = strings.TrimRight(line, "\r"); line == "" {
				continue
			}
			h, err := fetch.ParseHeader(line)
			if err != nil {
				return err
			}
			f.o.Headers = append(f.o.Headers, h)
		}
	}
	return nil
}

// userInfo splits user and password, and asks for the password where there is
// none and somebody to ask.
func (p *program) userInfo(s string) (*url.Userinfo, error) {
	user, password, has := strings.Cut(s, ":")
	if in := terminal(p.in); !has && in != nil {
		fmt.Fprintf(p.err, "Enter password for user '%s':", user)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(p.err)
		if err != nil {
			return nil, fmt.Errorf("-u: %w", err)
		}
		password = string(b)
	}
	return url.UserPassword(user, password), nil
}

func (f *fetchFlags) tlsConfig() error {
	cfg := &tls.Config{
		InsecureSkipVerify: f.insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(256),
	}
	if f.caFile != "" {
		b, err := os.ReadFile(f.caFile)
		if err != nil {
			return &fetch.Error{Code: fetch.BadCAFile, Err: fmt.Errorf("--cacert: %w", err)}
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(b) {
			return &fetch.Error{Code: fetch.BadCAFile, Err: fmt.Errorf("--cacert %s: it holds no certificate", f.caFile)}
		}
	}
	f.o.TLS = cfg
	return nil
}

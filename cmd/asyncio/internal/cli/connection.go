package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
)

// connectionFlags are the options about connections, and about what is sent on
// them, as they stand on the command line.
type connectionFlags struct {
	headers   []string
	user      string
	proxy     string
	resolve   []string
	caFile    string
	ca        []byte // what is in it
	insecure  bool
	userAgent string
}

// define defines the options. agentShort is the letter for --user-agent, if it
// has one.
func (f *connectionFlags) define(s *pflag.FlagSet, o *fetch.Options, agentShort string) {
	s.StringArrayVarP(&f.headers, "header", "H", nil, "send a `header`; @file for many")
	s.StringVarP(&f.userAgent, "user-agent", agentShort, "", "send this User-Agent `name`")
	s.StringVarP(&f.user, "user", "u", "", "`user:password` for the server")
	s.StringVarP(&f.proxy, "proxy", "x", "", "use this proxy: `[protocol://]host[:port]`")
	s.BoolVarP(&f.insecure, "insecure", "k", false, "allow TLS servers without a good certificate")
	s.StringVar(&f.caFile, "cacert", "", "`file` with the certificates of authorities")
	s.BoolVar(&o.Compressed, "compressed", o.Compressed, "ask for a packed response, and unpack it")
	s.Var(value[time.Duration](&o.ConnectTimeout, fetch.ParseSeconds), "connect-timeout", "so many `seconds` for connecting")
	s.VarP(value[time.Duration](&o.MaxTime, fetch.ParseSeconds), "max-time", "m", "so many `seconds` for a transfer")
	s.Int64VarP(&o.SpeedLimit, "speed-limit", "Y", 0, "give up transfers slower than this, in `bytes` a second")
	s.VarP(value[time.Duration](&o.SpeedTime, fetch.ParseSeconds), "speed-time", "y", "when they were so for so many `seconds` (30)")
	for _, v := range []struct {
		name, usage string
		version     fetch.HTTPVersion
	}{
		{"http1.1", "speak HTTP/1.1 only", fetch.HTTP1},
		{"http2", "speak HTTP/2 with https servers that offer it, which is done anyway", fetch.HTTPAny},
		{"http2-prior-knowledge", "speak HTTP/2 from the first byte on, without TLS, too", fetch.HTTP2Only},
	} {
		s.Var(&versionValue{to: &o.HTTP, version: v.version}, v.name, v.usage)
		s.Lookup(v.name).NoOptDefVal = "true"
	}
	s.StringArrayVar(&f.resolve, "resolve", nil, "`host:port:address[,address]`: the addresses of a host")
}

// set sets what the options ask for, but for the headers.
func (f *connectionFlags) set(p *program, o *fetch.Options, given func(name string) bool) error {
	if o.SpeedLimit < 0 {
		return errors.New("--speed-limit is out of its range")
	}
	if given("speed-time") && !given("speed-limit") {
		o.SpeedLimit = 1
	}
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
	return f.tlsConfig(o)
}

// readHeaders sets the headers, some of which read reads from files.
func (f *connectionFlags) readHeaders(o *fetch.Options, read func(name string) ([]byte, error)) error {
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
			o.Headers = append(o.Headers, h)
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

func (f *connectionFlags) tlsConfig(o *fetch.Options) error {
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
		f.ca = b
	}
	o.TLS = cfg
	return nil
}

package cli

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/certificate"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/fetch"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/serve"
)

const serveLong = `Serve is a web server of the files in DIR, or else of the current directory, over
HTTP/1.1 and HTTP/2, also without TLS for clients that begin with it.

It says on standard error where it listens, and writes the access log to standard
output. Nobody but this machine reaches it unless --listen has another address:
--listen :8000 is for all. Names that begin with a dot are not there unless --hidden
is given, and links lead nowhere outside DIR.

The first interrupt or SIGTERM lets requests that are under way end, for ten
seconds; the second ends it at once.`

// serveFailed is the exit code of a server that could not begin, or ended badly.
const serveFailed fetch.Code = 1

// serveFlags are the options as they stand on the command line.
type serveFlags struct {
	secure    bool
	cert, key string

	o serve.Options
}

func (p *program) serveCommand() *cobra.Command {
	f := &serveFlags{}
	o := &f.o
	c := &cobra.Command{
		Use:   "serve [flags] [DIR]",
		Short: "Serve the files of a directory over HTTP",
		Long:  serveLong,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.Dir = args[0]
			}
			if err := f.check(c.Flags().Changed); err != nil {
				return err
			}
			if err := f.tlsConfig(p); err != nil {
				return p.serveError(err)
			}
			loop, err := p.loopOptions()
			if err != nil {
				return err
			}
			return p.serveError(serve.Run(c.Context(), o, p.out, p.err, loop...))
		},
	}
	s := c.Flags()
	s.SortFlags = false
	s.StringVarP(&o.Listen, "listen", "l", serve.DefaultListen, "listen at this `host:port`; port 0 for any")
	s.BoolVar(&f.secure, "tls", false, "https, with a certificate made for localhost unless --tls-cert names one")
	s.StringVar(&f.cert, "tls-cert", "", "https, with the certificates in this PEM `file`")
	s.StringVar(&f.key, "tls-key", "", "`file` with the key of the certificate (that of --tls-cert)")
	s.Var(value[serve.Versions](&o.HTTP, serve.ParseVersions), "http", "`version` of HTTP to speak: all (which it is without), 1.1 or 2")
	s.IntVar(&o.Workers, "workers", 1, "so many event loops, each on a core; 0: one for each core")
	s.Var(value[serve.LogFormat](&o.Log, serve.ParseLogFormat), "log", "`format` of the access log: common (which it is without), json or none")
	s.BoolVar(&o.Hidden, "hidden", false, "names that begin with a dot, too")
	s.BoolVar(&o.Upload, "upload", false, "let PUT make files, or replace them")
	s.Var(value[int64](&o.MaxUpload, fetch.ParseSize), "max-upload", "refuse uploads of more `bytes` (100M)")
	return c
}

// check returns an error for options that contradict each other.
func (f *serveFlags) check(given func(name string) bool) error {
	switch {
	case f.key != "" && f.cert == "":
		return errors.New("--tls-key is of no use without --tls-cert")
	case f.o.Workers < 0:
		return fmt.Errorf("--workers %d is out of its range", f.o.Workers)
	case given("max-upload") && !f.o.Upload:
		return errors.New("--max-upload is of no use without --upload")
	case given("max-upload") && f.o.MaxUpload < 1:
		return errors.New("--max-upload must be at least 1")
	}
	if _, _, err := net.SplitHostPort(f.o.Listen); err != nil {
		return fmt.Errorf("--listen %q is no host:port: %w", f.o.Listen, err)
	}
	return nil
}

// tlsConfig reads the certificate, or makes one.
func (f *serveFlags) tlsConfig(p *program) error {
	var cert tls.Certificate
	var err error
	switch {
	case f.cert != "":
		key := f.key
		if key == "" {
			key = f.cert
		}
		if cert, err = tls.LoadX509KeyPair(f.cert, key); err != nil {
			return fmt.Errorf("serve: --tls-cert %s: %w", f.cert, err)
		}
	case f.secure:
		host, _, _ := net.SplitHostPort(f.o.Listen) // it was looked at before
		if cert, _, err = certificate.New("asyncio serve", host); err != nil {
			return fmt.Errorf("serve: certificate: %w", err)
		}
		fmt.Fprintf(p.err, "asyncio: made a certificate for localhost, which no client trusts by itself; its SHA-256 is %x\n", sha256.Sum256(cert.Certificate[0]))
	default:
		return nil
	}
	f.o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	return nil
}

// serveError prints the error of a server and sets the exit code for it.
func (p *program) serveError(err error) error {
	if err != nil {
		fmt.Fprintf(p.err, "asyncio: %s\n", fetch.Printable(err.Error()))
		p.code = serveFailed
	}
	return nil
}

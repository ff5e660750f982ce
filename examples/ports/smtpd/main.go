// Command smtpd takes mail and keeps it in a maildir, as Python's aiosmtpd does with its
// handler Mailbox.
//
//	smtpd [-cert FILE -key FILE] [-size BYTES] MAILDIR [ADDRESS]
//
// The same as there: HELO, EHLO with SIZE, 8BITMIME, SMTPUTF8 and STARTTLS, MAIL, RCPT,
// DATA, RSET, NOOP, VRFY and QUIT with the answers of RFC 5321; dots at the beginning of
// lines are taken off; lines and messages have limits; after STARTTLS all begins anew; a
// message gets a Delivered-To and an X-Peer of its sender and is in the maildir, whole, when
// the client is told so.
//
// Other than there: no AUTH and no LMTP. A file is written by a thread, where aiosmtpd
// blocks its loop.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

const (
	maxLine  = 1001 // with its end, as RFC 5321 has it
	patience = 5 * time.Minute
)

// A server takes mail for a maildir.
type server struct {
	dir     string
	maxSize int
	tls     *tls.Config // nil: there is no STARTTLS
	last    int         // the number of the last message
}

func main() {
	s := &server{}
	cert := flag.String("cert", "", "a certificate, for STARTTLS")
	key := flag.String("key", "", "its key")
	flag.IntVar(&s.maxSize, "size", 32<<20, "the largest message")
	flag.Parse()
	asyncio.Main(func(ctx context.Context) error {
		if flag.NArg() < 1 || flag.NArg() > 2 {
			return errors.New("usage: smtpd [flags] MAILDIR [ADDRESS]")
		}
		s.dir = flag.Arg(0)
		if *cert != "" {
			pair, err := tls.LoadX509KeyPair(*cert, *key)
			if err != nil {
				return err
			}
			s.tls = &tls.Config{Certificates: []tls.Certificate{pair}}
		}
		address := "127.0.0.1:8025"
		if flag.NArg() == 2 {
			address = flag.Arg(1)
		}
		srv, err := s.start(ctx, address)
		if err != nil {
			return err
		}
		fmt.Println("listening at", srv.Addr())
		return srv.Serve(ctx, 10*time.Second)
	})
}

// start makes the maildir and listens.
func (s *server) start(ctx context.Context, address string) (*asyncio.Server, error) {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := asyncfile.MkdirAll(ctx, filepath.Join(s.dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	return asyncio.StartServer(ctx, "tcp", address, s.serve, asyncio.WithLimit(maxLine))
}

// A session is a connection.
type session struct {
	*server
	stream *asyncio.Stream
	hello  string
	secure bool
	from   string
	mail   bool // there was a MAIL
	to     []string
}

// errEnd ends a session of which all is said.
var errEnd = errors.New("the end")

// serve is the task of a client.
func (s *server) serve(ctx context.Context, stream *asyncio.Stream) error {
	c := &session{server: s, stream: stream}
	if err := c.say("220 smtpd ready"); err != nil {
		return err
	}
	for {
		err := asyncio.Timeout(ctx, patience, c.step)
		switch {
		case errors.Is(err, errEnd):
			return nil
		case asyncio.IsCancelled(err):
			c.say("421 the server ends")
			return err
		case err != nil:
			return err
		}
	}
}

// step is one command and its answer.
func (c *session) step(ctx context.Context) error {
	line, err := c.stream.ReadText(ctx)
	if errors.Is(err, asyncio.ErrLineTooLong) {
		if err := c.stream.SkipLine(ctx); err != nil {
			return err
		}
		return c.say("500 the line is too long")
	}
	if err != nil {
		return err
	}
	verb, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	switch verb = strings.ToUpper(verb); verb {
	case "HELO", "EHLO":
		return c.greet(verb, arg)
	case "STARTTLS":
		return c.startTLS(ctx)
	case "MAIL":
		return c.begin(arg)
	case "RCPT":
		return c.add(arg)
	case "DATA":
		return c.data(ctx)
	case "RSET":
		c.reset()
		return c.say("250 OK")
	case "NOOP":
		return c.say("250 OK")
	case "VRFY":
		return c.say("252 I will take it, and see")
	case "QUIT":
		return errors.Join(c.say("221 Bye"), errEnd)
	}
	return c.say("500 %q is no command", verb)
}

// say sends an answer.
func (c *session) say(format string, args ...any) error {
	_, err := fmt.Fprintf(c.stream, format+"\r\n", args...)
	return err
}

func (c *session) reset() { c.mail, c.from, c.to = false, "", nil }

func (c *session) greet(verb, name string) error {
	if name == "" {
		return c.say("501 who is it?")
	}
	c.reset()
	c.hello = name
	if verb == "HELO" {
		return c.say("250 smtpd")
	}
	lines := []string{"smtpd", fmt.Sprint("SIZE ", c.maxSize), "8BITMIME"}
	if c.tls != nil && !c.secure {
		lines = append(lines, "STARTTLS")
	}
	return c.say("250-%s\r\n250 SMTPUTF8", strings.Join(lines, "\r\n250-"))
}

func (c *session) startTLS(ctx context.Context) error {
	if c.tls == nil || c.secure {
		return c.say("454 TLS is not available")
	}
	if err := c.say("220 go ahead"); err != nil {
		return err
	}
	if err := c.stream.StartServerTLS(ctx, c.tls); err != nil {
		return err
	}
	c.secure, c.hello = true, ""
	c.reset()
	return nil
}

// path returns the address of "FROM:<a@b> SIZE=7" and its parameters.
func path(arg, word string) (address string, params []string, ok bool) {
	if len(arg) < len(word) || !strings.EqualFold(arg[:len(word)], word) {
		return "", nil, false
	}
	rest := strings.TrimSpace(arg[len(word):])
	address, rest, ok = strings.Cut(strings.TrimPrefix(rest, "<"), ">")
	return address, strings.Fields(rest), ok && !strings.ContainsAny(address, " <\t")
}

func (c *session) begin(arg string) error {
	from, params, ok := path(arg, "FROM:")
	switch {
	case c.hello == "":
		return c.say("503 say HELO first")
	case c.mail:
		return c.say("503 there is a message already")
	case !ok:
		return c.say("501 MAIL FROM:<address>")
	}
	for _, p := range params {
		if value, is := strings.CutPrefix(strings.ToUpper(p), "SIZE="); is {
			if n, err := strconv.Atoi(value); err != nil || n > c.maxSize {
				return c.say("552 the message is too large")
			}
		}
	}
	c.mail, c.from = true, from
	return c.say("250 OK")
}

func (c *session) add(arg string) error {
	to, _, ok := path(arg, "TO:")
	switch {
	case !c.mail:
		return c.say("503 say MAIL first")
	case !ok || to == "":
		return c.say("501 RCPT TO:<address>")
	}
	c.to = append(c.to, to)
	return c.say("250 OK")
}

// data takes the message, to its end also where it is too large.
func (c *session) data(ctx context.Context) error {
	if len(c.to) == 0 {
		return c.say("503 say RCPT first")
	}
	if err := c.say("354 end with a dot"); err != nil {
		return err
	}
	var message bytes.Buffer
	fmt.Fprintf(&message, "Return-Path: <%s>\r\nDelivered-To: %s\r\nX-Peer: %v\r\n", c.from, strings.Join(c.to, ", "), c.stream.RemoteAddr())
	size, tooLong := 0, false
	for {
		line, err := c.stream.ReadLine(ctx)
		if errors.Is(err, asyncio.ErrLineTooLong) {
			tooLong = true
			if err := c.stream.SkipLine(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if string(line) == ".\r\n" {
			break
		}
		line = bytes.TrimPrefix(line, []byte("."))
		if size += len(line); size <= c.maxSize {
			message.Write(line)
		}
	}
	defer c.reset()
	switch {
	case tooLong:
		return c.say("500 a line is too long")
	case size > c.maxSize:
		return c.say("552 the message is too large")
	}
	name, err := c.keep(ctx, message.Bytes())
	if asyncio.IsCancelled(err) {
		return err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "a message is not kept:", err)
		return c.say("451 it cannot be kept")
	}
	return c.say("250 OK %s", name)
}

// keep puts a message into the maildir: whole, and under a name that no other has.
func (s *server) keep(ctx context.Context, message []byte) (name string, err error) {
	s.last++
	name = fmt.Sprintf("%d.P%dQ%d.smtpd", time.Now().Unix(), os.Getpid(), s.last)
	draft := filepath.Join(s.dir, "tmp", name)
	if err := asyncfile.WriteFile(ctx, draft, message, 0o600); err != nil {
		return "", err
	}
	return name, asyncfile.Rename(ctx, draft, filepath.Join(s.dir, "new", name))
}

package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// with runs use with a server and its address.
func with(t *testing.T, s *server, use func(ctx context.Context, address string)) {
	t.Helper()
	s.dir = filepath.Join(t.TempDir(), "mail")
	asynctest.Run(t, func(ctx context.Context) {
		srv, err := s.start(ctx, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		use(ctx, srv.Addr().String())
		srv.Close()
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
	}, asynctest.WithRealClock())
}

// kept returns the messages in the maildir.
func (s *server) kept(t *testing.T) (messages []string) {
	t.Helper()
	for _, sub := range []string{"new", "tmp"} {
		files, err := os.ReadDir(filepath.Join(s.dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(filepath.Join(s.dir, sub, f.Name()))
			if err != nil || sub == "tmp" {
				t.Errorf("%s is left in %s, %v", f.Name(), sub, err)
			}
			messages = append(messages, string(text))
		}
	}
	return messages
}

// The client is net/smtp, which knows nothing of a loop.
func TestMailOverTLSIsKept(t *testing.T) {
	site := httptest.NewTLSServer(nil) // has a certificate
	defer site.Close()
	s := &server{maxSize: 1 << 20, tls: &tls.Config{Certificates: site.TLS.Certificates}}
	with(t, s, func(ctx context.Context, address string) {
		stream, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := smtp.NewClient(stream.Conn(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		if ok, size := c.Extension("SIZE"); !ok || size != "1048576" {
			t.Error("SIZE is", size)
		}
		check(c.StartTLS(&tls.Config{InsecureSkipVerify: true}))
		if ok, _ := c.Extension("STARTTLS"); ok {
			t.Error("it offers TLS in TLS")
		}
		check(c.Mail("a@example.com"))
		check(c.Rcpt("b@example.com"))
		check(c.Rcpt("c@example.com"))
		w, err := c.Data()
		check(err)
		fmt.Fprint(w, "Subject: x\r\n\r\n.dots\r\n..\r\nend\r\n")
		check(w.Close())
		check(c.Quit())
		stream.Close()
	})
	kept := s.kept(t)
	if len(kept) != 1 {
		t.Fatalf("%q", kept)
	}
	head, body, _ := strings.Cut(kept[0], "\r\n\r\n")
	if !strings.HasPrefix(head, "Return-Path: <a@example.com>\r\nDelivered-To: b@example.com, c@example.com\r\nX-Peer: 127.0.0.1:") || !strings.HasSuffix(head, "\r\nSubject: x") {
		t.Errorf("its head is %q", head)
	}
	if body != ".dots\r\n..\r\nend\r\n" {
		t.Errorf("its body is %q", body)
	}
}

func TestAnswers(t *testing.T) {
	s := &server{maxSize: 40}
	with(t, s, func(ctx context.Context, address string) {
		stream, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		answer := func() string {
			line, err := stream.ReadLine(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(line))
		}
		if got := answer(); got != "220 smtpd ready" {
			t.Error(got)
		}
		long := strings.Repeat("x", 2000)
		for _, step := range []struct{ say, want string }{
			{"MAIL FROM:<a@b>", "503 say HELO first"},
			{"HELO", "501 who is it?"},
			{"helo me", "250 smtpd"},
			{"STARTTLS", "454 TLS is not available"},
			{"RCPT TO:<a@b>", "503 say MAIL first"},
			{"DATA", "503 say RCPT first"},
			{"MAIL a@b", "501 MAIL FROM:<address>"},
			{"MAIL FROM:<a@b> SIZE=41", "552 the message is too large"},
			{"MAIL FROM:<>", "250 OK"},
			{"MAIL FROM:<>", "503 there is a message already"},
			{"RCPT TO:<>", "501 RCPT TO:<address>"},
			{"RCPT TO:<a@b>", "250 OK"},
			{"DATA", "354 end with a dot"},
			{strings.Repeat("123456789\r\n", 4) + ".", "552 the message is too large"},
			{"DATA", "503 say RCPT first"},
			{long, "500 the line is too long"},
			{"MAIL FROM:<a@b>", "250 OK"},
			{"RSET", "250 OK"},
			{"MAIL FROM:<a@b>", "250 OK"},
			{"RCPT TO:<a@b>", "250 OK"},
			{"DATA", "354 end with a dot"},
			{long + "\r\n.", "500 a line is too long"},
			{"JUMP", `500 "JUMP" is no command`},
			{"NOOP", "250 OK"},
			{"VRFY a", "252 I will take it, and see"},
			{"QUIT", "221 Bye"},
		} {
			if _, err := fmt.Fprintf(stream, "%s\r\n", step.say); err != nil {
				t.Fatal(err)
			}
			if got := answer(); got != step.want {
				t.Errorf("%.40s: %q, want %q", step.say, got, step.want)
			}
		}
	})
	if kept := s.kept(t); len(kept) > 0 {
		t.Errorf("%q", kept)
	}
}

func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	s := &server{maxSize: 1000}
	with(t, s, func(ctx context.Context, address string) {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		stream, err := asyncio.OpenConnection(ctx, "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		fmt.Fprint(stream, "HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\nhello\r\n.\r\nQUIT\r\n")
		text, err := stream.ReadAll(ctx)
		if err != nil || !strings.HasSuffix(string(text), "451 it cannot be kept\r\n221 Bye\r\n") {
			t.Errorf("%q, %v", text, err)
		}
	})
}

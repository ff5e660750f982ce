package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// with runs use with a server and its address.
func with(t *testing.T, silence time.Duration, use func(ctx context.Context, s *server, address string)) {
	t.Helper()
	asynctest.Run(t, func(ctx context.Context) {
		s := newServer(silence)
		srv, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", s.serve, asyncio.WithLimit(maxLine))
		if err != nil {
			t.Fatal(err)
		}
		use(ctx, s, srv.Addr().String())
		srv.Close()
		srv.CloseClients()
		if err := srv.WaitClosed(ctx); err != nil {
			t.Error(err)
		}
		if len(s.clients) > 0 || len(s.channels) > 0 {
			t.Errorf("%d clients and %d channels are left", len(s.clients), len(s.channels))
		}
	}, asynctest.WithRealClock())
}

type user struct {
	ctx context.Context
	t   *testing.T
	*asyncio.Stream
}

func connect(ctx context.Context, t *testing.T, address string) *user {
	t.Helper()
	s, err := asyncio.OpenConnection(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return &user{ctx, t, s}
}

// enter connects a user with a nick, and passes over the greeting.
func enter(ctx context.Context, t *testing.T, address, nick string) *user {
	t.Helper()
	u := connect(ctx, t, address)
	u.says("NICK "+nick, "USER "+nick+" 0 * :"+strings.ToUpper(nick))
	for !strings.Contains(u.line(), " 376 ") {
	}
	return u
}

func (u *user) says(lines ...string) {
	u.t.Helper()
	for _, line := range lines {
		if _, err := fmt.Fprintf(u, "%s\r\n", line); err != nil {
			u.t.Fatal(err)
		}
	}
}

func (u *user) line() string {
	u.t.Helper()
	line, err := u.ReadText(u.ctx)
	if err != nil {
		u.t.Fatal(err)
	}
	return line
}

func (u *user) hears(lines ...string) {
	u.t.Helper()
	for _, want := range lines {
		if got := u.line(); got != want {
			u.t.Fatalf("it hears %q, want %q", got, want)
		}
	}
}

func TestAConversation(t *testing.T) {
	with(t, time.Minute, func(ctx context.Context, s *server, address string) {
		a := enter(ctx, t, address, "anna")
		b := enter(ctx, t, address, "Bert")
		a.says("JOIN #go", "TOPIC #go :of loops")
		a.hears(":anna!anna@irc.example JOIN #go", ":irc.example 353 anna = #go :anna", ":irc.example 366 anna #go :End of NAMES list", ":anna!anna@irc.example TOPIC #go :of loops")
		b.says("join #GO")
		b.hears(":Bert!Bert@irc.example JOIN #go", ":irc.example 332 Bert #go :of loops", ":irc.example 353 Bert = #go :Bert anna", ":irc.example 366 Bert #GO :End of NAMES list")
		a.hears(":Bert!Bert@irc.example JOIN #go")
		b.says("PRIVMSG #go,anna,nobody :hello: all of you", "NOTICE nobody :x")
		b.hears(":irc.example 401 Bert nobody :No such nick/channel")
		a.hears(":Bert!Bert@irc.example PRIVMSG #go :hello: all of you", ":Bert!Bert@irc.example PRIVMSG anna :hello: all of you")
		b.says("NICK anna", "NICK 0", "NICK berta", "WHOIS anna", "PING x")
		b.hears(":irc.example 433 Bert anna :Nickname is already in use", ":irc.example 432 Bert 0 :Erroneous nickname", ":Bert!Bert@irc.example NICK :berta",
			":irc.example 311 berta anna anna irc.example * :ANNA", ":irc.example 319 berta anna :#go", ":irc.example 318 berta anna :End of WHOIS list", ":irc.example PONG irc.example :x")
		a.hears(":Bert!Bert@irc.example NICK :berta")
		a.says("PART #go :enough", "PRIVMSG #go :anybody?")
		b.hears(":anna!anna@irc.example PART #go :enough")
		a.hears(":anna!anna@irc.example PART #go :enough", ":irc.example 404 anna #go :Cannot send to channel")
		a.says("JOIN #go")
		b.hears(":anna!anna@irc.example JOIN #go")
		b.says("QUIT :bye")
		b.hears("ERROR :Quit: bye")
		for !strings.HasSuffix(a.line(), "QUIT :Quit: bye") {
		}
	})
}

func TestWhatIsNotAllowed(t *testing.T) {
	with(t, time.Minute, func(ctx context.Context, s *server, address string) {
		u := connect(ctx, t, address)
		u.says("JOIN #go", "", "NICK", ":prefix JUMP")
		u.hears(":irc.example 451 * :You have not registered", ":irc.example 461 * NICK :Not enough parameters", ":irc.example 421 * JUMP :Unknown command")
		u.says(strings.Repeat("x", 2*maxLine))
		u.hears("ERROR :Line too long")
		if _, err := u.ReadLine(ctx); err == nil {
			t.Error("the connection goes on")
		}
	})
}

func TestWhoSaysNothingIsAskedAndThenCutOff(t *testing.T) {
	with(t, 200*time.Millisecond, func(ctx context.Context, s *server, address string) {
		u := connect(ctx, t, address)
		u.hears("PING :irc.example")
		u.says("PONG")
		u.hears("PING :irc.example", "ERROR :Ping timeout")
		if _, err := u.ReadLine(ctx); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}

func TestWhoDoesNotReadIsCutOff(t *testing.T) {
	with(t, time.Minute, func(ctx context.Context, s *server, address string) {
		slow, loud := enter(ctx, t, address, "slow"), enter(ctx, t, address, "loud")
		line := "PRIVMSG slow :" + strings.Repeat("x", 400)
		for i := 0; s.clients["slow"] != nil; i++ {
			if i > 100_000 {
				t.Fatal("it was never cut off")
			}
			loud.says(line)
			if i%100 == 0 {
				asyncio.Sleep(ctx, 0)
			}
		}
		if _, err := io.Copy(io.Discard, slow); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
}

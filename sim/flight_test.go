package sim_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/hook"
	"github.com/asyncio-go/asyncio/sim"
)

// An echoRun is an echo server that notes in which order things happen, and ends after
// so many connections.
type echoRun struct {
	until int
	began func(net.Addr) // told where it listens
	lines []string
}

func (r *echoRun) note(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *echoRun) main(ctx context.Context) error {
	ended, over := 0, asyncio.NewEvent()
	s, err := asyncio.StartServer(ctx, "tcp", "127.0.0.1:0", func(ctx context.Context, c *asyncio.Stream) error {
		defer c.Close()
		n := ended
		r.note("%v comes", c.RemoteAddr())
		for {
			line, err := c.ReadLine(ctx)
			if err != nil || len(line) == 0 {
				break
			}
			sum, err := asyncio.ToThread(ctx, func(context.Context) (int, error) {
				sum := 0
				for _, b := range line {
					sum += int(b)
				}
				return sum, nil
			})
			if err != nil {
				return err
			}
			if err := asyncio.Sleep(ctx, time.Duration(sum%3)*time.Millisecond); err != nil {
				return err
			}
			r.note("%q is %d, after %d had ended", line, sum, n)
			if _, err := fmt.Fprintf(c, "%d %s", sum, line); err != nil {
				return err
			}
		}
		if ended++; ended == r.until {
			over.Set()
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.began(s.Addrs()[0])
	if err := over.Wait(ctx); err != nil {
		return err
	}
	s.Close()
	return nil
}

// talk is a client of the echo server, with package net and real sockets.
func talk(t *testing.T, to net.Addr, lines int) error {
	c, err := net.Dial("tcp", to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	for i := range lines {
		if _, err := fmt.Fprintf(c, "line %d of %v\n", i, c.LocalAddr()); err != nil {
			return err
		}
		if answer, err := r.ReadString('\n'); err != nil || !strings.Contains(answer, fmt.Sprint("line ", i, " of")) {
			return fmt.Errorf("got %q, %w", answer, err)
		}
	}
	return nil
}

// drivers are what is recorded.
var drivers = map[string]asyncio.Option{"system": asyncio.WithSystemDriver(), "portable": asyncio.WithPortableDriver()}

// recordEcho runs the server with clients, and records it.
func recordEcho(t *testing.T, d asyncio.Option) (file string, real *echoRun) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "recording")
	const clients = 5
	errs := make(chan error, clients)
	real = &echoRun{until: clients, began: func(to net.Addr) {
		for i := range clients {
			go func() { errs <- talk(t, to, 5+i) }()
		}
	}}
	if err := asyncio.Run(t.Context(), real.main, d, sim.Record(file)); err != nil {
		t.Fatal(err)
	}
	for range clients {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	return file, real
}

func nobody(net.Addr) {}

func TestARealServerIsReplayedInTheSameOrder(t *testing.T) {
	for name, d := range drivers {
		t.Run(name, func(t *testing.T) {
			file, real := recordEcho(t, d)
			for range 3 {
				again := &echoRun{until: real.until, began: nobody}
				if err := sim.Replay(t, file, again.main); err != nil {
					t.Fatal(err)
				}
				if a, b := strings.Join(real.lines, "\n"), strings.Join(again.lines, "\n"); a != b || len(again.lines) < 40 {
					t.Fatalf("the real run:\n%s\nthe replay:\n%s", a, b)
				}
			}
		})
	}
}

func TestAReplayNamesWhatIsOtherwise(t *testing.T) {
	file, real := recordEcho(t, asyncio.WithSystemDriver())
	other := &echoRun{until: real.until, began: nobody}
	err := sim.Replay(t, file, func(ctx context.Context) error {
		asyncio.Go(ctx, func(ctx context.Context) error { // this is new
			if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			s, err := asyncio.OpenConnection(ctx, "tcp", "127.0.0.1:9")
			if err == nil {
				err = s.Close()
			}
			return err
		})
		return other.main(ctx)
	})
	// Which difference comes first depends on whether a client was there already when the
	// loop first looked.
	if text := fmt.Sprint(err); !errors.Is(err, sim.ErrDiverged) || !strings.Contains(text, "first in entry") || !strings.Contains(text, "recorded:") || !strings.Contains(text, "now:") {
		t.Error(err)
	}
}

// The process of a recording is killed: what was written is replayed, and then it ends.
func TestARecordingThatIsCutOffIsReplayedUpToThere(t *testing.T) {
	file, real := recordEcho(t, asyncio.WithSystemDriver())
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{len(whole) / 2, len(whole) / 3, 60, 31} {
		if err := os.WriteFile(file, whole[:size], 0o666); err != nil {
			t.Fatal(err)
		}
		again := &echoRun{until: real.until, began: nobody}
		if err := sim.Replay(t, file, again.main); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("of %d bytes %d: %v", len(whole), size, err)
		}
		if a, b := strings.Join(real.lines, "\n"), strings.Join(again.lines, "\n"); !strings.HasPrefix(a, b) {
			t.Errorf("the real run:\n%s\nthe replay:\n%s", a, b)
		}
	}
	if err := os.WriteFile(file, whole[:3], 0o666); err != nil {
		t.Fatal(err)
	}
	if err := sim.Replay(t, file, real.main); err == nil || !strings.Contains(err.Error(), "is no recording") {
		t.Error(err)
	}
}

// errLost is what is wrong with account.
var errLost = errors.New("an update is lost")

// An account is an HTTP server with a bug: it reads a balance, looks something up on a
// thread, and writes the balance back.
func account(ctx context.Context, requests int, began func(net.Addr)) error {
	balance, served, over := 0, 0, asyncio.NewEvent()
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := balance
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if _, err := asyncio.ToThread(r.Context(), func(context.Context) (bool, error) { return bytes.Contains(body, []byte("x")), nil }); err != nil {
			return
		}
		balance = seen + 1
		fmt.Fprintln(w, balance)
		if served++; served == requests {
			over.Set()
		}
	})}
	addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	began(addr)
	if err := over.Wait(ctx); err != nil {
		return err
	}
	if err := srv.Shutdown(ctx); err != nil {
		return err
	}
	if balance != requests {
		return fmt.Errorf("%w: %d of %d", errLost, balance, requests)
	}
	return nil
}

func TestABugOfARealRunIsSeenInItsReplay(t *testing.T) {
	const requests = 40
	for try := range 20 { // it is a race, in the real world
		file := filepath.Join(t.TempDir(), "recording")
		ended := make(chan struct{}, requests)
		err := asyncio.Run(t.Context(), func(ctx context.Context) error {
			return account(ctx, requests, func(to net.Addr) {
				for range requests {
					go func() {
						defer func() { ended <- struct{}{} }()
						c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
						resp, err := c.Post("http://"+to.String(), "text/plain", strings.NewReader("some text"))
						if err == nil {
							resp.Body.Close()
						}
					}()
				}
			})
		}, sim.Record(file))
		for range requests {
			<-ended
		}
		if err == nil {
			continue
		}
		if !errors.Is(err, errLost) {
			t.Fatal(err)
		}
		t.Logf("try %d: %v", try, err)
		for range 3 {
			again := sim.Replay(t, file, func(ctx context.Context) error { return account(ctx, requests, nobody) })
			if fmt.Sprint(again) != fmt.Sprint(err) {
				t.Fatalf("the real run: %v\nthe replay: %v", err, again)
			}
		}
		return
	}
	t.Skip("the bug did not come up")
}

func TestARecordingHasABound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "recording")
	sleepy := func(ctx context.Context) error {
		for range 200 {
			if err := asyncio.Sleep(ctx, time.Microsecond); err != nil {
				return err
			}
		}
		return nil
	}
	if err := asyncio.Run(t.Context(), sleepy, sim.Record(file, sim.RecordLimit(1000))); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() > 1100 {
		t.Errorf("%v, %v", info, err)
	}
	if err := sim.Replay(t, file, sleepy); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestARecordingThatCannotBeWrittenSaysSoAtTheEnd(t *testing.T) {
	var broken driver.Driver
	breaks := hook.WrapDriver(func(d driver.Driver) (driver.Driver, error) { broken = d; return d, nil }).(asyncio.Option)
	went := false
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		if err := sim.BreakRecording(broken); err != nil {
			return err
		}
		err := asyncio.Sleep(ctx, time.Microsecond)
		went = true
		return err
	}, sim.Record(filepath.Join(t.TempDir(), "recording")), breaks)
	if !went || !errors.Is(err, os.ErrClosed) || !strings.HasPrefix(fmt.Sprint(err), "sim: record: ") {
		t.Errorf("it went on: %t; %v", went, err)
	}
}

// What a job returns is written down, and it is not called again, where that can be;
// a type with something that gob does not see is made again.
func TestResultsOfJobsAreThoseOfTheRecording(t *testing.T) {
	type open struct{ A, B string }
	type hidden struct{ A, b string }
	file := filepath.Join(t.TempDir(), "recording")
	calls := 0
	var got []string
	main := func(ctx context.Context) error {
		o, err := asyncio.ToThread(ctx, func(context.Context) (open, error) { calls++; return open{"a", fmt.Sprint(calls)}, nil })
		got = append(got, fmt.Sprint(o, err))
		h, err := asyncio.ToThread(ctx, func(context.Context) (hidden, error) { calls++; return hidden{"a", "b"}, nil })
		got = append(got, fmt.Sprint(h, err))
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) { calls++; return 0, io.EOF })
		got = append(got, fmt.Sprint(err == io.EOF))
		_, err = asyncio.ToThread(ctx, func(context.Context) (int, error) {
			calls++
			_, err := os.Open(file + ".none")
			return 0, fmt.Errorf("of a kind that is not known: %w", err)
		})
		got = append(got, fmt.Sprint(errors.Is(err, os.ErrNotExist)))
		return nil
	}
	if err := asyncio.Run(t.Context(), main, sim.Record(file)); err != nil {
		t.Fatal(err)
	}
	real := strings.Join(got, "\n")
	if got = nil; calls != 4 {
		t.Errorf("%d calls", calls)
	}
	if err := sim.Replay(t, file, main); err != nil {
		t.Fatal(err)
	}
	if again := strings.Join(got, "\n"); again != real || calls != 6 {
		t.Errorf("%d calls, the real run:\n%s\nthe replay:\n%s", calls, real, again)
	}
}

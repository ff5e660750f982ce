package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A served is an example that serves until it is told to end.
type served struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	out    *bufio.Reader
	stderr bytes.Buffer
}

// serve starts an example that prints where it listens.
func serve(t *testing.T, name string, args ...string) *served {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	s := &served{t: t, cmd: exec.CommandContext(ctx, filepath.Join(bin, name), args...)}
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel() // kills it
		s.cmd.Wait()
	})
	s.out = bufio.NewReader(out)
	s.addr = strings.TrimPrefix(s.line(), "listening at ")
	return s
}

// line returns the next line that it prints.
func (s *served) line() string {
	s.t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		s.t.Fatalf("%s printed nothing more: %v\n%s", s.cmd.Path, err, &s.stderr)
	}
	return strings.TrimSuffix(line, "\n")
}

// dial connects to it, for half a minute at most.
func (s *served) dial() *net.TCPConn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// end sends it SIGTERM and wants that exit status, and nothing on standard error.
func (s *served) end(status int) (printed string) {
	s.t.Helper()
	if runtime.GOOS == "windows" {
		return ""
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	rest, err := io.ReadAll(s.out)
	if err != nil {
		s.t.Error(err)
	}
	s.cmd.Wait()
	if code := s.cmd.ProcessState.ExitCode(); code != status || s.stderr.Len() > 0 {
		s.t.Errorf("it ended with %d, not %d, and wrote %q", code, status, &s.stderr)
	}
	return string(rest)
}

func TestChatASlowClientHoldsUpNobody(t *testing.T) {
	t.Parallel()
	room := serve(t, "chat", "127.0.0.1:0")
	slow, talker, reader := room.dial(), room.dial(), room.dial()
	lines := bufio.NewReader(reader)

	// Who has joined is known once a line of his has come.
	for _, c := range []net.Conn{slow, talker} {
		greeting := fmt.Sprintf("hello from %v\n", c.LocalAddr())
		for got := ""; got != greeting; {
			if _, err := io.WriteString(c, greeting); err != nil {
				t.Fatal(err)
			}
			reader.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			got, _ = lines.ReadString('\n') // nothing yet: the reader may not have joined
		}
	}
	reader.SetReadDeadline(time.Now().Add(30 * time.Second))

	cutOff := make(chan string, 1)
	go func() {
		line, _ := room.out.ReadString('\n')
		cutOff <- line
	}()
	long := bytes.Repeat([]byte("x"), 32<<10)
	long[len(long)-1] = '\n'
	for n := 0; ; n++ {
		select {
		case line := <-cutOff:
			if want := fmt.Sprintf("too slow: %v\n", slow.LocalAddr()); line != want {
				t.Errorf("it printed %q, want %q", line, want)
			}
			room.end(128 + 15)
			return
		default:
		}
		if n == 10_000 {
			t.Fatal("a client that does not read was never cut off")
		}
		if _, err := talker.Write(long); err != nil {
			t.Fatal(err)
		}
		for got := ""; got != string(long); { // after what may be left of the greetings
			var err error
			if got, err = lines.ReadString('\n'); err != nil {
				t.Fatalf("line %d: the reader was held up: %v", n, err)
			}
		}
	}
}

func TestProxyPassesOnTheEndOfOneHalf(t *testing.T) {
	t.Parallel()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		c, err := target.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c) // until the other half has ended
		fmt.Fprintf(c, "%d bytes came", len(all))
	}()

	proxy := serve(t, "proxy", "127.0.0.1:0", target.Addr().String())
	c := proxy.dial()
	if _, err := c.Write(make([]byte, 3<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil || string(answer) != "3145728 bytes came" {
		t.Errorf("%q, %v", answer, err)
	}
	proxy.end(128 + 15)
}

func TestProxySaysWhenTheTargetIsNotThere(t *testing.T) {
	t.Parallel()
	proxy := serve(t, "proxy", "127.0.0.1:0", closedAddress)
	if answer, err := io.ReadAll(proxy.dial()); err != nil || len(answer) > 0 {
		t.Errorf("%q, %v", answer, err)
	}
	if line := proxy.line(); !strings.Contains(line, "refused") {
		t.Errorf("it printed %q", line)
	}
}

func TestGracefulAnswersWhatItWasAsked(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	srv := serve(t, "graceful", "127.0.0.1:0")
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + srv.addr)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		answered <- fmt.Sprint(string(body), err)
	}()
	if line := srv.line(); line != "a request" {
		t.Errorf("it printed %q", line)
	}
	if rest := srv.end(0); rest != "shutting down\nall were answered\n" {
		t.Errorf("then it printed %q", rest)
	}
	if got := <-answered; got != "that took a second\n<nil>" {
		t.Errorf("the client got %q", got)
	}
}

func TestGracefulExitsWhenItCannotListen(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "graceful"), l.Addr().String())
	cmd.Env = os.Environ()
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || bytes.Count(out, []byte("\n")) != 1 {
		t.Errorf("%v: %q", err, out)
	}
}

func TestRatelimitAfterTheBurst(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "ratelimit")
	match(t, lines,
		`call 1 at 0s`, `call 2 at 0s`, `call 3 at 0s`, `call 4 at 200ms`, `call 5 at 400ms`,
		`call 6 at 600ms`, `call 7 at 800ms`, `call 8 at 1s`, `call 9 at 1\.2s`, `call 10 at 1\.4s`)
}

func TestRetryUntilItSucceeds(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "retry")
	match(t, lines,
		`attempt 1: connection refused`, `attempt 2: asyncio: timed out`, `attempt 3: try again later`,
		`at last: a page <nil>`,
		`at once: no such page: permanent`,
		`attempt 1: connection refused`, `never: 2 attempts: connection refused`)
}

func TestUDPAsksAgain(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "udp")
	match(t, lines, `you said hello 1`, `you said hello 2`, `you said hello 3`)
}

func TestPeriodicKeepsToTheMinute(t *testing.T) {
	t.Parallel()
	lines, _ := example(t, "periodic")
	match(t, lines,
		`the job at 1m0s`, `the job at 2m0s`, `left out: 3m0s`, `the job at 4m0s`,
		`the job at 5m0s`, `the job failed: there is nothing to do`, `ended: true`)
}

func TestSuperviseStartsAgainAndPrintsTheLastLines(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	dir := t.TempDir()
	script := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name + "=sh " + file
	}
	once := filepath.Join(dir, "once")
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "supervise"),
		script("fails", "if mkdir "+once+"; then echo first; exit 3; fi 2>/dev/null; echo second >&2"),
		script("long", "head -c 200000 /dev/zero | tr '\\0' x; echo; echo after"),
		script("stays", "trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.05; done"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{
		"fails      | first": true, "fails      | ended with 3, again in 100ms": true, "fails      | second": true, "fails      | ended": true,
		"long       | (a line that is too long)": true, "long       | after": true, "long       | ended": true,
		"stays      | here": true, "stays      | bye": true,
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !wanted[lines.Text()] {
			t.Errorf("it printed %q", lines.Text())
		}
		delete(wanted, lines.Text())
		if len(wanted) == 1 {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 128+15 || stderr.Len() > 0 || len(wanted) > 0 {
		t.Errorf("it ended with %d and wrote %q; not printed: %v", code, &stderr, wanted)
	}
}

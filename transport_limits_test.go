//go:build linux || darwin

package asyncio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

// again runs this test once more in a process of its own, which sees role in
// the environment, and returns its ends.
func again(t *testing.T, role string) (in io.WriteCloser, out *bufio.Reader, wait func()) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	self := itself()
	cmd := exec.Command(self[0], append(self[1:], "-test.run=^"+name+"$")...)
	cmd.Env = append(os.Environ(), "ASYNCIO_TEST_ROLE="+role)
	cmd.Stderr = os.Stderr
	in = must(cmd.StdinPipe())
	pipe := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(pipe), func() {
		in.Close()
		io.Copy(io.Discard, pipe)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	}
}

func role() string { return os.Getenv("ASYNCIO_TEST_ROLE") }

// limitedServer is the other process of the next test: a server with few
// descriptors, until its standard input ends.
func limitedServer(t *testing.T) {
	told, began := 0, time.Now()
	var last time.Duration // when it told the last time
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		srv := host(t, ctx, newEcho)
		free := uint64(descriptors() + 10)
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: free, Max: free}); err != nil {
			return err
		}
		fmt.Println(srv.Addr())
		_, err := asyncio.ToThread(ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, os.Stdin) })
		if err != nil {
			return err
		}
		return srv.Shutdown(ctx)
	}, options(drivers()[role()], asyncio.WithExceptionHandler(func(_ *asyncio.Loop, c asyncio.ExceptionContext) {
		if told++; told == 1 {
			fmt.Println("at the limit")
		}
		last = time.Since(began)
	}))...)
	fmt.Println("told", told, last.Milliseconds(), err)
}

func TestServerAtTheDescriptorLimitServesItsClientsAndRecovers(t *testing.T) {
	if role() != "" {
		limitedServer(t)
		return
	}
	for name := range drivers() {
		t.Run(name, func(t *testing.T) {
			in, out, wait := again(t, name)
			addr := strings.TrimSpace(must(out.ReadString('\n')))
			var conns []net.Conn
			for range 40 { // more than it has descriptors; the rest waits in its backlog
				conns = append(conns, must(net.Dial("tcp", addr)))
			}
			echoes := func(nc net.Conn) error {
				nc.SetDeadline(time.Now().Add(20 * time.Second))
				if _, err := nc.Write([]byte("x")); err != nil {
					return err
				}
				_, err := io.ReadFull(nc, make([]byte, 1))
				return err
			}
			if line := must(out.ReadString('\n')); line != "at the limit\n" {
				t.Fatalf("the server said %q", line)
			}
			for _, nc := range conns[:5] { // these were accepted, and live on
				if err := echoes(nc); err != nil {
					t.Errorf("an established client got %v", err)
				}
			}
			last := conns[len(conns)-1]
			for _, nc := range conns[:len(conns)-1] {
				if err := echoes(nc); err != nil { // one after another is accepted
					t.Errorf("a client that had to wait got %v", err)
				}
				nc.Close()
			}
			if err := echoes(last); err != nil {
				t.Errorf("the last client got %v", err)
			}
			last.Close()
			in.Close()
			line := must(out.ReadString('\n'))
			var told, until int
			if _, err := fmt.Sscanf(line, "told %d %d <nil>\n", &told, &until); err != nil || told == 0 {
				t.Errorf("the server said %q", line)
			}
			// It tries again every tenth of a second, however many come meanwhile. A report
			// may be late, and the next one not: so two of them may be closer.
			if told > 1+until/100 {
				t.Errorf("it reported %d times in %d ms", told, until)
			}
			wait()
		})
	}
}

// manyClients is the other process of the next test: for each line of an
// address and a number it connects so often, and for an empty one it closes.
func manyClients() {
	var conns []net.Conn
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		addr, count, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(count)
		for range n {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				fmt.Println(err)
				return
			}
			conns = append(conns, nc)
		}
		if n == 0 {
			for _, nc := range conns {
				nc.Close()
			}
			conns = nil
		}
		fmt.Println("done")
	}
}

// TestManyConnectionsLeaveNothing opens and closes many connections ten times.
// How many is in the environment, as ASYNCIO_TEST_CONNECTIONS; without it, few.
func TestManyConnectionsLeaveNothing(t *testing.T) {
	if role() != "" {
		manyClients()
		return
	}
	n := 300
	if s := os.Getenv("ASYNCIO_TEST_CONNECTIONS"); s != "" {
		n = must(strconv.Atoi(s))
	}
	onEachDriver(t, func(t *testing.T, ctx context.Context) {
		in, out, wait := again(t, "clients")
		tell := func(line string) {
			fmt.Fprintln(in, line)
			answer, err := asyncio.ToThread(ctx, func(context.Context) (string, error) { return out.ReadString('\n') })
			if answer != "done\n" || err != nil {
				t.Fatalf("the clients said %q, %v", answer, err)
			}
		}
		count := &counter{news: asyncio.NewFuture[struct{}](loopOf(ctx))}
		srv, err := loopOf(ctx).CreateServer(ctx, "tcp4", ":0", func() asyncio.Protocol { return &counted{counter: count} })
		if err != nil {
			t.Fatal(err)
		}
		port := srv.Addr().(*net.TCPAddr).Port
		settled := func(want int) {
			for count.want = want; count.open != want; {
				count.news = asyncio.NewFuture[struct{}](loopOf(ctx))
				count.news.Await(ctx)
			}
		}
		onEpoll := strings.HasSuffix(t.Name(), "/epoll")
		// The first connection of all makes the buffer that the loop has for them.
		tell(fmt.Sprintf("127.0.0.1:%d 1", port))
		settled(1)
		tell("")
		settled(0)
		base := measure()
		for round := range 10 {
			empty := measure()
			// Each round has its own ports: those of the last are still taken.
			tell(fmt.Sprintf("127.0.0.%d:%d %d", round+1, port, n))
			settled(n)
			if full := measure(); round == 1 {
				each := (int64(full.heap) - int64(empty.heap)) / int64(n)
				t.Logf("an idle connection takes %d bytes of heap", each)
				if onEpoll && each > 600 {
					t.Errorf("an idle connection takes %d bytes of heap", each)
				}
			}
			tell("")
			settled(0)
			now := measure()
			for range 100 { // a goroutine that has done its work may still be ending
				if now.goroutines <= base.goroutines {
					break
				}
				asyncio.Sleep(ctx, time.Millisecond)
				now = measure()
			}
			t.Logf("round %d: %+v", round, now)
			// Go keeps what describes a goroutine for the next one, so where there
			// is one for each connection there must be no growth from then on.
			if !onEpoll && round < 2 {
				base = now
				continue
			}
			if now.descriptors > base.descriptors || now.goroutines > base.goroutines || now.heap > base.heap+128<<10 {
				t.Errorf("round %d: %+v at first, now %+v", round, base, now)
			}
		}
		wait()
		shutdown(t, ctx, srv)
	})
}

type usage struct {
	descriptors, goroutines int
	heap                    uint64
}

func measure() usage {
	return usage{descriptors(), runtime.NumGoroutine(), memory().HeapAlloc}
}

// memory says how much memory is in use.
func memory() runtime.MemStats {
	runtime.GC()
	runtime.GC() // what the first one found to be finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m
}

// A counter counts open connections, and tells when they are as many as are
// waited for.
type counter struct {
	open, want int
	news       *asyncio.Future[struct{}]
}

func (c *counter) add(n int) {
	if c.open += n; c.open == c.want && !c.news.Done() {
		c.news.SetResult(struct{}{})
	}
}

type counted struct {
	asyncio.BaseProtocol
	*counter
}

func (c *counted) ConnectionMade(asyncio.Transport) { c.add(1) }
func (c *counted) ConnectionLost(error)             { c.add(-1) }

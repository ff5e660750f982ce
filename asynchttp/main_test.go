package asynchttp_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// TestMain checks, when all tests are done, that none has left a goroutine or
// a descriptor behind.
func TestMain(m *testing.M) {
	if what := os.Getenv(serveFilesOf); what != "" {
		if err := serveFiles(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		// The runtime's own poller may have been made meanwhile: two descriptors.
		if after := descriptors(); after > before+2 {
			fmt.Fprintf(os.Stderr, "%d descriptors were open before the tests, %d are after them\n", before, after)
			code = 1
		}
	}
	os.Exit(code)
}

// descriptors counts the open descriptors of this process, where the system
// tells.
func descriptors() int {
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(d)
}

// loopOptions are the options of run. onEveryDriver changes them.
var loopOptions []asyncio.Option

// onEveryDriver runs a test on the system's driver and on the portable one.
func onEveryDriver(t *testing.T, body func(t *testing.T)) {
	t.Run("system", body)
	t.Run("portable", func(t *testing.T) {
		loopOptions = []asyncio.Option{asyncio.WithPortableDriver()}
		defer func() { loopOptions = nil }()
		body(t)
	})
}

// run runs main on a loop of its own, and fails the test with its error.
func run(t *testing.T, main func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // for what hangs
	defer cancel()
	if err := asyncio.Run(ctx, main, loopOptions...); err != nil {
		t.Fatal(err)
	}
}

// withClient runs main with a client over tr.
func withClient(t *testing.T, tr *asynchttp.Transport, main func(ctx context.Context, c *http.Client) error) {
	t.Helper()
	run(t, func(ctx context.Context) error {
		defer tr.Close()
		return main(ctx, &http.Client{Transport: tr})
	})
}

// fetch does a request and gives the response with its whole body.
func fetch(ctx context.Context, c *http.Client, method, url string, body io.Reader) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, "", err
	}
	return do(c, req)
}

func do(c *http.Client, req *http.Request) (*http.Response, string, error) {
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, string(b), err
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	_, body, err := fetch(ctx, c, "GET", url, nil)
	return body, err
}

// rawServer runs serve on a goroutine for each connection, until the test ends.
func rawServer(t *testing.T, serve func(c net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveRaw(t, l, serve)
	return "http://" + l.Addr().String()
}

// serveRaw serves until the test ends, and then waits until the connections
// have ended too.
func serveRaw(t *testing.T, l net.Listener, serve func(c net.Conn)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

// copyAll is io.Copy without splice, whose pipes the runtime would keep.
func copyAll(to io.Writer, from io.Reader) {
	_, _ = io.Copy(struct{ io.Writer }{to}, struct{ io.Reader }{from})
}

// skipHead reads up to the blank line.
func skipHead(c net.Conn) error {
	var last [4]byte
	var one [1]byte
	for string(last[:]) != "\r\n\r\n" {
		if _, err := io.ReadFull(c, one[:]); err != nil {
			return err
		}
		copy(last[:], last[1:])
		last[3] = one[0]
	}
	return nil
}

// answers is a server that gives the same bytes to each connection and closes.
func answers(t *testing.T, text string) (url string) {
	return rawServer(t, func(c net.Conn) {
		if skipHead(c) == nil {
			io.WriteString(c, text)
		}
	})
}

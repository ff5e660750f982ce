// Command h2 measures HTTP/2 beside net/http's, with h2load and nghttpd as the
// other side:
//
//	h2 serve KIND ADDRESS [CERT KEY]     until SIGTERM; then says what it took
//	h2 get KIND URL N CONCURRENCY        N requests, and what one took
//	h2 hold 1|2 ADDRESS N                N connections of HTTP/1.1 or 2 that have
//	                                     done a request, and what one takes
//	h2 files net ADDRESS DIR             net/http's server of files, until SIGTERM
//	h2 sitting ROUNDS SCALE [ROW]        all of it in turns, as a table; the numbers
//	                                     of requests are divided by SCALE, and ROW
//	                                     is a part of the names of rows
//
// KIND is "loop" or "net". The paths of the server are / with 64 bytes, /16k
// with 16 KiB, and /memory with what it has in use.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: h2 serve loop|net ADDRESS [CERT KEY] | h2 get loop|net URL N CONCURRENCY | h2 hold 1|2 ADDRESS N | h2 files net ADDRESS DIR | h2 sitting ROUNDS SCALE [ROW]")
		os.Exit(2)
	}
	stop := profile()
	err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "h2:", err)
		os.Exit(1)
	}
}

func run(what, kind, where string, more []string) error {
	if what == "serve" {
		return serve(kind, where, more)
	}
	if what == "hold" && len(more) == 1 {
		return hold(kind, where, more[0])
	}
	if what == "files" && len(more) == 1 {
		return serveFiles(where, more[0])
	}
	if what == "sitting" {
		rounds, err := strconv.Atoi(kind)
		if err != nil {
			return err
		}
		scale, err := strconv.Atoi(where)
		if err != nil {
			return err
		}
		return sit(rounds, max(1, scale), strings.Join(more, " "))
	}
	if len(more) != 2 {
		return errors.New("two numbers are missing")
	}
	n, err := strconv.Atoi(more[0])
	if err != nil {
		return err
	}
	conc, err := strconv.Atoi(more[1])
	if err != nil {
		return err
	}
	if kind == "loop" {
		return getOnLoop(where, n, conc)
	}
	return getOnGoroutines(where, n, conc)
}

// profile writes a CPU profile to the file that CPUPROFILE names.
func profile() (stop func()) {
	name := os.Getenv("CPUPROFILE")
	if name == "" {
		return func() {}
	}
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "h2:", err)
		return func() {}
	}
	return pprof.StopCPUProfile
}

var small, large = make([]byte, 64), make([]byte, 16<<10)
var requests int

func handler(w http.ResponseWriter, r *http.Request) {
	requests++ // with net/http that is a guess
	w.Header().Set("Content-Type", "application/octet-stream")
	if r.URL.Path == "/memory" {
		runtime.GC()
		runtime.GC() // what the first has found
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprint(w, m.HeapInuse+m.StackInuse)
		return
	}
	if r.URL.Path == "/16k" {
		w.Header().Set("Content-Length", "16384")
		_, _ = w.Write(large)
		return
	}
	_, _ = w.Write(small)
}

func versions() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

func serve(kind, address string, keys []string) error {
	var cfg *tls.Config
	if len(keys) == 2 {
		crt, err := tls.LoadX509KeyPair(keys[0], keys[1])
		if err != nil {
			return err
		}
		cfg = &tls.Config{Certificates: []tls.Certificate{crt}}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	before := cpu()
	defer func() {
		took := cpu() - before
		fmt.Printf("%d requests, %.2f us each\n", requests, float64(took.Nanoseconds())/1000/float64(max(requests, 1)))
	}()
	if kind == "net" {
		s := &http.Server{Addr: address, Handler: http.HandlerFunc(handler), Protocols: versions(), TLSConfig: cfg}
		go func() {
			<-ctx.Done()
			_ = s.Close()
		}()
		if cfg != nil {
			return closed(s.ListenAndServeTLS("", ""))
		}
		return closed(s.ListenAndServe())
	}
	return closed(asyncio.Run(context.Background(), func(loop context.Context) error {
		s := &asynchttp.Server{Handler: http.HandlerFunc(handler), TLSConfig: cfg}
		end, cancel := context.WithCancel(loop)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		err := s.Serve(end, "tcp", address)
		if end.Err() != nil {
			return nil
		}
		return err
	}))
}

// serveFiles is net/http's server of files.
func serveFiles(address, dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := &http.Server{Addr: address, Handler: http.FileServer(http.Dir(dir))}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	return closed(s.ListenAndServe())
}

func closed(err error) error {
	if err == http.ErrServerClosed {
		return nil
	}
	return err
}

func report(n int, bytes int64, took time.Duration) {
	fmt.Printf("%d requests, %d bytes, %.2f us each\n", n, bytes, float64(took.Nanoseconds())/1000/float64(n))
}

// only makes http hosts speak HTTP/2.
func only() *http.Protocols {
	var p http.Protocols
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &p
}

func fetch(ctx context.Context, c *http.Client, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return io.Copy(io.Discard, resp.Body)
}

func getOnLoop(url string, n, conc int) error {
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		tr := &asynchttp.Transport{Protocols: only(), DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer tr.Close()
		c := &http.Client{Transport: tr}
		if _, err := fetch(ctx, c, url); err != nil {
			return err
		}
		left, total, before := n, int64(0), cpu()
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range conc {
				g.Go(func(ctx context.Context) error {
					for left > 0 {
						left--
						got, err := fetch(ctx, c, url)
						if err != nil {
							return err
						}
						total += got
					}
					return nil
				})
			}
			return nil
		})
		report(n, total, cpu()-before)
		return err
	})
}

func getOnGoroutines(url string, n, conc int) error {
	tr := &http.Transport{Protocols: only(), DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if strings.HasPrefix(url, "http:") {
		tr.DialContext = (&net.Dialer{}).DialContext
	}
	c := &http.Client{Transport: tr}
	ctx := context.Background()
	if _, err := fetch(ctx, c, url); err != nil {
		return err
	}
	var mu sync.Mutex
	var failed error
	total, before := int64(0), cpu()
	var wg sync.WaitGroup
	for i := range conc {
		share := n / conc
		if i < n%conc {
			share++
		}
		wg.Go(func() {
			sum := int64(0)
			var err error
			for range share {
				var got int64
				if got, err = fetch(ctx, c, url); err != nil {
					break
				}
				sum += got
			}
			mu.Lock()
			defer mu.Unlock()
			total += sum
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	report(n, total, cpu()-before)
	return failed
}

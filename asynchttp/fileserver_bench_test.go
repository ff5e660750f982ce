package asynchttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// serveFilesOf names a server and a folder: the process is that server then, for
// [BenchmarkFileServer], until its input ends.
const serveFilesOf = "ASYNCHTTP_TEST_SERVE_FILES"

// BenchmarkFileServer is what a process with one processor spends on a file of
// 300 KB, with this package's server and with net/http's.
func BenchmarkFileServer(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte(strings.Repeat("x", 300_000)), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, kind := range []string{"asynchttp", "net"} {
		b.Run(kind, func(b *testing.B) { benchmarkFileServer(b, kind, dir) })
	}
}

func benchmarkFileServer(b *testing.B, kind, dir string) {
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", serveFilesOf+"="+kind+" "+dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	const clients = 4
	tr := &http.Transport{MaxIdleConnsPerHost: clients}
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for range (b.N + i) / clients {
				resp, err := tr.RoundTrip(mustRequest("http://" + strings.TrimSpace(addr) + "/file"))
				if err != nil {
					b.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	tr.CloseIdleConnections()
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
	user, system := cmd.ProcessState.UserTime(), cmd.ProcessState.SystemTime()
	b.ReportMetric(float64(user.Microseconds())/float64(b.N), "user-µs/op")
	b.ReportMetric(float64(system.Microseconds())/float64(b.N), "system-µs/op")
	b.ReportMetric(float64((user+system).Microseconds())/float64(b.N), "cpu-µs/op")
}

func mustRequest(url string) *http.Request {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		panic(err)
	}
	return req
}

// serveFiles is the process of a server.
func serveFiles(what string) error {
	kind, dir, _ := strings.Cut(what, " ")
	h := http.FileServer(http.Dir(dir))
	if kind == "net" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(l.Addr())
		go http.Serve(l, h)
		_, err = io.Copy(io.Discard, os.Stdin)
		return err
	}
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		srv := &asynchttp.Server{Handler: h}
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		fmt.Println(addr)
		_, err = asyncio.ToThread(ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, os.Stdin) })
		return err
	})
}

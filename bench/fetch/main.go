// Command fetch gets many pages over a few connections and throws them away,
// to be measured beside other clients:
//
//	fetch URL_FILE CONCURRENCY
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: fetch URL_FILE CONCURRENCY")
	}
	urls, err := lines(args[0])
	if err != nil {
		return err
	}
	workers, err := strconv.Atoi(args[1])
	if err != nil || workers < 1 {
		return fmt.Errorf("the concurrency %q is no positive number", args[1])
	}
	return asyncio.Run(context.Background(), func(ctx context.Context) error {
		tr := &asynchttp.Transport{MaxConnsPerHost: workers, MaxIdleConns: workers, DisableCompression: true}
		defer tr.Close()
		f := fetcher{client: http.Client{Transport: tr}, urls: urls}
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range workers {
				g.Go(f.work)
			}
			return nil
		})
		fmt.Printf("ok=%d bad=%d bytes=%d\n", len(urls)-f.bad, f.bad, f.bytes)
		return err
	})
}

func lines(name string) ([]string, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []string
	s := bufio.NewScanner(f)
	for s.Scan() {
		all = append(all, s.Text())
	}
	return all, s.Err()
}

// A fetcher is what the workers share. One goroutine runs them all.
type fetcher struct {
	client http.Client
	urls   []string // not begun yet
	bytes  int64
	bad    int
}

func (f *fetcher) work(ctx context.Context) error {
	for len(f.urls) > 0 {
		url := f.urls[0]
		f.urls = f.urls[1:]
		n, err := f.get(ctx, url)
		f.bytes += n
		if asyncio.IsCancelled(err) {
			return err
		}
		if err != nil {
			f.bad++
		}
	}
	return nil
}

func (f *fetcher) get(ctx context.Context, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return n, err
}

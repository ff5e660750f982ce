// Command httpget fetches the URLs of a file, a number of them at a time, on
// one loop, and throws the bodies away. It is the program that is measured
// against the same with net/http and goroutines.
//
//	httpget URL_FILE CONCURRENCY
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"strconv"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "httpget:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: httpget URL_FILE CONCURRENCY")
	}
	urls, err := lines(args[0])
	if err != nil {
		return err
	}
	conc, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	if name := os.Getenv("CPUPROFILE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var total int64
	bad := 0
	err = asyncio.Run(context.Background(), func(ctx context.Context) error {
		tr := &asynchttp.Transport{MaxIdleConns: conc, MaxConnsPerHost: conc, DisableCompression: true}
		defer tr.Close()
		client := &http.Client{Transport: tr}
		next := 0
		return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range conc {
				g.Go(func(ctx context.Context) error {
					for next < len(urls) {
						url := urls[next]
						next++
						n, err := get(ctx, client, url)
						total += n
						if err != nil {
							bad++
						}
					}
					return nil
				})
			}
			return nil
		})
	})
	fmt.Printf("ok=%d bad=%d bytes=%d\n", len(urls)-bad, bad, total)
	return err
}

func get(ctx context.Context, client *http.Client, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return n, err
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

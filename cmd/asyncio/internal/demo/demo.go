// Package demo fetches many pages from two sites that it runs itself, all on
// one loop, in one thread.
package demo

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/certificate"
)

// Report is how a run went.
type Report struct {
	Pages int
	Bytes int64
	Took  time.Duration // all of it
	// OneByOne is how long the sites would have let a client wait that asks
	// for one page after another: the sum of what each page takes.
	OneByOne time.Duration
}

// String describes the run in one sentence.
func (r *Report) String() string {
	return fmt.Sprintf("%d pages, %d bytes, in %.2f s, in one thread. One after another they would have taken %.1f s, %.0f times as long.",
		r.Pages, r.Bytes, r.Took.Seconds(), r.OneByOne.Seconds(), r.OneByOne.Seconds()/r.Took.Seconds())
}

// Run starts an http and an https site, fetches so many pages from them, all at
// once, and ends them. progress is called after each page. It runs in a
// coroutine.
func Run(ctx context.Context, pages int, progress func(done int)) (*Report, error) {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	cert, roots, err := certificate.New("asyncio demo")
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	var sites [2]string
	for i, scheme := range []string{"http", "https"} {
		server := &asynchttp.Server{Handler: http.HandlerFunc(servePage)}
		if scheme == "https" {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
		addr, err := server.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("%s site: %w", scheme, err)
		}
		defer server.Close()
		sites[i] = scheme + "://" + addr.String()
	}
	transport := &asynchttp.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.Close()
	client := &http.Client{Transport: transport}

	r := &Report{Pages: pages}
	began := loop.Time()
	done := 0
	err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		for i := range pages {
			r.OneByOne += latency(i)
			g.Go(func(ctx context.Context) error {
				n, err := fetchPage(ctx, client, sites[i%2], i)
				if err != nil {
					return err
				}
				r.Bytes += n // no other task runs meanwhile: nothing to lock
				done++
				progress(done)
				return nil
			})
		}
		return nil
	})
	r.Took = loop.Time() - began
	return r, err
}

// latency is how long a site takes for a page: 0.1 to 0.9 seconds.
func latency(page int) time.Duration {
	return 100*time.Millisecond + time.Duration(page*37%81)*10*time.Millisecond
}

// pageText is a page.
func pageText(page int) string {
	return strings.Repeat(fmt.Sprintf("This is page %d.\n", page), 20+page%50)
}

// servePage is the handler of both sites. It sleeps as a coroutine does: the
// other pages are served meanwhile.
func servePage(w http.ResponseWriter, r *http.Request) {
	page, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil || page < 0 {
		http.NotFound(w, r)
		return
	}
	if asyncio.Sleep(r.Context(), latency(page)) != nil {
		return // the server is being closed
	}
	_, _ = io.WriteString(w, pageText(page)) // a client that has gone has gone
}

// fetchPage gets a page and checks that it is the right one.
func fetchPage(ctx context.Context, client *http.Client, site string, page int) (int64, error) {
	url := site + "/" + strconv.Itoa(page)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK || string(body) != pageText(page) {
		return 0, fmt.Errorf("%s: not the page that was asked for (%s, %d bytes)", url, resp.Status, len(body))
	}
	return int64(len(body)), nil
}

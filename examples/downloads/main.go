// Command downloads runs twenty downloads that block, each in a goroutine of
// the loop's executor, while the loop goes on.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/asyncio-go/asyncio"
)

func main() {
	srv := httptest.NewServer(http.HandlerFunc(page))
	defer srv.Close()
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		return run(ctx, srv.URL)
	})
	if err != nil {
		log.Fatal(err)
	}
}

// page answers after a while, as far hosts do.
func page(w http.ResponseWriter, r *http.Request) {
	time.Sleep(50 * time.Millisecond)
	fmt.Fprintln(w, "This is", r.URL.Path)
}

func run(ctx context.Context, site string) error {
	loop, err := asyncio.RunningLoop(ctx)
	if err != nil {
		return err
	}
	ticks := 0
	asyncio.Go(ctx, func(ctx context.Context) error { return tick(ctx, &ticks) })

	var downloads []*asyncio.Future[string]
	for i := range 20 {
		downloads = append(downloads, asyncio.RunInExecutor(loop, nil, func(ctx context.Context) (string, error) {
			return download(ctx, fmt.Sprintf("%s/page%d", site, i+1))
		}))
	}
	pages, err := asyncio.Gather(ctx, downloads...)
	if err != nil {
		return err
	}
	for _, text := range pages {
		fmt.Print(text)
	}
	fmt.Println("meanwhile the loop has ticked", ticks, "times")
	return nil
}

// tick counts until it is cancelled. Nothing else runs between two of its
// waits, so the counter needs no lock.
func tick(ctx context.Context, n *int) error {
	for {
		if err := asyncio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
		*n++
	}
}

// download blocks. It runs on a goroutine of its own and must not touch the
// loop; its context ends when nobody wants the result any more.
func download(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

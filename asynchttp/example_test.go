package asynchttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asynchttp"
)

// A server and its clients, all in one thread. What the handler waits for
// holds nobody up.
func Example() {
	srv := &asynchttp.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := asyncio.Sleep(r.Context(), 0); err != nil {
			return
		}
		fmt.Fprintf(w, "hello from %s", r.URL.Path)
	})}
	err := asyncio.Run(context.Background(), func(ctx context.Context) error {
		addr, err := srv.Start(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		tr := &asynchttp.Transport{MaxConnsPerHost: 2}
		defer tr.Close()
		client := &http.Client{Transport: tr}

		var tasks []*asyncio.Task[string]
		for i := range 3 {
			url := fmt.Sprintf("http://%s/%d", addr, i)
			tasks = append(tasks, asyncio.CreateTask(ctx, func(ctx context.Context) (string, error) {
				return page(ctx, client, url)
			}))
		}
		pages, err := asyncio.Gather(ctx, tasks...)
		if err != nil {
			return err
		}
		for _, p := range pages {
			fmt.Println(p)
		}
		return srv.Shutdown(ctx)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	// Output:
	// hello from /0
	// hello from /1
	// hello from /2
}

func page(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

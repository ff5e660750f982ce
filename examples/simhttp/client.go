// Package simhttp is an HTTP client that tries again, and a test of it in a simulated
// world. Nothing in this file knows of simulation.
package simhttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/asyncio-go/asyncio"
)

// Pay asks a server for a payment until it has an answer. The id makes the server do
// it once, however often it is asked.
func Pay(ctx context.Context, client *http.Client, url, id string) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := pay(ctx, client, url, id)
		if err == nil || asyncio.IsCancelled(err) {
			return err
		}
		if err := asyncio.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func pay(ctx context.Context, client *http.Client, url, id string) error {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, url, strings.NewReader(id))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server said %s", resp.Status)
	}
	return nil
}

// A Ledger is what the server keeps.
type Ledger map[string]int

// ServeHTTP makes a payment, if it was not made already.
func (l Ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if l[string(id)] == 0 {
		l[string(id)]++
	}
	fmt.Fprintln(w, "paid")
}

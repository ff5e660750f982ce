//go:build unix

package libraries

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
)

// reports is a log that keeps what it is told.
type reports struct {
	mu    sync.Mutex
	texts []string
}

func (r *reports) Enabled(context.Context, slog.Level) bool { return true }
func (r *reports) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *reports) WithGroup(string) slog.Handler            { return r }
func (r *reports) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.texts = append(r.texts, rec.Message)
	return nil
}

// Without a semaphore a pool that is empty stops the loop, which says so.
func TestAPoolThatIsTooSmallIsNamed(t *testing.T) {
	url := postgresServer(t)
	log := &reports{}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		db := openPQ(t, loop(ctx), url)
		defer db.Close()
		db.SetMaxOpenConns(1)
		err := together(ctx, 2, func(ctx context.Context, _ int) error {
			// It ends the wait of the second task, which would never end.
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			_, err := db.ExecContext(ctx, "select pg_sleep(0.1)")
			return err
		})
		if !isTimeout(err) {
			t.Errorf("the tasks ended with %v", err)
		}
		return nil
	}, asyncio.WithStallWatch(500*time.Millisecond), asyncio.WithLogger(slog.New(log)))
	if err != nil {
		t.Error(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.texts) == 0 || !strings.Contains(log.texts[0], "database/sql.(*DB).ExecContext at ") ||
		!strings.Contains(log.texts[0], "pool_test.go:") {
		t.Errorf("it was said %q", log.texts)
	}
}

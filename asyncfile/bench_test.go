//go:build unix

package asyncfile_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
)

// benchTasks is how many tasks, or goroutines, there are.
const benchTasks = 32

var workers = flag.Int("workers", 0, "how many threads the benchmarks use; 0: those of the package")

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// lateness is how late a ticker of 1 ms was.
type lateness struct {
	most           time.Duration
	ticks, tooLate float64
}

func (l *lateness) note(began time.Time) {
	late := time.Since(began) - time.Millisecond
	l.most = max(l.most, late)
	l.ticks++
	if late > 5*time.Millisecond {
		l.tooLate++
	}
}

func (l *lateness) report(b *testing.B) {
	b.ReportMetric(l.most.Seconds()*1000, "late-ms")
	b.ReportMetric(l.ticks, "ticks")
	b.ReportMetric(l.tooLate, "late>5ms")
}

// BenchmarkSmallFiles writes a file of 1 KiB and reads it, beside plain calls on
// goroutines. testdata/aiofiles.py does the same on CPython. A ticker of 1 ms runs
// meanwhile, on a goroutine or on the loop: late-ms is how late it was at most, late>5ms how often by more than 5 ms.
func BenchmarkSmallFiles(b *testing.B) {
	data := make([]byte, 1024)
	name := func(dir string, i int64) string { return filepath.Join(dir, fmt.Sprint(i%1000)) }
	b.Run("goroutines", func(b *testing.B) {
		dir := b.TempDir()
		var left atomic.Int64
		left.Store(int64(b.N))
		var late lateness
		over, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for {
				began := time.Now()
				select {
				case <-over:
					return
				case <-time.After(time.Millisecond):
					late.note(began)
				}
			}
		}()
		before := cpu()
		b.ResetTimer()
		var all sync.WaitGroup
		for range benchTasks {
			all.Go(func() {
				for i := left.Add(-1); i >= 0; i = left.Add(-1) {
					if err := os.WriteFile(name(dir, i), data, 0o600); err != nil {
						b.Error(err)
						return
					}
					if _, err := os.ReadFile(name(dir, i)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
		close(over)
		<-ended
		late.report(b)
	})
	b.Run("asyncfile", func(b *testing.B) {
		dir := b.TempDir()
		left := int64(b.N)
		onBenchLoop(b, func(ctx context.Context) error {
			for left > 0 {
				left--
				file := name(dir, left)
				if err := asyncfile.WriteFile(ctx, file, data, 0o600); err != nil {
					return err
				}
				if _, err := asyncfile.ReadFile(ctx, file); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// BenchmarkLines reads a file of a million short lines.
func BenchmarkLines(b *testing.B) {
	file := filepath.Join(b.TempDir(), "f")
	line := "a line of some forty bytes, as logs have\n"
	text := make([]byte, 0, 1_000_000*len(line))
	for range 1_000_000 {
		text = append(text, line...)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	onBenchLoop(b, func(ctx context.Context) error {
		for b.Loop() {
			f, err := asyncfile.Open(ctx, file)
			if err != nil {
				return err
			}
			for _, err := range f.Lines(ctx) {
				if err != nil {
					return err
				}
			}
			if err := f.Close(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// withWorkers returns a context with as many threads as were asked for, if any.
func withWorkers(ctx context.Context) (with context.Context, stop func()) {
	if *workers == 0 {
		return ctx, func() {}
	}
	e := asyncio.NewThreadPoolExecutor(*workers)
	return asyncfile.WithExecutor(ctx, e), func() {
		_ = e.Shutdown(context.WithoutCancel(ctx)) //asyncvet:ignore blocking all jobs have ended
	}
}

func onBenchLoop(b *testing.B, body func(ctx context.Context) error) {
	tasks := benchTasks
	if b.Name() == "BenchmarkLines" {
		tasks = 1
	}
	var late lateness
	err := asyncio.Run(b.Context(), func(ctx context.Context) error {
		ctx, stop := withWorkers(ctx)
		defer stop()
		ticker := asyncio.Go(ctx, func(ctx context.Context) error {
			for {
				began := time.Now()
				if err := asyncio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
				late.note(began)
			}
		})
		before := cpu()
		b.ResetTimer()
		err := asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
			for range tasks {
				g.Go(body)
			}
			return nil
		})
		b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
		late.report(b)
		ticker.Cancel()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

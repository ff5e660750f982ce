package asyncfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"golang.org/x/sys/unix"
)

// BenchmarkReadAt reads 4 KiB at offsets all over a file of 1 GiB, on goroutines and on a
// loop, from memory and from the disk. With -workers each read on the loop is a job.
func BenchmarkReadAt(b *testing.B) {
	const piece, size = 4096, 1 << 30
	name := filepath.Join(b.TempDir(), "f")
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for range size >> 20 {
		if _, err := f.Write(make([]byte, 1<<20)); err != nil {
			b.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	offset := func(i int64) int64 { return i * 7919 % (size / piece) * piece }
	for _, from := range []string{"memory", "disk"} {
		prepare := func(b *testing.B) {
			if from == "disk" {
				if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
					b.Fatal(err)
				}
			}
		}
		for _, n := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s/%d/goroutines", from, n), func(b *testing.B) {
				f, err := os.Open(name)
				if err != nil {
					b.Fatal(err)
				}
				defer f.Close()
				_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM)
				prepare(b)
				left := atomic.Int64{}
				left.Store(int64(b.N))
				before := cpu()
				var all sync.WaitGroup
				for range n {
					all.Go(func() {
						p := make([]byte, piece)
						for i := left.Add(-1); i >= 0; i = left.Add(-1) {
							if _, err := f.ReadAt(p, offset(i)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
			})
			b.Run(fmt.Sprintf("%s/%d/tasks", from, n), func(b *testing.B) {
				left := int64(b.N)
				err := asyncio.Run(b.Context(), func(ctx context.Context) error {
					ctx, stop := withWorkers(ctx)
					defer stop()
					f, err := asyncfile.Open(ctx, name)
					if err != nil {
						return err
					}
					defer f.Close(ctx)
					_ = unix.Fadvise(int(f.OS().Fd()), 0, 0, unix.FADV_RANDOM)
					prepare(b)
					before := cpu()
					err = asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
						for range n {
							g.Go(func(ctx context.Context) error {
								p := make([]byte, piece)
								for left > 0 {
									left--
									if _, err := f.ReadAt(ctx, p, offset(left)); err != nil {
										return err
									}
								}
								return nil
							})
						}
						return nil
					})
					b.ReportMetric(float64(cpu()-before)/float64(b.N)/1000, "cpu-µs/op")
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

package asyncfile_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

var (
	files    = flag.Int("files", 10_000, "how many small files are written and read")
	copySize = flag.Int64("copysize", 64<<20, "the size of the file that is copied")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func onLoop(t *testing.T, body func(ctx context.Context, dir string)) {
	t.Helper()
	dir := t.TempDir()
	if err := asyncio.Run(t.Context(), func(ctx context.Context) error { body(ctx, dir); return nil }); err != nil {
		t.Error(err)
	}
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// blocked returns an executor whose only thread is busy until release is called, and what
// waits until it has run all it had.
func blocked(t *testing.T) (e *asyncio.ThreadPoolExecutor, release func()) {
	e = asyncio.NewThreadPoolExecutor(1)
	goOn := make(chan struct{})
	ok(t, e.Submit(context.Background(), func(context.Context) { <-goOn }))
	return e, func() {
		close(goOn)
		ok(t, e.Shutdown(context.Background()))
	}
}

func names(t *testing.T, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A File does what an os.File does.
func TestAFileBehavesAsThatOfOS(t *testing.T) { onLoop(t, behavesAsThatOfOS(t)) }

func TestAFileBehavesAsThatOfOSInJobs(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		e := asyncio.NewThreadPoolExecutor(2)
		behavesAsThatOfOS(t)(asyncfile.WithExecutor(ctx, e), dir)
		ok(t, e.Shutdown(context.Background())) //asyncvet:ignore blocking all jobs have ended
	})
}

func behavesAsThatOfOS(t *testing.T) func(ctx context.Context, dir string) {
	return func(ctx context.Context, dir string) {
		rapid.Check(t, func(t *rapid.T) {
			want, err := os.Create(filepath.Join(dir, "want"))
			if err != nil {
				t.Fatal(err)
			}
			defer want.Close()
			got, err := asyncfile.Create(ctx, filepath.Join(dir, "got"))
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close(ctx)
			same := func(what string, n, m int64, err, wantErr error) {
				if n != m || fmt.Sprint(err) != strings.ReplaceAll(fmt.Sprint(wantErr), "want", "got") {
					t.Fatalf("%s: %d, %v; want %d, %v", what, n, err, m, wantErr)
				}
			}
			offset := rapid.Int64Range(-1, 100)
			data := rapid.SliceOfN(rapid.Byte(), 0, 50)
			t.Repeat(map[string]func(*rapid.T){
				"write": func(t *rapid.T) {
					p := data.Draw(t, "data")
					n, err := got.Write(ctx, p)
					m, wantErr := want.Write(p)
					same("Write", int64(n), int64(m), err, wantErr)
				},
				"writeAt": func(t *rapid.T) {
					p, off := data.Draw(t, "data"), offset.Draw(t, "offset")
					n, err := got.WriteAt(ctx, p, off)
					m, wantErr := want.WriteAt(p, off)
					if len(p) > 0 {
						same("WriteAt", int64(n), int64(m), err, wantErr)
					}
				},
				"read": func(t *rapid.T) {
					p := data.Draw(t, "buffer")
					q := slices.Clone(p)
					n, err := got.Read(ctx, p)
					m, wantErr := want.Read(q)
					same("Read", int64(n), int64(m), err, wantErr)
					if !bytes.Equal(p, q) {
						t.Fatalf("read %q, want %q", p, q)
					}
				},
				"readAt": func(t *rapid.T) {
					p, off := data.Draw(t, "buffer"), offset.Draw(t, "offset")
					q := slices.Clone(p)
					n, err := got.ReadAt(ctx, p, off)
					m, wantErr := want.ReadAt(q, off)
					if len(p) > 0 {
						same("ReadAt", int64(n), int64(m), err, wantErr)
					}
					if !bytes.Equal(p, q) {
						t.Fatalf("read %q, want %q", p, q)
					}
				},
				"seek": func(t *rapid.T) {
					off, whence := offset.Draw(t, "offset"), rapid.IntRange(0, 2).Draw(t, "whence")
					n, err := got.Seek(ctx, off, whence)
					m, wantErr := want.Seek(off, whence)
					same("Seek", n, m, err, wantErr)
				},
				"truncate": func(t *rapid.T) {
					size := offset.Draw(t, "size")
					same("Truncate", 0, 0, got.Truncate(ctx, size), want.Truncate(size))
				},
				"forget": func(t *rapid.T) { forget(t, got.OS()) },
				"": func(t *rapid.T) {
					a, err := got.Stat(ctx)
					b, wantErr := want.Stat()
					same("Stat", a.Size(), b.Size(), err, wantErr)
				},
			})
		})
	}
}

func TestLongReadsAndWrites(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		f, err := asyncfile.Create(ctx, filepath.Join(dir, "f"))
		ok(t, err)
		long := bytes.Repeat([]byte("0123456789abcdef!"), 200_000)
		n, err := f.Write(ctx, long)
		if n != len(long) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		got := make([]byte, len(long))
		if n, err := f.ReadAt(ctx, got, 0); n != len(long) || err != nil || !bytes.Equal(got, long) {
			t.Errorf("ReadAt: %d, %v", n, err)
		}
		if n, err := f.WriteAt(ctx, long, 1); n != len(long) || err != nil {
			t.Errorf("WriteAt: %d, %v", n, err)
		}
		_, err = f.Seek(ctx, 1, io.SeekStart)
		ok(t, err)
		if got, err := io.ReadAll(f.With(ctx)); err != nil || !bytes.Equal(got, long) {
			t.Errorf("ReadAll: %d bytes, %v", len(got), err)
		}
		ok(t, f.Sync(ctx), f.Close(ctx))
		if err := f.Close(ctx); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("the second Close: %v", err)
		}
	})
}

func TestLines(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		for _, text := range []string{
			"", "\n", "one", "one\n", "one\r\ntwo\n\nthree", "\r\n\r", strings.Repeat("x", 200_000),
			strings.Repeat("a line\n", 50_000), strings.Repeat(strings.Repeat("y", 65_535)+"\n", 3),
		} {
			ok(t, os.WriteFile(name, []byte(text), 0o600))
			want := strings.Split(text, "\n")
			if last := len(want) - 1; want[last] == "" {
				want = want[:last]
			}
			for i := range want {
				if i < strings.Count(text, "\n") {
					want[i] = strings.TrimSuffix(want[i], "\r")
				}
			}
			f, err := asyncfile.Open(ctx, name)
			ok(t, err)
			var got []string
			for line, err := range f.Lines(ctx) {
				ok(t, err)
				got = append(got, line)
			}
			ok(t, f.Close(ctx))
			if !slices.Equal(got, want) {
				t.Errorf("of %.20q: %d lines, want %d", text, len(got), len(want))
			}
		}
	})
}

func TestALineCostsNoJob(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		ok(t, os.WriteFile(name, bytes.Repeat([]byte("a line\n"), 100_000), 0o600))
		e := asyncio.NewThreadPoolExecutor(2)
		ctx = asyncfile.WithExecutor(ctx, e)
		f, err := asyncfile.Open(ctx, name)
		ok(t, err)
		n := 0
		for _, err := range f.Lines(ctx) {
			ok(t, err)
			n++
		}
		ok(t, f.Close(ctx))
		if s := e.Stats(); n != 100_000 || s.Done > 15 {
			t.Errorf("%d lines in %d jobs", n, s.Done)
		}
	})
}

func TestTheLoopOverLinesIsLeftEarly(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		ok(t, os.WriteFile(name, bytes.Repeat([]byte("a line\n"), 100_000), 0o600))
		for range 20 {
			f, err := asyncfile.Open(ctx, name)
			ok(t, err)
			for _, err := range f.Lines(ctx) {
				ok(t, err)
				break
			}
			ok(t, f.Close(ctx))
		}
	})
}

func TestACancelledLoopOverLinesSaysSo(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		ok(t, os.WriteFile(name, []byte("a line\n"), 0o600))
		f, err := asyncfile.Open(ctx, name)
		ok(t, err)
		e, release := blocked(t)
		derived, cancel := context.WithCancel(asyncfile.WithExecutor(ctx, e))
		task := asyncio.Go(ctx, func(context.Context) error {
			for _, err := range f.Lines(derived) {
				return err
			}
			return nil
		})
		ok(t, asyncio.Sleep(ctx, 0))
		cancel()
		if _, err := task.Await(ctx); err != context.Canceled {
			t.Errorf("it ended with %v", err)
		}
		release()
		ok(t, f.Close(ctx))
	})
}

func TestOtherPackagesReadAFile(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		f, err := asyncfile.CreateTemp(ctx, dir, "*.csv")
		ok(t, err)
		defer f.Close(ctx)
		b := f.With(ctx)
		w := csv.NewWriter(b)
		ok(t, w.WriteAll([][]string{{"a", "b"}, {"1", "2"}}))
		_, err = b.Seek(0, io.SeekStart)
		ok(t, err)
		rows, err := csv.NewReader(b).ReadAll()
		if err != nil || fmt.Sprint(rows) != "[[a b] [1 2]]" {
			t.Errorf("%v, %v", rows, err)
		}
		if info, err := b.Stat(); err != nil || info.Size() != 8 {
			t.Errorf("%v, %v", info, err)
		}
	})
}

// A file that was opened for a task that has gone is closed, and a temporary one removed.
func TestWhatWasOpenedForACancelledTaskIsClosed(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		e, release := blocked(t)
		ctx2 := asyncfile.WithExecutor(ctx, e)
		var tasks []*asyncio.Task[struct{}]
		for i := range 30 {
			tasks = append(tasks, asyncio.Go(ctx2, func(ctx context.Context) (err error) {
				switch i % 3 {
				case 0:
					_, err = asyncfile.CreateTemp(ctx, dir, "*")
				case 1:
					_, err = asyncfile.MkdirTemp(ctx, dir, "*")
				default:
					err = asyncfile.ReplaceFile(ctx, filepath.Join(dir, "never"), []byte("x"), 0o600)
				}
				return err
			}))
		}
		ok(t, asyncio.Sleep(ctx, 0))
		before := descriptors()
		release() // and all that is queued is done, before the loop hears of it
		for _, task := range tasks {
			task.Cancel()
		}
		for _, task := range tasks {
			if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
				t.Errorf("it ended with %v", err)
			}
		}
		// What was made is disposed of on goroutines: the executor takes no more.
		for {
			left := names(t, dir)
			left = slices.DeleteFunc(left, func(name string) bool { return name == "never" })
			if len(left) == 0 && descriptors() <= before {
				break
			}
			ok(t, asyncio.Sleep(ctx, 0))
		}
	})
}

// descriptors returns how many this process has, where that can be known.
func descriptors() int {
	all, _ := os.ReadDir("/proc/self/fd")
	return len(all)
}

func TestCloseIsDoneForACancelledTaskToo(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		f, err := asyncfile.Create(ctx, filepath.Join(dir, "f"))
		ok(t, err)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := f.Close(ended); err != context.Canceled {
			t.Errorf("Close: %v", err)
		}
		for {
			if _, err := f.OS().Stat(); errors.Is(err, fs.ErrClosed) {
				break
			}
			ok(t, asyncio.Sleep(ctx, 0))
		}
	})
}

// Memory that was given to a call that was cut off is the caller's.
func TestACancelledReadLeavesItsBufferAlone(t *testing.T) {
	onLoop(t, func(ctx context.Context, dir string) {
		name := filepath.Join(dir, "f")
		ok(t, os.WriteFile(name, []byte("content"), 0o600))
		f, err := asyncfile.Open(ctx, name)
		ok(t, err)
		e, release := blocked(t)
		buf := make([]byte, 7)
		task := asyncio.Go(asyncfile.WithExecutor(ctx, e), func(ctx context.Context) error {
			_, err := f.Read(ctx, buf)
			return err
		})
		ok(t, asyncio.Sleep(ctx, 0))
		release() // it has read
		task.Cancel()
		if _, err := task.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		if !bytes.Equal(buf, make([]byte, 7)) {
			t.Errorf("there is %q in the buffer", buf)
		}
		ok(t, f.Close(ctx))
	})
}

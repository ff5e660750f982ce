package asyncfile

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/asyncio-go/asyncio"
	"golang.org/x/sys/unix"
)

// inMemory calls body on a loop, with a file of which the system tells what is in memory.
func inMemory(t *testing.T, content string, body func(ctx context.Context, f *File) error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Preadv2(int(file.Fd()), [][]byte{make([]byte, 1)}, 0, unix.RWF_NOWAIT); errors.Is(err, unix.EOPNOTSUPP) {
		file.Close()
		t.Skip("the file system of temporary files does not tell what is in memory")
	}
	f := NewFile(file)
	if err := asyncio.Run(t.Context(), func(ctx context.Context) error { return body(ctx, f) }); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// withoutThreads calls fn while all threads of the package are busy.
func withoutThreads(ctx context.Context, fn func(ctx context.Context) error) error {
	return asyncio.Group(ctx, func(ctx context.Context, g *asyncio.TaskGroup) error {
		release := make(chan struct{})
		defer close(release)
		most := min(32, runtime.GOMAXPROCS(0)+4) + runtime.NumCPU()
		for range most {
			g.Go(func(ctx context.Context) error {
				_, err := Do(ctx, func(context.Context) (struct{}, error) { <-release; return struct{}{}, nil })
				return err
			})
		}
		if err := asyncio.Sleep(ctx, 0); err != nil { // they come first
			return err
		}
		return fn(ctx)
	})
}

func TestWhatIsInMemoryIsReadWithoutAThread(t *testing.T) {
	inMemory(t, "what is there", func(ctx context.Context, f *File) error {
		return withoutThreads(ctx, func(ctx context.Context) error {
			p := make([]byte, 4)
			if n, err := f.Read(ctx, p); string(p[:n]) != "what" || err != nil {
				t.Errorf("Read: %q, %v", p[:n], err)
			}
			if n, err := f.ReadAt(ctx, p, 8); string(p[:n]) != "ther" || err != nil {
				t.Errorf("ReadAt: %q, %v", p[:n], err)
			}
			if n, err := f.ReadAt(ctx, p, 10); string(p[:n]) != "ere" || err != io.EOF {
				t.Errorf("ReadAt beyond the end: %q, %v", p[:n], err)
			}
			rest, err := io.ReadAll(f.With(ctx))
			if string(rest) != " is there" || err != nil {
				t.Errorf("the rest: %q, %v", rest, err)
			}
			return nil
		})
	})
}

func TestLongReadsAreJobsAlsoOfWhatIsInMemory(t *testing.T) {
	inMemory(t, strings.Repeat("x", memoryMost+1), func(ctx context.Context, f *File) error {
		if n, done, err := f.readMemory(ctx, make([]byte, memoryMost), 1); n != memoryMost || !done || err != nil {
			t.Errorf("%d bytes: %d, %v, %v", memoryMost, n, done, err)
		}
		if n, done, err := f.readMemory(ctx, make([]byte, memoryMost+1), 0); n != 0 || done || err != nil {
			t.Errorf("one more: %d, %v, %v", n, done, err)
		}
		return nil
	})
}

func TestTheSystemIsAskedAgainWhenSomethingWasNotInMemory(t *testing.T) {
	inMemory(t, "text", func(ctx context.Context, f *File) error {
		if err := f.Sync(ctx); err != nil {
			return err
		}
		if err := unix.Fadvise(int(f.OS().Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			return err
		}
		p := make([]byte, 4)
		if n, err := f.ReadAt(ctx, p, 0); string(p[:n]) != "text" || err != nil {
			t.Errorf("from the disk: %q, %v", p[:n], err)
		}
		if f.memory.refused.Load() {
			t.Error("it would not be asked")
		}
		return nil
	})
}

func TestReadsWithAnExecutorOfTheirOwnAreJobs(t *testing.T) {
	inMemory(t, "text", func(ctx context.Context, f *File) error {
		e := asyncio.NewThreadPoolExecutor(1)
		_, err := f.ReadAt(WithExecutor(ctx, e), make([]byte, 4), 0)
		_ = e.Shutdown(context.WithoutCancel(ctx)) //asyncvet:ignore blocking its only job has answered
		if err != nil {
			return err
		}
		if done := e.Stats().Done; done != 1 {
			t.Errorf("%d jobs", done)
		}
		return nil
	})
}

func TestOthersRunBesideReadsOfWhatIsInMemory(t *testing.T) {
	inMemory(t, "text", func(ctx context.Context, f *File) error {
		turns := 0
		other := asyncio.Go(ctx, func(ctx context.Context) error {
			for ; ; turns++ {
				if err := asyncio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
		const reads = 100
		for range reads {
			if _, err := f.ReadAt(ctx, make([]byte, 4), 0); err != nil {
				return err
			}
		}
		if turns < reads-1 {
			t.Errorf("the other had %d turns during %d reads", turns, reads)
		}
		other.Cancel()
		_, _ = other.Await(ctx)
		return nil
	})
}

func TestAReadThatIsCutOffBeforeItBeginsReadsNothing(t *testing.T) {
	inMemory(t, "text", func(ctx context.Context, f *File) error {
		p := make([]byte, 4)
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := f.Read(ctx, p)
			return err
		})
		if err := asyncio.Sleep(ctx, 0); err != nil { // it lets others run
			return err
		}
		reader.Cancel()
		if _, err := reader.Await(ctx); !asyncio.IsCancelled(err) {
			t.Errorf("it ended with %v", err)
		}
		if n, err := f.Read(ctx, p); string(p[:n]) != "text" || err != nil {
			t.Errorf("then: %q, %v", p[:n], err)
		}
		return nil
	})
}

// While a job waits at the file's position, the system has others wait that want it.
func TestNoReadOnTheLoopWaitsForAJobAtThePosition(t *testing.T) {
	inMemory(t, "text", func(ctx context.Context, f *File) error {
		p := make([]byte, 4)
		f.position.RLock()                               // as a job does
		_, done, err := f.readMemory(ctx, p, atPosition) //asyncvet:ignore mutex the loop only tries to lock it
		f.position.RUnlock()
		if done || err != nil {
			t.Errorf("beside a job: %v, %v", done, err)
		}
		if _, err := f.Seek(ctx, 0, io.SeekStart); err != nil {
			return err
		}
		if n, done, err := f.readMemory(ctx, p, atPosition); string(p[:n]) != "text" || !done || err != nil {
			t.Errorf("after one: %q, %v, %v", p[:n], done, err)
		}
		return nil
	})
}

func TestJobsHoldThePositionTogether(t *testing.T) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f, peer := NewFile(os.NewFile(uintptr(ends[0]), "here")), os.NewFile(uintptr(ends[1]), "there")
	defer peer.Close()
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		defer f.Close(ctx)
		p := make([]byte, 5)
		reader := asyncio.Go(ctx, func(ctx context.Context) error {
			_, err := f.Read(ctx, p)
			return err
		})
		for f.position.TryLock() { // until its job has begun
			f.position.Unlock()
			if err := asyncio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		if _, err := f.Write(ctx, []byte("hello")); err != nil { // beside the read
			return err
		}
		_, err := Do(ctx, func(context.Context) (struct{}, error) {
			_, err := io.CopyN(peer, peer, 5)
			return struct{}{}, err
		})
		if err != nil {
			return err
		}
		_, err = reader.Await(ctx)
		if string(p) != "hello" {
			t.Errorf("read %q", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAFileOfWhichTheSystemDoesNotTellIsReadInJobs(t *testing.T) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("there is no /proc: ", err)
	}
	f := NewFile(file)
	err = asyncio.Run(t.Context(), func(ctx context.Context) error {
		defer f.Close(ctx)
		text, err := io.ReadAll(f.With(ctx))
		if !strings.HasPrefix(string(text), "Name:") {
			t.Errorf("it begins with %.20q", text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if !f.memory.refused.Load() {
		t.Error("the system would be asked again")
	}
}

func TestErrorsOfReadsAreThoseOfPackageOS(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, nil, 0o200); err != nil {
		t.Fatal(err)
	}
	err := asyncio.Run(t.Context(), func(ctx context.Context) error {
		p := make([]byte, 1)
		d, err := Open(ctx, dir)
		if err != nil {
			return err
		}
		if _, err := d.Read(ctx, p); !errors.Is(err, syscall.EISDIR) || !strings.HasPrefix(err.Error(), "read "+dir) {
			t.Errorf("of a directory: %v", err)
		}
		if err := d.Close(ctx); err != nil {
			return err
		}
		if _, err := d.ReadAt(ctx, p, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("of a closed file: %v", err)
		}
		w, err := OpenFile(ctx, name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer w.Close(ctx)
		if _, err := w.Read(ctx, p); !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), name) {
			t.Errorf("of a file to write: %v", err)
		}
		_, err = w.ReadAt(ctx, p, -1)
		_, want := w.OS().ReadAt(p, -1)
		if err == nil || err.Error() != want.Error() {
			t.Errorf("before the beginning: %v, not %v", err, want)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

package sim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/asyncio-go/asyncio/asyncfile"
	"github.com/asyncio-go/asyncio/sim"
)

// appendLine writes a line behind the others, and brings it to the disk or not.
func appendLine(ctx context.Context, name, line string, sync bool) error {
	f, err := asyncfile.OpenFile(ctx, name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.Write(ctx, []byte(line+"\n")); err == nil && sync {
		err = f.Sync(ctx)
	}
	return errors.Join(err, f.Close(ctx))
}

// journal is a world in which a host counts in a file, and says of each number that it is
// written when it believes so. The host crashes. What was said must be there.
func journal(sync bool, opts ...sim.DiskOption) func(w *sim.World) {
	return func(w *sim.World) {
		h := w.Host("h")
		h.Disk().Set(opts...)
		if err := h.Disk().WriteFile("/var/log", nil); err != nil {
			w.Failf("%v", err)
		}
		said := 0
		h.Serve(func(ctx context.Context) error {
			f, err := asyncfile.Open(ctx, "/var/log")
			if err != nil {
				return err
			}
			last, whole := 0, 0
			for line, err := range f.Lines(ctx) {
				if err != nil {
					return err
				}
				if n, _ := fmt.Sscanf(line, "%d.", &last); n == 1 && strings.HasSuffix(line, ".") {
					whole = last
				}
			}
			if err := f.Close(ctx); err != nil {
				return err
			}
			if whole < said {
				w.Failf("%d was said, and there are %d", said, whole)
			}
			for n := whole + 1; ; n++ {
				if err := appendLine(ctx, "/var/log", fmt.Sprint("\n", n, "."), sync); err != nil {
					return err
				}
				said = n
			}
		})
		for at := time.Second; at < 4*time.Second; at += time.Second {
			w.At(at-50*time.Millisecond, h.Crash)
			w.At(at, h.Restart)
		}
		w.Host("watch").Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, 4*time.Second) })
	}
}

func TestWhatWasSyncedOutlivesACrash(t *testing.T) { sim.Test(t, journal(true), sim.Seeds(50)) }

func TestWhatWasNotSyncedIsLostInACrash(t *testing.T) {
	r := sim.Run(journal(false), sim.ShrinkRuns(10))
	if r.Err == nil || !strings.Contains(r.Err.Error(), "was said") {
		t.Errorf("%v", r.Err)
	}
	if r.Seed > 5 || !strings.Contains(r.Trace, "the disk has") || !strings.Contains(r.Trace, "write /var/log") {
		t.Errorf("seed %d\n%s", r.Seed, r.Trace)
	}
}

// configured is a world in which a host replaces a file again and again and crashes. The
// file must be one of its versions, whole.
func configured(write func(ctx context.Context, name string, data []byte) error) func(w *sim.World) {
	return func(w *sim.World) {
		h := w.Host("h")
		version := func(n int) []byte { return []byte(strings.Repeat(fmt.Sprint(n%10), 1000)) }
		if err := h.Disk().WriteFile("/etc/config", version(0)); err != nil {
			w.Failf("%v", err)
		}
		h.Serve(func(ctx context.Context) error {
			for n := 1; ; n++ {
				data, err := asyncfile.ReadFile(ctx, "/etc/config")
				if err != nil || len(data) != 1000 || strings.Count(string(data), string(data[:1])) != 1000 {
					w.Failf("the file has %d bytes, %v", len(data), err)
				}
				if err := write(ctx, "/etc/config", version(n)); err != nil {
					return err
				}
			}
		})
		for at := time.Second; at < 4*time.Second; at += time.Second {
			w.At(at-50*time.Millisecond, h.Crash)
			w.At(at, h.Restart)
		}
		w.Host("watch").Go(func(ctx context.Context) error { return asyncio.Sleep(ctx, 4*time.Second) })
	}
}

func TestAFileThatIsReplacedIsWholeAfterACrash(t *testing.T) {
	sim.Test(t, configured(func(ctx context.Context, name string, data []byte) error {
		return asyncfile.ReplaceFile(ctx, name, data, 0o644)
	}), sim.Seeds(30))
	sim.Test(t, configured(func(ctx context.Context, name string, data []byte) error {
		return asyncfile.Replace(ctx, name, 0o644, func(ctx context.Context, f *asyncfile.File) error {
			_, err := f.Write(ctx, data)
			return err
		})
	}), sim.Seeds(30))
}

func TestAFileThatIsRenamedWithoutASyncIsNot(t *testing.T) {
	for name, write := range map[string]func(ctx context.Context, name string, data []byte) error{
		"renamed": func(ctx context.Context, name string, data []byte) error {
			if err := asyncfile.WriteFile(ctx, name+".new", data, 0o644); err != nil {
				return err
			}
			return asyncfile.Rename(ctx, name+".new", name)
		},
		"written over": func(ctx context.Context, name string, data []byte) error {
			return asyncfile.WriteFile(ctx, name, data, 0o644)
		},
	} {
		if r := sim.Run(configured(write), sim.ShrinkRuns(0)); r.Err == nil || !strings.Contains(r.Err.Error(), "the file has") {
			t.Errorf("%s: %v", name, r.Err)
		}
	}
}

func TestADiskIsSlowAndFullAndBroken(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h := w.Host("h")
		d := h.Disk()
		h.Go(func(ctx context.Context) error {
			d.Set(sim.DiskLatency(time.Second, 500*time.Millisecond))
			began := w.Now()
			if err := asyncfile.WriteFile(ctx, "f", []byte("hello"), 0o600); err != nil {
				return err
			}
			if took := w.Now() - began; took < time.Second || took > 1700*time.Millisecond {
				w.Failf("it took %v", took)
			}
			began = w.Now()
			err := asyncio.Timeout(ctx, 500*time.Millisecond, func(ctx context.Context) error {
				return asyncfile.WriteFile(ctx, "g", []byte("hello"), 0o600)
			})
			if _, missing := d.ReadFile("g"); missing != nil {
				w.Sometimes("it did not happen", true)
			} else {
				w.Sometimes("it has happened all the same", true)
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				w.Failf("a call that takes too long returned %v after %v", err, w.Now()-began)
			}
			d.Set(sim.DiskLatency(0, 0), sim.Capacity(d.Used()+2))
			if err := asyncfile.WriteFile(ctx, "h", []byte("hello"), 0o600); !errors.Is(err, syscall.ENOSPC) {
				w.Failf("a full disk returned %v", err)
			}
			d.Set(sim.Capacity(0), sim.DiskErrors(1))
			if _, err := asyncfile.ReadFile(ctx, "f"); !errors.Is(err, syscall.EIO) {
				w.Failf("a broken disk returned %v", err)
			}
			d.Set(sim.DiskErrors(0), sim.BitRot(1))
			if data, err := asyncfile.ReadFile(ctx, "f"); err != nil || string(data) == "hello" {
				w.Failf("a rotten disk returned %q, %v", data, err)
			}
			d.Set(sim.BitRot(0))
			if data, err := fs.ReadFile(d.FS(), "h"); err != nil || string(data) != "he" {
				w.Failf("there is %q, %v", data, err)
			}
			return nil
		})
	})
}

func TestProgramsUseADiskAsTheyUseFiles(t *testing.T) {
	sim.Test(t, func(w *sim.World) {
		h, other := w.Host("h"), w.Host("other")
		h.Go(func(ctx context.Context) error {
			dir, err := asyncfile.MkdirTemp(ctx, "", "x")
			if err != nil {
				return err
			}
			f, err := asyncfile.CreateTemp(ctx, dir, "y")
			if err != nil {
				return err
			}
			if f.OS() != nil {
				w.Failf("it is a file of the system")
			}
			if err := f.Lock(ctx); err != nil {
				return err
			}
			g, err := asyncfile.Open(ctx, f.Name())
			if err != nil {
				return err
			}
			if ok, err := g.TryLock(ctx); ok || err != nil {
				w.Failf("the lock is taken twice: %v", err)
			}
			_, err = io.WriteString(f.With(ctx), "one\ntwo\n")
			if err := errors.Join(err, f.Unlock(ctx), f.Close(ctx), g.Close(ctx)); err != nil {
				return err
			}
			if n, err := asyncfile.CopyFile(ctx, dir+"/copy", f.Name()); n != 8 || err != nil {
				w.Failf("%d bytes were copied, %v", n, err)
			}
			var walked []string
			err = asyncfile.Walk(ctx, dir, func(path string, _ fs.DirEntry, err error) error {
				walked = append(walked, path)
				return err
			})
			data, readErr := fs.ReadFile(asyncfile.DirFS(ctx, dir), "copy")
			if len(walked) != 3 || string(data) != "one\ntwo\n" {
				w.Failf("there is %q, and in it %q", walked, data)
			}
			return errors.Join(err, readErr, asyncfile.RemoveAll(ctx, dir))
		})
		other.Go(func(ctx context.Context) error {
			if entries, err := asyncfile.ReadDir(ctx, "/tmp"); len(entries) != 0 || err != nil {
				w.Failf("a host sees another's disk: %v, %v", entries, err)
			}
			return nil
		})
	})
}

func TestARealFileLeavesTheWorld(t *testing.T) {
	name := t.TempDir() + "/real"
	if err := os.WriteFile(name, []byte("real"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, use := range map[string]func(ctx context.Context) error{
		"read": func(ctx context.Context) error {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			file := asyncfile.NewFile(f)
			defer file.Close(ctx)
			_, err = file.Read(ctx, make([]byte, 4))
			return err
		},
		"lines": func(ctx context.Context) error {
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			file := asyncfile.NewFile(f)
			defer file.Close(ctx)
			for _, err := range file.Lines(ctx) {
				return err
			}
			return nil
		},
		"watch": func(ctx context.Context) error {
			_, err := asyncfile.Watch(ctx, name)
			return err
		},
	} {
		var got error
		r := sim.Run(func(w *sim.World) {
			w.Host("h").Go(func(ctx context.Context) error {
				got = use(ctx)
				return nil
			})
		}, sim.Seeds(1))
		if !errors.Is(got, sim.ErrEscaped) || !errors.Is(r.Err, sim.ErrEscaped) || what != "lines" && !strings.Contains(r.Err.Error(), "disk_test.go") {
			t.Errorf("%s: it returned %v, and the world %v", what, got, r.Err)
		}
	}
}

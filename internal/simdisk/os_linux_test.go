package simdisk_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/simdisk"
)

// A twin is a file that is open on the disk and in a real directory.
type twin struct {
	name string
	ours driver.File
	real *os.File
}

// A pair is a disk and a real directory, which are to behave the same.
type pair struct {
	disk *simdisk.Disk
	dir  string
	open []twin
}

// result says what has come of a call in words that are the same on both.
func (p *pair) result(v any, err error) string {
	return fmt.Sprintf("%v, %s", v, p.words(err))
}

func (p *pair) words(err error) string {
	var path *fs.PathError
	var link *os.LinkError
	var errno syscall.Errno
	op := ""
	switch {
	case err == nil:
		return "nil"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &path):
		op, err = path.Op+" "+strings.TrimPrefix(path.Path, p.dir), path.Err
	case errors.As(err, &link):
		op, err = link.Op+" "+strings.TrimPrefix(link.Old, p.dir)+" "+strings.TrimPrefix(link.New, p.dir), link.Err
	}
	switch {
	case errors.As(err, &errno):
		return op + ": " + errno.Error()
	case errors.Is(err, fs.ErrClosed), err.Error() == "use of closed file":
		return op + ": closed"
	}
	return op + ": " + err.Error()
}

func errnoOf(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

var flags = []int{
	os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_TRUNC,
	os.O_RDWR | os.O_CREATE | os.O_EXCL, os.O_WRONLY | os.O_APPEND | os.O_CREATE, os.O_RDWR | os.O_APPEND,
}

// step makes one call on both, and returns what it was and what came of it.
func (p *pair) step(t *rapid.T) (what, ours, real string) {
	names := []string{"a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/a", "a/b", "x/y"}
	name := func(label string) string { return "/" + rapid.SampledFrom(names).Draw(t, label) }
	calls := []string{"open", "open", "open", "mkdirall", "remove", "removeall", "rename", "rename", "readdir", "stat", "readfile", "writefile"}
	if len(p.open) > 0 {
		calls = append(calls, "read", "readat", "write", "write", "write", "writeat", "writeat", "seek", "truncate", "sync", "fstat", "freaddir", "close", "chmod")
	}
	call := rapid.SampledFrom(calls).Draw(t, "call")
	switch call {
	case "open":
		n, flag := name("name"), rapid.SampledFrom(flags).Draw(t, "flag")
		f, err := p.disk.OpenFile(n, flag, 0o644)
		g, realErr := os.OpenFile(p.dir+n, flag, 0o644)
		if err == nil && realErr == nil {
			p.open = append(p.open, twin{n, f, g})
		}
		return fmt.Sprintf("open %s %#x", n, flag), p.words(err), p.words(realErr)
	case "mkdirall":
		n := name("name")
		return call + " " + n, p.words(p.disk.MkdirAll(n, 0o755)), p.words(os.MkdirAll(p.dir+n, 0o755))
	case "remove":
		n := name("name")
		if n == "/" {
			return call, "", ""
		}
		return call + " " + n, p.words(p.disk.Remove(n)), p.words(os.Remove(p.dir + n))
	case "removeall":
		n := name("name")
		if n == "/" {
			return call, "", ""
		}
		// The system's error names the call with which it failed.
		return call + " " + n, fmt.Sprint(errnoOf(p.disk.RemoveAll(n))), fmt.Sprint(errnoOf(os.RemoveAll(p.dir + n)))
	case "rename":
		from, to := name("from"), name("to")
		if from == "/" || to == "/" {
			return call, "", ""
		}
		return call + " " + from + " " + to, p.words(p.disk.Rename(from, to)), p.words(os.Rename(p.dir+from, p.dir+to))
	case "readdir":
		n := name("name")
		list, err := p.disk.ReadDir(n)
		realList, realErr := os.ReadDir(p.dir + n)
		return call + " " + n, p.result(entries(list), err), p.result(entries(realList), realErr)
	case "stat":
		n := name("name")
		i, err := p.disk.Stat(n)
		j, realErr := os.Stat(p.dir + n)
		return call + " " + n, p.result(about(i), err), p.result(about(j), realErr)
	case "readfile":
		n := name("name")
		data, err := p.disk.ReadFile(n)
		realData, realErr := os.ReadFile(p.dir + n)
		return call + " " + n, p.result(string(data), err), p.result(string(realData), realErr)
	case "writefile":
		n, data := name("name"), bytesOf(t)
		return call + " " + n, p.words(p.disk.WriteFile(n, data, 0o644)), p.words(os.WriteFile(p.dir+n, data, 0o644))
	}

	i := rapid.IntRange(0, len(p.open)-1).Draw(t, "file")
	f := p.open[i]
	off, size := rapid.Int64Range(-1, 40).Draw(t, "offset"), rapid.IntRange(0, 30).Draw(t, "size")
	b, c := make([]byte, size), make([]byte, size)
	what = fmt.Sprintf("%s %s (%d, %d)", call, f.name, off, size)
	count := func(n int, err error) string { return p.result(n, err) }
	switch call {
	case "read":
		return what, count(f.ours.Read(b)) + string(b), count(f.real.Read(c)) + string(c)
	case "readat":
		return what, count(f.ours.ReadAt(b, off)) + string(b), count(f.real.ReadAt(c, off)) + string(c)
	case "write":
		data := bytesOf(t)
		return what, count(f.ours.Write(data)), count(f.real.Write(data))
	case "writeat":
		data := bytesOf(t)
		return what, count(f.ours.WriteAt(data, off)), count(f.real.WriteAt(data, off))
	case "seek":
		whence := rapid.IntRange(0, 2).Draw(t, "whence")
		if info, err := f.real.Stat(); err == nil && info.IsDir() {
			return what, "", "" // the position in a directory is the system's affair
		}
		at, err := f.ours.Seek(off, whence)
		realAt, realErr := f.real.Seek(off, whence)
		return what, p.result(at, err), p.result(realAt, realErr)
	case "truncate":
		return what, p.words(f.ours.Truncate(off)), p.words(f.real.Truncate(off))
	case "sync":
		_, realErr := f.real.Stat() // a real sync takes too long to be compared
		return what, strings.ReplaceAll(p.words(f.ours.Sync()), "sync ", "stat "), p.words(realErr)
	case "chmod":
		mode := fs.FileMode(rapid.SampledFrom([]uint32{0o600, 0o644, 0o755}).Draw(t, "mode"))
		return what, p.words(f.ours.Chmod(mode)), p.words(f.real.Chmod(mode))
	case "fstat":
		info, err := f.ours.Stat()
		realInfo, realErr := f.real.Stat()
		return what, p.result(about(info), err), p.result(about(realInfo), realErr)
	case "freaddir":
		info, err := f.real.Stat()
		if err == nil && info.IsDir() {
			return what, "", "" // without an order
		}
		_, err = f.ours.ReadDir(-1)
		_, realErr := f.real.ReadDir(-1)
		return what, strings.ReplaceAll(p.words(err), "readdirent", "fdopendir"), strings.ReplaceAll(p.words(realErr), "readdirent", "fdopendir")
	}
	if rapid.Bool().Draw(t, "forget") {
		p.open = append(p.open[:i:i], p.open[i+1:]...)
	}
	return what, p.words(f.ours.Close()), p.words(f.real.Close())
}

func bytesOf(t *rapid.T) []byte {
	return []byte(rapid.StringMatching("[a-z]{0,12}").Draw(t, "data"))
}

func entries(list []fs.DirEntry) (all []string) {
	for _, e := range list {
		all = append(all, fmt.Sprint(e.Name(), e.IsDir()))
	}
	return all
}

func about(i fs.FileInfo) string {
	if i == nil {
		return ""
	}
	if i.IsDir() {
		return "a directory"
	}
	return fmt.Sprint(i.Name(), " ", i.Size(), " ", i.Mode())
}

// inMemory returns a directory in memory: it is about behaviour.
func inMemory(t *testing.T) string {
	t.Helper()
	root, err := os.MkdirTemp("/dev/shm", "simdisk")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	return root
}

func TestAnyRenameEndsAsInTheSystem(t *testing.T) {
	root := inMemory(t)
	names := []string{"a", "b", "d", "d/a", "d/e", "d/e/a", "f", "no", "no/a", "a/b", "d/a/b", "d/no", "d/e/no", "a/", "d/", "no/"}
	for _, from := range names {
		for _, to := range names {
			p := &pair{disk: simdisk.New(&world{}), dir: filepath.Join(root, strings.ReplaceAll(from+" "+to, "/", "_"))}
			for _, dir := range []string{"/", "/d/e", "/f"} {
				if err := errors.Join(p.disk.MkdirAll(dir, 0o755), os.MkdirAll(p.dir+dir, 0o755)); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"/a", "/b", "/d/a", "/d/e/a"} {
				if err := errors.Join(p.disk.WriteFile(file, []byte(file), 0o644), os.WriteFile(p.dir+file, []byte(file), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			ours, real := p.words(p.disk.Rename("/"+from, "/"+to)), p.words(os.Rename(p.dir+"/"+from, p.dir+"/"+to))
			if ours != real {
				t.Errorf("rename %s %s: %q, in the system %q", from, to, ours, real)
			}
		}
	}
}

// With O_APPEND a write moves the offset to the end, but not one that writes nothing.
func TestAWriteOfNothingMovesNoOffset(t *testing.T) {
	p := &pair{disk: simdisk.New(&world{}), dir: inMemory(t)}
	const flag = os.O_RDWR | os.O_CREATE | os.O_APPEND
	real, err := os.OpenFile(p.dir+"/f", flag, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []driver.File{must[driver.File](t)(p.disk.OpenFile("/f", flag, 0o644)), real} {
		for _, data := range []string{"abc", ""} {
			if _, err := f.Write([]byte(data)); err != nil {
				t.Error(err)
			}
			at, err := f.Seek(0, io.SeekCurrent)
			if want := int64(len(data)); at != want || err != nil {
				t.Errorf("after a write of %q it is at %d, %v", data, at, err)
			}
			if _, err := f.Seek(0, io.SeekStart); err != nil {
				t.Error(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestADiskBehavesAsThatOfTheSystem(t *testing.T) {
	root := inMemory(t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		p := &pair{disk: simdisk.New(&world{}), dir: filepath.Join(root, fmt.Sprint(n))}
		if err := os.Mkdir(p.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = p.disk.Remove("/tmp")
		defer func() {
			for _, f := range p.open {
				_ = f.real.Close()
			}
			_ = os.RemoveAll(p.dir)
		}()
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			if what, ours, real := p.step(t); ours != real {
				t.Fatalf("%s: %q, in the system %q", what, ours, real)
			}
		}
		used := int64(0)
		err := filepath.WalkDir(p.dir, func(name string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				i, _ := e.Info()
				used += i.Size()
			}
			return err
		})
		for _, f := range p.open {
			_, _ = f.real.Close(), f.ours.Close()
		}
		if got := p.disk.Used(); err != nil || got != used {
			t.Fatalf("%d bytes are used, in the system %d, %v", got, used, err)
		}
	})
}

package serve

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cachedSite makes a site of a directory with files, links and others.
func cachedSite(t *testing.T) *site {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	for name, size := range map[string]int{
		"outside": 10, "site/small.txt": 100, "site/empty": 0, "site/noname": 2000, "site/large.bin": 300_000,
		"site/large": 300_000, "site/page.html": 5000, "site/sub/index.html": 10, "site/bare/x": 1, "site/htm/index.htm": 1,
	} {
		name = filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Repeat("x", size)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"in": "sub/../small.txt", "out": "../outside", "abs": filepath.Join(dir, "small.txt"), "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{root: root, cached: newCachedFiles(root)}
	t.Cleanup(func() { _ = root.Close() })
	if s.cached == nil {
		t.Skip("this kernel does not tell what is in memory, or this file system may wait")
	}
	t.Cleanup(func() { _ = s.cached.Close() })
	return s
}

// What is found on the loop is what a thread would have found, and all else is left to
// that.
func TestWhatIsInMemoryIsFoundOnTheLoop(t *testing.T) {
	s := cachedSite(t)
	for _, test := range []struct {
		q   query
		now bool
	}{
		{query{name: "small.txt"}, true},
		{query{name: "empty"}, true},
		{query{name: "noname"}, true},
		{query{name: "large.bin"}, true},
		{query{name: "large"}, true},
		{query{name: "large.bin", zip: true}, true},
		{query{name: "in"}, true},
		{query{name: "sub", slash: true}, true},
		{query{name: "page.html"}, true},
		{query{name: "page.html", zip: true}, false}, // there is something to pack
		{query{name: "small.txt", slash: true}, false},
		{query{name: "sub"}, false},
		{query{name: "bare", slash: true, path: "/bare"}, false},
		{query{name: "htm", slash: true}, false},
		{query{name: "out"}, false},
		{query{name: "abs"}, false},
		{query{name: "loop"}, false},
		{query{name: "pipe"}, false},
		{query{name: "not there"}, false},
	} {
		want, werr := s.look(test.q)
		var got *document
		for range 100 { // the system may be looking at it itself
			if got = s.lookNow(test.q); (got != nil) == test.now {
				break
			}
			if got != nil {
				got.close()
			}
		}
		if (got != nil) != test.now || got != nil && werr != nil {
			t.Fatalf("%+v: %v, a thread: %v, %v", test.q, got, want, werr)
		}
		if got != nil {
			if (got.file == nil) != (want.file == nil) || got.file != nil && !sameFile(t, got.file, want.file) {
				t.Errorf("%+v: another file", test.q)
			}
			g, w := *got, *want
			g.file, w.file = nil, nil
			if len(g.body) == 0 && len(w.body) == 0 {
				g.body, w.body = nil, nil
			}
			if !reflect.DeepEqual(g, w) {
				t.Errorf("%+v: %+v, a thread: %+v", test.q, g, w)
			}
			got.close()
		}
		if want != nil {
			want.close()
		}
	}
}

func sameFile(t *testing.T, a, b *os.File) bool {
	t.Helper()
	x, err := a.Stat()
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(x, y)
}

// What is not in memory is for a thread.
func TestAFileThatIsOnTheDiskOnlyIsForAThread(t *testing.T) {
	s := cachedSite(t)
	name := filepath.Join(s.root.Name(), "noname")
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 2000)
	for end := time.Now().Add(5 * time.Second); ; {
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			t.Skip(err)
		}
		_, err := s.cached.read(f, p)
		if err != nil {
			break
		}
		if time.Now().After(end) {
			t.Skip("the system keeps it in memory")
		}
	}
	if d, err := s.look(query{name: "noname"}); err != nil || len(d.body) != 2000 {
		t.Errorf("a thread: %v, %v", d, err)
	}
	if n, err := s.cached.read(f, p); n != 2000 || err != nil {
		t.Errorf("after it was read: %d, %v", n, err)
	}
	if _, err := s.cached.read(f, make([]byte, 2001)); err != errWouldWait {
		t.Errorf("beyond the end: %v", err)
	}
}

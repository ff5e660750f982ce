package simdisk_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/internal/driver"
	"github.com/asyncio-go/asyncio/internal/simdisk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is one that chooses by chance; without that all its choices are tame.
type world struct{ rand *rand.Rand }

func (w *world) Pick(n int) int {
	if w.rand == nil {
		return 0
	}
	return w.rand.IntN(n)
}

func (w *world) Chance(p float64) bool            { return w.rand != nil && w.rand.Float64() < p }
func (w *world) Now() time.Time                   { return time.Unix(1e9, 0) }
func (w *world) Trace(simdisk.Op, string, uint64) {}
func chancy(seed uint64) *world                   { return &world{rand.New(rand.NewPCG(seed, 0))} }
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A history is what may be in a file after a crash.
type history struct {
	least, most int      // bytes
	may         [][]byte // at each place: what may be there
	data        []byte   // what programs see
}

func (h *history) write(off int, p []byte) {
	end := off + len(p)
	for len(h.data) < end {
		h.data = append(h.data, 0)
	}
	copy(h.data[off:], p)
	h.least, h.most = min(h.least, len(h.data)), max(h.most, end)
	h.grow(end)
	for i, b := range p {
		h.may[off+i] = append(h.may[off+i], b)
	}
}

// grow lets there be so many bytes, that are zero where nothing was written.
func (h *history) grow(n int) {
	for len(h.may) < n {
		h.may = append(h.may, []byte{0})
	}
}

func (h *history) truncate(size int) {
	for len(h.data) < size {
		h.data = append(h.data, 0)
	}
	h.data = h.data[:size]
	h.least, h.most = min(h.least, size), max(h.most, size)
	h.grow(size)
	for i := range h.may { // it may be cut off and made longer again
		h.may[i] = append(h.may[i], 0)
	}
}

func (h *history) sync() {
	h.least, h.most, h.may = len(h.data), len(h.data), nil
	for _, b := range h.data {
		h.may = append(h.may, []byte{b})
	}
}

func (h *history) allows(p []byte) error {
	if len(p) < h.least || len(p) > h.most {
		return fmt.Errorf("it has %d bytes, and can have %d to %d", len(p), h.least, h.most)
	}
	for i, b := range p {
		if !slices.Contains(h.may[i], b) {
			return fmt.Errorf("byte %d is %q, and can be one of %q", i, b, h.may[i])
		}
	}
	return nil
}

func TestAfterACrashAFileIsALegalOutcomeOfItsWritesAndSyncs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := simdisk.New(chancy(rapid.Uint64().Draw(t, "seed")))
		histories := map[string]*history{}
		for _, name := range []string{"/a", "/b"} {
			if err := d.WriteFile(name, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			histories[name] = &history{}
		}
		d.SyncAll()
		for range rapid.IntRange(1, 3).Draw(t, "crashes") {
			for range rapid.IntRange(0, 20).Draw(t, "calls") {
				name := rapid.SampledFrom([]string{"/a", "/b"}).Draw(t, "name")
				h := histories[name]
				f, err := d.OpenFile(name, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				switch rapid.IntRange(0, 5).Draw(t, "call") {
				case 0:
					err = f.Sync()
					h.sync()
				case 1:
					size := rapid.IntRange(0, 1200).Draw(t, "size")
					err = f.Truncate(int64(size))
					h.truncate(size)
				default:
					off, p := rapid.IntRange(0, 1100).Draw(t, "offset"), []byte(strings.Repeat(rapid.StringMatching("[a-z]").Draw(t, "letter"), rapid.IntRange(1, 700).Draw(t, "length")))
					_, err = f.WriteAt(p, int64(off))
					h.write(off, p)
				}
				if err = errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
				if got, err := d.ReadFile(name); err != nil || string(got) != string(h.data) {
					t.Fatalf("before the crash %s is not what was written: %v", name, err)
				}
			}
			d.Crash()
			used := 0
			for name, h := range histories {
				got, err := d.ReadFile(name)
				if err == nil {
					err = h.allows(got)
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				h.data = got
				h.sync()
				used += len(got)
			}
			if d.Used() != int64(used) {
				t.Fatalf("%d bytes are used, not %d", d.Used(), used)
			}
		}
	})
}

// outcomes returns what a file is after a crash, with many seeds, and how often.
func outcomes(t *testing.T, do func(d *simdisk.Disk), name string) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for seed := range uint64(500) {
		d := simdisk.New(chancy(seed))
		do(d)
		d.Crash()
		data, err := d.ReadFile(name)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			data = []byte("(gone)")
		}
		seen[string(data)]++
	}
	return seen
}

func wantOutcomes(t *testing.T, seen map[string]int, want ...string) {
	t.Helper()
	for _, w := range want {
		if seen[w] == 0 {
			t.Errorf("never %q: %v", w, seen)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("it was %v, want %q", seen, want)
	}
}

func TestEachOutcomeOfACrashComes(t *testing.T) {
	open := func(d *simdisk.Disk, name string) driver.File {
		return must[driver.File](t)(d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644))
	}
	write := func(f driver.File, p string, off int64) { must[int](t)(f.WriteAt([]byte(p), off)) }
	sync := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("writes in any order, and torn", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			f := open(d, "/f")
			d.SyncAll()
			write(f, "ab", 0)
			write(f, "cd", 2)
		}, "/f"), "", "a", "ab", "abc", "abcd", "\x00\x00c", "\x00\x00cd", "a\x00c", "a\x00cd")
	})
	t.Run("synced", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			f := open(d, "/f")
			write(f, "ab", 0)
			sync(f.Sync())
			sync(d.SyncDir("/"))
		}, "/f"), "ab")
	})
	t.Run("synced, and its name is not", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			f := open(d, "/f")
			write(f, "ab", 0)
			sync(f.Sync())
		}, "/f"), "(gone)", "ab")
	})
	t.Run("renamed over another, and not synced before", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			sync(d.WriteFile("/f", []byte("old"), 0o644))
			sync(d.WriteFile("/g", nil, 0o644))
			d.SyncAll()
			sync(d.WriteFile("/g", []byte("nu"), 0o644))
			sync(d.Rename("/g", "/f"))
		}, "/f"), "old", "", "n", "nu")
	})
	t.Run("synced and renamed over another", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			sync(d.WriteFile("/f", []byte("old"), 0o644))
			d.SyncAll()
			g := open(d, "/g")
			write(g, "new", 0)
			sync(g.Sync())
			sync(d.Rename("/g", "/f"))
		}, "/f"), "old", "new")
	})
	t.Run("removed", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			sync(d.WriteFile("/f", []byte("old"), 0o644))
			d.SyncAll()
			sync(d.Remove("/f"))
		}, "/f"), "old", "(gone)")
	})
	t.Run("after a sync that failed", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			f := open(d, "/f")
			d.SyncAll()
			write(f, "ab", 0)
			d.Errors = 1
			if err := f.Sync(); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			d.Errors = 0
			sync(f.Sync())
			if got := must[[]byte](t)(d.ReadFile("/f")); string(got) != "ab" {
				t.Fatalf("it is %q", got)
			}
		}, "/f"), "")
	})
	t.Run("opened to be synced", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, func(d *simdisk.Disk) {
			f := must[driver.File](t)(d.OpenFile("/f", os.O_WRONLY|os.O_CREATE|os.O_SYNC, 0o644))
			d.SyncAll()
			write(f, "ab", 0)
		}, "/f"), "ab")
	})
}

func TestASyncOfADirectoryBringsWhatCameBeforeInOthersToo(t *testing.T) {
	for seed := range uint64(200) {
		d := simdisk.New(chancy(seed))
		if err := errors.Join(d.MkdirAll("/a", 0o755), d.MkdirAll("/b", 0o755), d.WriteFile("/a/f", []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
		d.SyncAll()
		if err := errors.Join(d.WriteFile("/a/g", nil, 0o644), d.Rename("/a/f", "/b/f"), d.WriteFile("/b/late", nil, 0o644), d.SyncDir("/a")); err != nil {
			t.Fatal(err)
		}
		d.Crash()
		_, early := d.Stat("/a/g")
		_, gone := d.Stat("/a/f")
		data, err := d.ReadFile("/b/f")
		if early != nil || !errors.Is(gone, fs.ErrNotExist) || err != nil || string(data) != "x" {
			t.Fatalf("seed %d: %v, %v, %q %v", seed, early, gone, data, err)
		}
	}
}

func TestAFileThatWasOpenBeforeACrashIsClosed(t *testing.T) {
	d := simdisk.New(&world{})
	f := must[driver.File](t)(d.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644))
	d.Crash()
	_, read := f.Read(make([]byte, 1))
	_, write := f.Write([]byte("x"))
	for _, err := range []error{read, write, f.Sync(), f.Close()} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAFullDiskTakesWhatThereIsRoomFor(t *testing.T) {
	d := simdisk.New(&world{})
	d.Capacity = 10
	f := must[driver.File](t)(d.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644))
	for _, c := range []struct{ wrote, size int }{{6, 6}, {4, 10}, {0, 10}} {
		n, err := f.Write([]byte("sixsix"))
		if i, _ := f.Stat(); n != c.wrote || i.Size() != int64(c.size) || (err == nil) != (n == 6) || err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("it has written %d, and has %d bytes, %v", n, i.Size(), err)
		}
	}
	if n, err := f.WriteAt([]byte("over"), 2); n != 4 || err != nil {
		t.Errorf("what is there cannot be written over: %d, %v", n, err)
	}
	if err := f.Truncate(11); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("it was made longer: %v", err)
	}
	if err := d.Remove("/f"); err != nil || d.Used() != 10 {
		t.Errorf("a file that is open takes %d bytes, %v", d.Used(), err)
	}
	if err := f.Close(); err != nil || d.Used() != 0 {
		t.Errorf("nothing takes %d bytes, %v", d.Used(), err)
	}
}

func TestARottenBitStaysRotten(t *testing.T) {
	d := simdisk.New(chancy(7))
	if err := d.WriteFile("/f", []byte("the same bytes"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.SyncAll()
	if err := d.RotFile("/f"); err != nil {
		t.Fatal(err)
	}
	before := must[[]byte](t)(d.ReadFile("/f"))
	d.Crash()
	after := must[[]byte](t)(d.ReadFile("/f"))
	bits := 0
	for i, b := range []byte("the same bytes") {
		for x := b ^ after[i]; x != 0; x &= x - 1 {
			bits++
		}
	}
	if bits != 1 || string(before) != string(after) {
		t.Errorf("%d bits differ; %q and %q", bits, before, after)
	}
	d.Rot = 1
	if again := must[[]byte](t)(d.ReadFile("/f")); string(again) == string(after) {
		t.Error("a read that finds a bit turned over finds none")
	}
	if d.RotFile("/missing") == nil || d.RotFile("/tmp") == nil {
		t.Error("what is no file rots")
	}
}

func TestWhatIsNotSyncedDoesNotGrowWithoutBound(t *testing.T) {
	d := simdisk.New(chancy(1))
	f := must[driver.File](t)(d.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644))
	d.SyncAll()
	for range 3000 {
		must[int](t)(f.Write(make([]byte, 1000)))
	}
	for i := range 10_000 {
		if err := d.WriteFile(fmt.Sprint("/", i), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d.Crash()
	i, err := d.Stat("/f")
	if err != nil || i.Size() < 3000*1000-2<<20 {
		t.Errorf("the system has written nothing by itself: %v, %v", i, err)
	}
	if _, err := d.Stat("/5000"); err != nil {
		t.Errorf("nor a name: %v", err)
	}
}

func TestADiskIsAFileSystemOfPackageFS(t *testing.T) {
	d := simdisk.New(&world{})
	if err := errors.Join(d.MkdirAll("/x/y/z", 0o755), d.WriteFile("/x/a", []byte("1"), 0o644), d.WriteFile("/x/y/b", []byte("22"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(d.DirFS("/x"), "a", "y", "y/b", "y/z"); err != nil {
		t.Error(err)
	}
}

func TestTemporaryNamesAreNew(t *testing.T) {
	d := simdisk.New(&world{})
	if err := d.WriteFile("/tmp/x1y", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := must[driver.File](t)(d.CreateTemp("", "x*y"))
	dir := must[string](t)(d.MkdirTemp("/tmp", "d"))
	if f.Name() != "/tmp/x2y" || dir != "/tmp/d3" {
		t.Errorf("%s, %s", f.Name(), dir)
	}
	for _, err := range []error{func() error { _, err := d.CreateTemp("", "a/b"); return err }(), func() error { _, err := d.MkdirTemp("/missing", "b"); return err }()} {
		if err == nil {
			t.Error("a name that cannot be was made")
		}
	}
}

func TestAnOpenFileIsLockedBesideOthersOrAlone(t *testing.T) {
	d := simdisk.New(&world{})
	open := func() driver.LockedFile {
		return must[driver.File](t)(d.OpenFile("/f", os.O_RDWR|os.O_CREATE, 0o644)).(driver.LockedFile)
	}
	a, b := open(), open()
	try := func(f driver.LockedFile, exclusive, want bool) {
		t.Helper()
		if ok, err := f.TryLock(exclusive); ok != want || err != nil {
			t.Errorf("it is %v, %v", ok, err)
		}
	}
	try(a, false, true)
	try(b, false, true)
	try(b, true, false)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	try(b, true, true)
	c := open()
	try(c, false, false)
	if err := b.Unlock(); err != nil {
		t.Fatal(err)
	}
	try(c, true, true)
	d.Crash()
	if _, err := c.TryLock(true); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after a crash: %v", err)
	}
}

func TestASlowDiskIsSlowBeforeOrAfter(t *testing.T) {
	d := simdisk.New(chancy(3))
	if before, after := d.FileLatency(); before != 0 || after != 0 {
		t.Errorf("%v, %v", before, after)
	}
	d.Latency, d.Jitter, d.Quantum = 10*time.Millisecond, 5*time.Millisecond, time.Millisecond
	sides := [2]int{}
	for range 100 {
		before, after := d.FileLatency()
		if took := before + after; took < 10*time.Millisecond || took > 15*time.Millisecond || before*after != 0 {
			t.Fatalf("%v, %v", before, after)
		}
		if before > 0 {
			sides[0]++
		} else {
			sides[1]++
		}
	}
	if sides[0] < 20 || sides[1] < 20 {
		t.Errorf("%v", sides)
	}
}

package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load opens a journal and returns its records.
func load(t testing.TB, dir string) (*journal.Journal, [][]byte, journal.Cut) {
	t.Helper()
	var records [][]byte
	j, cut, err := journal.Open(dir, func(r []byte) error {
		records = append(records, bytes.Clone(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return j, records, cut
}

func closeIt(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// written makes a journal of n records of a few bytes to some KiB, in batches,
// and returns it as bytes with the places where its batches end.
func written(t testing.TB, n int) (file []byte, records [][]byte, ends []int) {
	t.Helper()
	dir := t.TempDir()
	j, err := journal.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		r := bytes.Repeat([]byte{byte(i)}, rnd.IntN(1500))
		if i%10 == 0 {
			r = bytes.Repeat([]byte{byte(i)}, 4096)
		}
		r = append(fmt.Appendf(nil, "%d:", i), r...)
		records = append(records, r)
		j.Append(r)
		ends = append(ends, 0)
		if rnd.IntN(4) == 0 || i == n-1 {
			if err := j.Commit(false); err != nil {
				t.Fatal(err)
			}
		}
	}
	closeIt(t, j)
	if file, err = os.ReadFile(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	at := len("asyncio journal 1\n")
	for i, r := range records {
		at += 4 + len(r) + 1
		if len(r) > 0x7f {
			at++
		}
		ends[i] = at
	}
	if at != len(file) {
		t.Fatalf("the file has %d bytes, not %d", len(file), at)
	}
	return file, records, ends
}

// TestACutLosesOnlyWhatIsBehindIt cuts a journal at each byte of its last 64
// KiB and at a thousand places, reads it as a crawl would, goes on with it, and
// reads it again.
func TestACutLosesOnlyWhatIsBehindIt(t *testing.T) {
	file, records, ends := written(t, 90)
	if len(file) < 64<<10 {
		t.Fatal("the file is too short: ", len(file))
	}
	check := func(at int) {
		whole := 0
		for whole < len(ends) && ends[whole] <= at {
			whole++
		}
		n := 0
		good, err := journal.Scan(bytes.NewReader(file[:at]), func(r []byte) error {
			if n >= whole || !bytes.Equal(r, records[n]) {
				t.Fatalf("cut at %d: record %d is %.20q", at, n, r)
			}
			n++
			return nil
		})
		end := len("asyncio journal 1\n")
		if whole > 0 {
			end = ends[whole-1]
		}
		if at < end {
			end = 0
		}
		if err != nil || n != whole || good != int64(end) {
			t.Fatalf("cut at %d: %d of %d records up to %d of %d, %v", at, n, whole, good, end, err)
		}
	}
	// What comes before the last whole record makes no difference, so it is left
	// out here.
	whole := 0
	for at := len(file) - 64<<10; at <= len(file); at++ {
		for ends[whole] <= at && whole < len(ends)-1 {
			whole++
		}
		if ends[whole] > at {
			whole--
		}
		begin := ends[whole-1]
		short := append([]byte("asyncio journal 1\n"), file[begin:at]...)
		n := 0
		good, err := journal.Scan(bytes.NewReader(short), func(r []byte) error {
			if !bytes.Equal(r, records[whole]) {
				t.Fatalf("cut at %d: the last record is %.20q", at, r)
			}
			n++
			return nil
		})
		if err != nil || n != 1 || int(good)-len("asyncio journal 1\n") != ends[whole]-begin {
			t.Fatalf("cut at %d: %d records up to %d, %v", at, n, good, err)
		}
		whole = max(1, whole)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		at := rnd.IntN(len(file) + 1)
		check(at)
		if i%50 != 0 {
			continue
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journal"), file[:at], 0o600); err != nil {
			t.Fatal(err)
		}
		j, before, cut := load(t, dir)
		j.Append([]byte("more"))
		if err := j.Commit(true); err != nil {
			t.Fatal(err)
		}
		closeIt(t, j)
		j, after, again := load(t, dir)
		closeIt(t, j)
		if len(after) != len(before)+1 || string(after[len(before)]) != "more" || again.Bytes != 0 {
			t.Fatalf("cut at %d: %d records, then %d, cut %d and %d", at, len(before), len(after), cut.Bytes, again.Bytes)
		}
	}
}

// TestAChangedByteEndsTheJournal flips bits: no record may come out changed.
func TestAChangedByteEndsTheJournal(t *testing.T) {
	file, records, ends := written(t, 20)
	for at := len("asyncio journal 1\n"); at < len(file); at++ {
		bad := bytes.Clone(file)
		bad[at] ^= 1 << (at % 8)
		n := 0
		good, err := journal.Scan(bytes.NewReader(bad), func(r []byte) error {
			if !bytes.Equal(r, records[n]) {
				t.Fatalf("byte %d: record %d came out changed", at, n)
			}
			n++
			return nil
		})
		if err != nil || n < len(ends) && ends[n] <= at || good > int64(at) {
			t.Fatalf("byte %d: %d records up to %d, %v", at, n, good, err)
		}
	}
}

func TestTwoCannotHaveOneJournal(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(dir, nil); !errors.Is(err, journal.ErrInUse) {
		t.Error(err)
	}
	if _, err := journal.Create(dir); !errors.Is(err, journal.ErrInUse) {
		t.Error(err)
	}
	closeIt(t, j)
	if _, err := journal.Create(dir); !errors.Is(err, journal.ErrExists) {
		t.Error(err)
	}
	j, _, _ = load(t, dir)
	closeIt(t, j)
}

func TestAForeignFileIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "journal")
	if err := os.WriteFile(name, []byte("a letter to somebody"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := journal.Open(dir, nil); !errors.Is(err, journal.ErrForeign) {
		t.Error(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "a letter to somebody" {
		t.Errorf("%q, %v", b, err)
	}
	if _, _, err := journal.Open(t.TempDir(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestCompacting(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		j.Append(bytes.Repeat([]byte("old"), 100))
	}
	if err := j.Commit(false); err != nil {
		t.Fatal(err)
	}
	if err := j.Compact(func(*journal.Journal) error { return errors.New("no") }); err == nil {
		t.Error("the error is lost")
	}
	err = j.Compact(func(j *journal.Journal) error {
		for i := range 100_000 {
			j.Append(fmt.Appendf(nil, "new %d", i))
			if err := j.Flush(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j.Append([]byte("last"))
	if err := j.Commit(true); err != nil {
		t.Fatal(err)
	}
	closeIt(t, j)
	j, records, cut := load(t, dir)
	closeIt(t, j)
	if len(records) != 100_001 || string(records[0]) != "new 0" || string(records[100_000]) != "last" || cut.Bytes != 0 {
		t.Errorf("%d records, %+v", len(records), cut)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 2 {
		t.Errorf("%q", names)
	}
}

// TestWhatWasCommittedIsThere checks batches of all sizes, with crashes between
// them that leave some of the next batch.
func TestWhatWasCommittedIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		var want [][]byte
		j, err := journal.Create(dir)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 5).Draw(rt, "lives") {
			for range rapid.IntRange(0, 5).Draw(rt, "batches") {
				for range rapid.IntRange(0, 5).Draw(rt, "records") {
					r := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(rt, "record")
					want = append(want, r)
					j.Append(r)
				}
				if err := j.Commit(false); err != nil {
					rt.Fatal(err)
				}
			}
			j.Append([]byte("never committed"))
			if err := j.Close(); err != nil {
				rt.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				rt.Fatal(err)
			}
			if _, err := f.Write(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(rt, "torn")); err != nil {
				rt.Fatal(err)
			}
			f.Close()
			var got [][]byte
			if j, _, err = journal.Open(dir, func(r []byte) error { got = append(got, bytes.Clone(r)); return nil }); err != nil {
				rt.Fatal(err)
			}
			if len(got) != len(want) {
				rt.Fatalf("%d records, want %d", len(got), len(want))
			}
			for i := range got {
				if !bytes.Equal(got[i], want[i]) {
					rt.Fatalf("record %d is %q, want %q", i, got[i], want[i])
				}
			}
		}
		if err := j.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

package crawl

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/frontier"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/journal"
	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/crawl/urls"
)

// Full makes tests large.
var Full = flag.Bool("crawl.full", false, "crawl 20,000 pages on 200 hosts, not some hundreds")

// Measure is how many URLs the frontier and the journal are measured with.
var Measure = flag.Int("crawl.measure", 0, "measure what so many URLs cost the frontier and the journal, without fetching")

// TestMeasureResuming prints how long it takes to read the journal of a crawl
// whose URLs are done, and of one of which two thirds are not.
func TestMeasureResuming(t *testing.T) {
	if *Measure == 0 {
		t.Skip("-crawl.measure is not given")
	}
	for what, pages := range map[string]int{"all done": *Measure, "a third done": *Measure / 3} {
		dir := t.TempDir()
		history(t, dir, pages)
		info, err := os.Stat(filepath.Join(dir, journal.FileName))
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		front, begun := frontier.New(frontier.Options{Parallel: 1, ParallelHost: 1}), time.Now()
		k, err := resumeKnown(dir, false, false, func(j frontier.Job, _ frontier.State, _ string) { front.Push(j, 0) })
		if err != nil {
			t.Fatal(err)
		}
		read := time.Since(begun)
		if err := k.goOn(true); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%s: %d URLs, %.1f bytes each, read in %v, compacted in %v; %d wait; heap %d MB", what, k.seen.Len(), float64(info.Size())/float64(k.seen.Len()), read, took-read, front.Queued(), m.HeapAlloc>>20)
		if err := k.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// CompactAlways has journals compacted with each commit.
func CompactAlways() { whileRunning = worthwhile{1, 0} }

// event is what a journal has been told, in order.
type event struct {
	added []string       // URLs
	done  string         // the URL that is done; empty for roots
	state frontier.State // and what became of it
}

func jobs(list ...string) (out []frontier.Job) {
	for i, text := range list {
		out = append(out, frontier.Job{URL: urls.Split(text), Depth: uint16(i % 5), Kind: frontier.Kind(i % 3), Redirects: uint8(i % 7)})
	}
	return out
}

// history makes a journal of a crawl of some thousand URLs, and returns what it
// was told.
func history(t testing.TB, dir string, pages int) (events []event) {
	t.Helper()
	k, err := newKnown(dir, false, true)
	if err != nil {
		t.Fatal(err)
	}
	url := func(n int) string { return fmt.Sprintf("http://host%d.example.com/dir/page-%d.html", n%7, n) }
	k.addRoots(url(0))
	k.begin(jobs(url(0)))
	events = append(events, event{added: []string{url(0)}})
	if err := k.commit(); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	next := 1
	for n := 0; n < pages; n++ {
		var list []string
		for range rnd.IntN(5) {
			list = append(list, url(next))
			next++
		}
		if n == next-1 && len(list) == 0 {
			list = append(list, url(next))
			next++
		}
		d := done{id: uint64(n), state: frontier.State(2 + rnd.IntN(6)), status: 200, size: int64(n), ctype: "image/png", target: url(0)}
		d.added = jobs(list...)
		k.add(d.added)
		k.finish(url(n), &d)
		events = append(events, event{list, url(n), d.state})
		if rnd.IntN(3) == 0 {
			if err := k.commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := k.commit(); err != nil {
		t.Fatal(err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	return events
}

// check compares what is known with the first events, as many as the journal
// has: nothing of them is lost, and nothing is there twice.
func check(t testing.TB, at int, k *known, found map[string]frontier.State, events []event) {
	t.Helper()
	want := map[string]frontier.State{}
	for _, e := range events {
		if len(want) > 0 && k.state(e.done) == frontier.Pending {
			break
		}
		if len(want) == 0 && k.seen.Len() == 0 {
			break // not even the roots are whole
		}
		if e.done != "" {
			want[e.done] = e.state
		}
		for _, u := range e.added {
			want[u] = frontier.Pending
		}
	}
	if len(found) != len(want) || k.seen.Len() != len(want) || int(k.next) != len(want) {
		t.Fatalf("cut at %d: %d URLs were found and %d are known, of %d; the next ID is %d", at, len(found), k.seen.Len(), len(want), k.next)
	}
	for u, state := range want {
		if found[u] != state || k.state(u) != state {
			t.Fatalf("cut at %d: %s is %d and %d, want %d", at, u, found[u], k.state(u), state)
		}
	}
}

// TestACutJournalKnowsWhatIsBeforeTheCut cuts the journal of a crawl behind each
// record. Wherever else it is cut, it is read up to the last whole one, as the
// tests of package journal show.
func TestACutJournalKnowsWhatIsBeforeTheCut(t *testing.T) {
	dir := t.TempDir()
	pages := 300
	if *Full {
		pages = 3000
	}
	events := history(t, dir, pages)
	file, err := os.ReadFile(filepath.Join(dir, journal.FileName))
	if err != nil {
		t.Fatal(err)
	}
	var list [][]byte
	if _, err := journal.Scan(bytes.NewReader(file), func(r []byte) error {
		list = append(list, bytes.Clone(r))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for n := range len(list) + 1 {
		records := func(read func([]byte) error) error {
			for _, r := range list[:n] {
				if err := read(r); err != nil {
					return err
				}
			}
			return nil
		}
		states := &replay{targets: map[uint64]string{}}
		if err := records(states.read); err != nil {
			t.Fatal(err)
		}
		k := &known{salt: states.salt, replayed: states}
		found := map[string]frontier.State{}
		err = k.load(records, true, func(j frontier.Job, state frontier.State, _ string) {
			if _, twice := found[j.URL.String()]; twice {
				t.Fatalf("cut behind record %d: %s came twice", n, j.URL)
			}
			found[j.URL.String()] = state
		})
		if err != nil {
			t.Fatal(err)
		}
		check(t, n, k, found, events)
	}
}

func TestACompactedJournalKnowsTheSame(t *testing.T) {
	dir := t.TempDir()
	events := history(t, dir, 3000)
	resume := func() (*known, map[string]frontier.State, map[uint64]string) {
		found, ids := map[string]frontier.State{}, map[uint64]string{}
		k, err := resumeKnown(dir, false, false, func(j frontier.Job, state frontier.State, _ string) {
			found[j.URL.String()] = state
			ids[j.ID] = j.URL.String()
		})
		if err != nil {
			t.Fatal(err)
		}
		return k, found, ids
	}
	k, pending, ids := resume()
	before := k.journal.Size()
	for range 2 { // a compacted one can be compacted, too
		if err := k.compact(); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.goOn(false); err != nil {
		t.Fatal(err)
	}
	counts, next := k.counts, k.next
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	k, again, idsAgain := resume()
	if k.counts != counts || k.next != next || len(again) != len(pending) || len(again) == 0 || k.journal.Size() > before/2 || len(k.roots) != 1 {
		t.Errorf("%+v, %d, %d pending; it was %+v, %d, %d; %d bytes of %d", k.counts, k.next, len(again), counts, next, len(pending), k.journal.Size(), before)
	}
	for id, u := range ids {
		if idsAgain[id] != u {
			t.Fatalf("%d is %q, was %q", id, idsAgain[id], u)
		}
	}
	for _, e := range events {
		if e.done != "" && k.state(e.done) != e.state {
			t.Fatalf("%s is %d, was %d", e.done, k.state(e.done), e.state)
		}
	}
	// It goes on: the rest is done, and two new ones come.
	for id, u := range ids {
		d := done{id: id, state: frontier.Ended}
		if u == idsAgain[next-1] {
			d.added = jobs("http://new/1", "http://new/2")
			k.add(d.added)
		}
		k.finish(u, &d)
	}
	if err := k.commit(); err != nil {
		t.Fatal(err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	s, err := ReadStatus(dir)
	k, last, _ := resume()
	if err != nil || s.Pending != 2 || s.Counts != k.counts || len(last) != 2 || k.next != next+2 {
		t.Errorf("%+v, %v; %+v, %d", s, err, k.counts, k.next)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
}

func TestAJournalThatIsCompactedWhileItGrowsKnowsTheSame(t *testing.T) {
	defer func(w worthwhile) { whileRunning = w }(whileRunning)
	whileRunning = worthwhile{2000, 1}
	dir := t.TempDir()
	events := history(t, dir, 300)
	found := map[string]frontier.State{}
	k, err := resumeKnown(dir, false, false, func(j frontier.Job, state frontier.State, _ string) { found[j.URL.String()] = state })
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	compacted := 0
	if err := k.journal.Records(func(r []byte) error {
		if r[0] == recordKnown {
			compacted += len(r) / 8
		}
		return nil
	}); err != nil || compacted == 0 {
		t.Errorf("%d URLs have only their keys, %v", compacted, err)
	}
	want := map[string]frontier.State{}
	for _, e := range events {
		for _, u := range e.added {
			want[u] = frontier.Pending
		}
		if e.done != "" {
			want[e.done] = e.state
		}
	}
	pending := 0
	for u, state := range want {
		if k.state(u) != state {
			t.Errorf("%s is %d, want %d", u, k.state(u), state)
		}
		if state == frontier.Pending {
			if pending++; found[u] != frontier.Pending {
				t.Errorf("%s waits, and was not found", u)
			}
		}
	}
	if len(found) != pending || k.counts.Pending != pending || k.seen.Len() != len(want) {
		t.Errorf("%d found, %+v, %d URLs of %d", len(found), k.counts, k.seen.Len(), len(want))
	}
}

// A journal that cannot be compacted stays as it is, and goes on.
func TestAJournalThatCannotBeCompactedGoesOn(t *testing.T) {
	defer func(w worthwhile) { whileRunning = w }(whileRunning)
	CompactAlways()
	dir := t.TempDir()
	// Where the new one would be there is something else.
	if err := os.MkdirAll(filepath.Join(dir, "journal.next", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	history(t, dir, 100)
	k, err := resumeKnown(dir, false, false, func(frontier.Job, frontier.State, string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	if k.counts.Saved+k.counts.Redirected+k.counts.Ended != 100 {
		t.Errorf("%+v", k.counts)
	}
}

// FuzzRecords reads records of any bytes, as a journal of another version may
// have them.
func FuzzRecords(f *testing.F) {
	d := done{id: 7, state: frontier.Redirected, target: "http://h/", added: jobs("http://h/a", "http://h/b")}
	f.Add(d.append(nil))
	f.Add(appendJobs([]byte{recordAdded}, jobs("https://h/")))
	f.Add(appendTexts([]byte{recordRoots}, []string{"http://h/"}))
	f.Fuzz(func(t *testing.T, record []byte) {
		states := replay{targets: map[uint64]string{}}
		if len(record) > 1 && record[0] == recordDone && len(record) > 4 {
			record[3] &= 0x0f // IDs of some thousands will do
		}
		if states.read(record) != nil {
			return
		}
		k, n := &known{replayed: &states}, 0
		err := k.load(func(read func([]byte) error) error { return read(record) }, true, func(frontier.Job, frontier.State, string) { n++ })
		if counted, e := countRecord(record, &Counts{}); (e == nil) == (err == nil) && err == nil && counted != n {
			t.Errorf("%d URLs were counted, %d found", counted, n)
		}
	})
}

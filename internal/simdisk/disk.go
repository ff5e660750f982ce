// Package simdisk is a file system in memory that fares in a crash as those on disks
// do: what was synced is there, and of what was not, some, in any order, cut off
// anywhere. It can be full and slow, return errors, and lose bits. Names are those of
// Unix.
//
// One goroutine at a time may use a disk and its files.
package simdisk

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// A World is what a [Disk] is in.
type World interface {
	// Pick returns a choice of at least 0 and less than n, which is at most MaxChoice;
	// 0 is the tame one.
	Pick(n int) int
	// Chance returns a choice that is true with probability p; false is the tame one.
	Chance(p float64) bool
	// Now returns the time of day.
	Now() time.Time
	// Trace takes note of a change. The digest is of what was written.
	Trace(op Op, name string, digest uint64)
}

// MaxChoice is the most that is chosen among.
const MaxChoice = 1 << 24

// A Disk is a file system. Its fields may be changed at any time.
type Disk struct {
	world   World
	root    *node
	journal []change // of directories, that are not on the disk yet, in their order
	used    int64    // bytes of files
	boots   uint64   // crashes that there were
	temps   int      // names that were made up

	Capacity int64         // bytes; 0: no bound
	Latency  time.Duration // how long a call takes, at least
	Jitter   time.Duration // and how much longer, in steps of Quantum
	Quantum  time.Duration
	Errors   float64 // how likely a read, a write or a sync returns EIO
	Rot      float64 // how likely a read finds a bit of the file turned over, for good
}

var _ driver.FileSystem = (*Disk)(nil)

// TempDir is where temporary files are of which nothing else is said.
const TempDir = "/tmp"

// New returns a disk on which there is nothing but TempDir.
func New(w World) *Disk {
	d := &Disk{world: w}
	d.root = newDir(w.Now(), 0o755)
	tmp := newDir(w.Now(), 0o777)
	d.root.entries["tmp"], d.root.kept["tmp"] = tmp, tmp
	return d
}

// A node is a file or a directory.
type node struct {
	mode     fs.FileMode
	modified time.Time
	open     int  // files open at it
	unlinked bool // it has no name

	// Of a file.
	data     []byte
	onDisk   []byte // without unsynced
	unsynced []write
	pending  int // bytes of unsynced
	locks    map[*File]bool

	// Of a directory.
	entries map[string]*node
	kept    map[string]*node // on the disk, without the journal
}

func newDir(now time.Time, perm fs.FileMode) *node {
	return &node{mode: fs.ModeDir | perm, modified: now, entries: make(map[string]*node), kept: make(map[string]*node)}
}

func (n *node) isDir() bool { return n.entries != nil }

// A change is one of directories, that happens as a whole or not at all.
type change struct {
	from, to       *node // nil: it takes a name away, or gives one, only
	fromName, name string
	node           *node
}

// touches reports whether the change is of one of the directories.
func (c *change) touches(dirs map[*node]bool) bool {
	return c.from != nil && dirs[c.from] || c.to != nil && dirs[c.to]
}

// add adds the directories of the change.
func (c *change) add(dirs map[*node]bool) {
	for _, d := range []*node{c.from, c.to} {
		if d != nil {
			dirs[d] = true
		}
	}
}

// keep makes the change on the disk.
func (c *change) keep() {
	if c.from != nil {
		delete(c.from.kept, c.fromName)
	}
	if c.to != nil {
		c.to.kept[c.name] = c.node
	}
}

// maxJournal bounds the changes that are not on the disk: the first of more are.
const maxJournal = 4096

// apply makes a change where programs see it.
func (d *Disk) apply(c change) {
	now := d.world.Now()
	if c.from != nil {
		delete(c.from.entries, c.fromName)
		c.from.modified = now
	}
	if c.to != nil {
		c.to.entries[c.name] = c.node
		c.to.modified = now
	}
	d.journal = append(d.journal, c)
	if len(d.journal) > maxJournal {
		d.journal[0].keep()
		d.journal = append(d.journal[:0:0], d.journal[1:]...)
	}
}

// syncDir brings a directory to the disk, with all changes that came before those of it
// in directories with which they share one.
func (d *Disk) syncDir(dir *node) {
	needed := map[*node]bool{dir: true}
	keep := make([]bool, len(d.journal))
	for i := len(d.journal) - 1; i >= 0; i-- {
		if c := &d.journal[i]; c.touches(needed) {
			keep[i] = true
			c.add(needed)
		}
	}
	left := d.journal[:0]
	for i, c := range d.journal {
		if keep[i] {
			c.keep()
		} else {
			left = append(left, c)
		}
	}
	clear(d.journal[len(left):])
	d.journal = left
}

// clean returns a name as an absolute path. Relative ones begin at the root.
func clean(name string) string { return path.Clean("/" + filepath.ToSlash(name)) }

// find returns what has a name.
func (d *Disk) find(name string) (*node, error) {
	if name == "" {
		return nil, syscall.ENOENT
	}
	n := d.root
	for part := range strings.SplitSeq(clean(name)[1:], "/") {
		if part == "" {
			continue
		}
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.entries[part]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	if !n.isDir() && strings.HasSuffix(name, "/") {
		return nil, syscall.ENOTDIR
	}
	return n, nil
}

// place returns the directory in which a name is, and the last part of it.
func (d *Disk) place(name string) (*node, string, error) {
	if name == "" {
		return nil, "", syscall.ENOENT
	}
	dir, last := path.Split(clean(name))
	n, err := d.find(dir)
	if err == nil && !n.isDir() {
		err = syscall.ENOTDIR
	}
	return n, last, err
}

// let has the bytes of a node be free, when nobody can reach it any more.
func (d *Disk) let(n *node) {
	if n.unlinked && n.open == 0 && !n.isDir() {
		d.used -= int64(len(n.data))
		n.data = nil
	}
}

// Used returns how many bytes the files have.
func (d *Disk) Used() int64 { return d.used }

// FileLatency is as that of [driver.Filer].
func (d *Disk) FileLatency() (before, after time.Duration) {
	took := d.Latency
	if d.Jitter > 0 {
		quantum := d.Quantum
		if quantum <= 0 {
			quantum = d.Jitter
		}
		took += time.Duration(d.world.Pick(int(min(d.Jitter/quantum, 254))+1)) * quantum
	}
	if took > 0 && d.world.Pick(2) == 1 {
		return took, 0
	}
	return 0, took
}

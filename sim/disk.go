package sim

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"time"

	netsim "github.com/asyncio-go/asyncio/internal/driver/sim"
	"github.com/asyncio-go/asyncio/internal/simdisk"
)

// A Disk is the file system of a [Host]. Programs on the host use it by package
// asyncfile, as they use the system's elsewhere; its methods here are for the test,
// and for them nothing takes time and nothing fails.
//
// [Host.Crash] loses what was not synced, as disks do. Of the writes to a file since its
// last sync some are there, in any order, and any of them may be cut off at any byte. A
// new name, a rename or a removal is there when its directory was synced, and may be
// otherwise; those of one directory keep their order, and each happens as a whole.
// What [asyncfile.ReplaceFile] does is therefore safe, and a plain write and rename is
// not.
//
// Names are those of Unix, and relative ones begin at the root; there are no links, and
// nobody is refused by permissions. There is a directory /tmp.
type Disk struct {
	h *Host
	d *simdisk.Disk
}

// Disk returns the host's disk.
func (h *Host) Disk() *Disk { return h.disk }

// newDisk makes the disk of a host.
func newDisk(h *Host) *Disk {
	d := &Disk{h: h, d: simdisk.New((*diskWorld)(h))}
	h.machine.Disk = d.d
	return d
}

// A DiskOption says how a [Disk] fares.
type DiskOption interface{ applyDisk(*simdisk.Disk) }

type diskOption func(*simdisk.Disk)

func (f diskOption) applyDisk(d *simdisk.Disk) { f(d) }

// Capacity sets how many bytes the files may have together; 0: any number. A write
// beyond that writes what there is room for and returns syscall.ENOSPC.
func Capacity(bytes int64) DiskOption {
	return diskOption(func(d *simdisk.Disk) { d.Capacity = bytes })
}

// DiskLatency sets how long each call takes: at least d, and up to jitter more. What it
// does, it does at the beginning of that time or at its end.
func DiskLatency(d, jitter time.Duration) DiskOption {
	return diskOption(func(k *simdisk.Disk) {
		k.Latency, k.Jitter, k.Quantum = d, jitter, stepOf(jitter)
	})
}

// DiskErrors sets the probability with which a read, a write or a sync returns
// syscall.EIO. What a sync that has failed should have written is still read, but is
// never on the disk, also when a later sync succeeds: that is how Linux does it.
func DiskErrors(p float64) DiskOption { return diskOption(func(d *simdisk.Disk) { d.Errors = p }) }

// BitRot sets the probability with which a read finds a bit of the file turned over. It
// stays so.
func BitRot(p float64) DiskOption { return diskOption(func(d *simdisk.Disk) { d.Rot = p }) }

// Set sets how the disk fares from now on.
func (d *Disk) Set(opts ...DiskOption) {
	for _, o := range opts {
		o.applyDisk(d.d)
	}
}

// ReadFile returns the bytes of a file.
func (d *Disk) ReadFile(name string) (data []byte, err error) {
	d.quietly(func() { data, err = d.d.ReadFile(name) })
	return data, err
}

// WriteFile writes a file, and the directories in which it is, and brings all that is on
// the disk there for good.
func (d *Disk) WriteFile(name string, data []byte) (err error) {
	d.quietly(func() {
		if err = d.d.MkdirAll(path.Dir(path.Clean("/"+name)), 0o777); err == nil {
			err = d.d.WriteFile(name, data, 0o666)
		}
		d.d.SyncAll()
	})
	return err
}

// quietly does something while the disk makes no trouble.
func (d *Disk) quietly(do func()) {
	trouble, rot := d.d.Errors, d.d.Rot
	d.d.Errors, d.d.Rot = 0, 0
	defer func() { d.d.Errors, d.d.Rot = trouble, rot }()
	do()
}

// FS returns the files as an [fs.FS]. Reading them, one may meet what was set by
// [DiskErrors] and [BitRot].
func (d *Disk) FS() fs.FS { return d.d.DirFS("/") }

// Used returns how many bytes the files have together.
func (d *Disk) Used() int64 { return d.d.Used() }

// Rot turns a bit of a file over, which the world chooses. Nothing happens to an empty
// one.
func (d *Disk) Rot(name string) error { return d.d.RotFile(name) }

// diskWorld is a Host as its disk sees it.
type diskWorld Host

var _ simdisk.World = (*diskWorld)(nil)

func (h *diskWorld) Pick(n int) int        { return h.w.tape.pick(diskStream, n) }
func (h *diskWorld) Chance(p float64) bool { return h.w.tape.chance(diskStream, p) }
func (h *diskWorld) Now() time.Time        { return (*Host)(h).Now() }

// diskKind is the kind of events of disks.
var diskKind = netsim.NewKind("disk", netsim.OfSystem, nil)

func (h *diskWorld) Trace(op simdisk.Op, name string, digest uint64) {
	sum := crc32.ChecksumIEEE([]byte(name))
	(*Host)(h).event(diskKind, uint64(op)<<32|uint64(sum), digest, func() string {
		switch op {
		case simdisk.OpWrite, simdisk.OpRot:
			return fmt.Sprintf("%v %s, %d bytes (%08x)", op, name, digest>>32, uint32(digest))
		case simdisk.OpResize:
			return fmt.Sprintf("%v %s to %d bytes", op, name, digest)
		case simdisk.OpCrash:
			if name == "/" {
				return fmt.Sprintf("of %d changes of names, some are on the disk", digest)
			}
			return fmt.Sprintf("the disk has %d bytes of %s (%08x)", digest>>32, name, uint32(digest))
		}
		return fmt.Sprintf("%v %s", op, name)
	})
}

// event takes note of an event with a text, which is made only where it is kept.
func (h *Host) event(k netsim.Kind, a, b uint64, text func() string) {
	w := h.w
	if w.over {
		return
	}
	e := line{at: w.Now(), kind: k, host: h.machine.ID, a: a, b: b}
	if w.trace.keep {
		e.text = text()
	}
	w.trace.add(e)
}

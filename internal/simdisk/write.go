package simdisk

import (
	"hash/crc32"
	"slices"
)

// A write is a change of a file's bytes that is not on the disk.
type write struct {
	off    int64
	data   []byte
	resize bool // to off bytes, and no data
	lost   bool // a sync has failed: it will never be there, though programs see it
}

// maxPending bounds what a file has that is not on the disk: the first of more is.
const maxPending = 1 << 20

const sector = 512 // bytes that are written as a whole

// change writes into a file, where programs see it.
func (d *Disk) change(n *node, w write) {
	before := len(n.data)
	n.data = w.on(n.data)
	d.used += int64(len(n.data) - before)
	n.modified = d.world.Now()
	w.data = slices.Clone(w.data)
	n.unsynced = append(n.unsynced, w)
	n.pending += len(w.data) + 64
	for n.pending > maxPending && len(n.unsynced) > 1 {
		first := n.unsynced[0]
		if !first.lost {
			n.onDisk = first.on(n.onDisk)
		}
		n.pending -= len(first.data) + 64
		n.unsynced[0] = write{}
		n.unsynced = n.unsynced[1:]
	}
}

// on returns what p becomes with the write.
func (w *write) on(p []byte) []byte {
	if w.resize {
		return resized(p, int(w.off))
	}
	if end := int(w.off) + len(w.data); len(w.data) > 0 && end > len(p) {
		p = resized(p, end)
	}
	copy(p[min(int(w.off), len(p)):], w.data)
	return p
}

// resized returns p with n bytes; new ones are zero.
func resized(p []byte, n int) []byte {
	if n <= len(p) {
		return p[:n]
	}
	had := len(p)
	p = slices.Grow(p, n-had)[:n]
	clear(p[had:])
	return p
}

// sync brings a file's bytes to the disk.
func (n *node) sync() {
	for _, w := range n.unsynced {
		if !w.lost {
			n.onDisk = w.on(n.onDisk)
		}
	}
	n.unsynced, n.pending = nil, 0
}

// syncFails is a sync that returns an error. What it should have brought to the disk
// never gets there, as on Linux, where a second sync that succeeds tells nothing of it.
func (n *node) syncFails() {
	for i := range n.unsynced {
		n.unsynced[i].lost = true
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// digest is the length and the checksum of what was written.
func digest(p []byte) uint64 {
	return uint64(len(p))<<32 | uint64(crc32.Checksum(p, castagnoli))
}

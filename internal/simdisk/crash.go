package simdisk

import (
	"maps"
	"slices"
)

// Crash is a power cut: of what was not synced, the world chooses what is there. Files
// that are open are closed.
func (d *Disk) Crash() {
	d.boots++
	d.crashDirs()
	d.used = 0
	d.crashIn(d.root, "")
}

// crashDirs chooses which changes of directories are on the disk. Those of one
// directory keep their order.
func (d *Disk) crashDirs() {
	all := d.journal
	d.journal = nil
	if len(all) == 0 {
		return
	}
	how := d.world.Pick(3)
	over := make(map[*node]bool) // directories that get no further changes
	for i := range all {
		c := &all[i]
		switch {
		case how == 0:
			c.keep()
		case how == 1:
		case c.touches(over) || d.world.Pick(4) == 3:
			c.add(over)
		default:
			c.keep()
		}
	}
	d.world.Trace(OpCrash, "/", uint64(len(all)))
}

// crashIn makes what is on the disk in a directory all that there is.
func (d *Disk) crashIn(dir *node, name string) {
	dir.entries = maps.Clone(dir.kept)
	dir.open, dir.unlinked = 0, false
	for _, part := range slices.Sorted(maps.Keys(dir.entries)) {
		n, at := dir.entries[part], name+"/"+part
		if n.isDir() {
			d.crashIn(n, at)
			continue
		}
		d.crashFile(n, at)
		d.used += int64(len(n.data))
	}
}

// crashFile chooses which of a file's writes are on the disk.
func (d *Disk) crashFile(n *node, name string) {
	all := slices.DeleteFunc(n.unsynced, func(w write) bool { return w.lost })
	n.unsynced, n.pending, n.open, n.unlinked, n.locks = nil, 0, 0, false, nil
	if len(all) > 0 {
		switch d.world.Pick(4) {
		case 0:
			for _, w := range all {
				n.onDisk = w.on(n.onDisk)
			}
		case 1: // nothing
		case 2: // those up to one that is cut off
			whole := d.world.Pick(min(len(all), MaxChoice))
			for _, w := range all[:whole] {
				n.onDisk = w.on(n.onDisk)
			}
			n.onDisk = d.torn(all[whole], n.onDisk)
		default: // any, in any order
			for _, w := range all {
				switch d.world.Pick(3) {
				case 0:
					n.onDisk = w.on(n.onDisk)
				case 2:
					n.onDisk = d.torn(w, n.onDisk)
				}
			}
		}
		d.world.Trace(OpCrash, name, digest(n.onDisk))
	}
	n.data = slices.Clone(n.onDisk)
}

// torn returns what p becomes with a part of the write: the first bytes of it, or the
// last ones, from the beginning of a sector on.
func (d *Disk) torn(w write, p []byte) []byte {
	if w.resize {
		return p
	}
	cut := d.world.Pick(min(len(w.data)+1, MaxChoice))
	if next := int(-w.off & (sector - 1)); cut >= next && next < len(w.data) && d.world.Pick(4) == 3 {
		cut = next + (cut-next)/sector*sector
		w.off, w.data = w.off+int64(cut), w.data[cut:]
		return w.on(p)
	}
	w.data = w.data[:cut]
	return w.on(p)
}

// rot turns a bit of a file over, where it is on the disk and in memory.
func (d *Disk) rot(n *node) bool {
	if len(n.data) == 0 {
		return false
	}
	at := d.world.Pick(min(len(n.data), MaxChoice))
	bit := byte(1) << d.world.Pick(8)
	n.data[at] ^= bit
	if at < len(n.onDisk) {
		n.onDisk[at] ^= bit
	}
	for i := range n.unsynced {
		if w := &n.unsynced[i]; !w.resize && int64(at) >= w.off && int64(at) < w.off+int64(len(w.data)) {
			w.data[int64(at)-w.off] ^= bit
		}
	}
	return true
}

package frontier

import "time"

// defaultIdleHosts is how many hosts with nothing to do are kept, some 500 bytes each:
// with their rules, and with how fast they answer.
const defaultIdleHosts = 50_000

// idleList is the hosts with nothing to do, the one that has been so for longest first.
type idleList struct {
	first, last *Host
	n           int
}

func (l *idleList) add(h *Host) {
	h.idle, h.idlePrev, h.idleNext = true, l.last, nil
	if l.last == nil {
		l.first = h
	} else {
		l.last.idleNext = h
	}
	l.last = h
	l.n++
}

func (l *idleList) remove(h *Host) {
	if h.idlePrev == nil {
		l.first = h.idleNext
	} else {
		h.idlePrev.idleNext = h.idleNext
	}
	if h.idleNext == nil {
		l.last = h.idlePrev
	} else {
		h.idleNext.idlePrev = h.idlePrev
	}
	h.idle, h.idlePrev, h.idleNext = false, nil, nil
	l.n--
}

// rest puts a host into the list or takes it out of it. When there are too many, the
// first ones are forgotten: their rules are asked for again when they are met again.
// But not one that has asked for a pause which is not over.
func (f *Frontier) rest(h *Host, now time.Duration) {
	idle := h.where == nowhere && h.queue.len() == 0 && h.active == 0 && !h.asking
	switch {
	case idle && !h.idle:
		f.idle.add(h)
	case !idle && h.idle:
		f.idle.remove(h)
	}
	// Two at a time, so that the list gets shorter again.
	for range 2 {
		old := f.idle.first
		if f.idle.n <= f.opts.IdleHosts {
			return
		}
		f.idle.remove(old)
		if old.next > now {
			f.idle.add(old)
			continue
		}
		delete(f.hosts, old.URL.Origin())
		if old.group != nil {
			f.part(old.group)
			old.group = nil
		}
	}
}

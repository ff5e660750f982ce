// Package heap is the loop's queue of timers: a four-way heap ordered by time
// and, for equal times, by insertion, from which a node can be removed at any
// time without a search.
//
// Four children a node make the heap half as deep as two do, and the keys lie
// beside each other in one slice, so that a comparison touches no node.
package heap

const minimum = 16

// A Node is an element's place in a heap. It is embedded in, or points to,
// what it stands for; its zero value is in no heap.
type Node[T any] struct {
	Value T
	pos   int // one more than the index in the heap; zero: in none
}

// Queued reports whether the node is in a heap.
func (n *Node[T]) Queued() bool { return n.pos != 0 }

type entry[T any] struct {
	when int64
	seq  uint64
	node *Node[T]
}

func (a *entry[T]) before(b *entry[T]) bool {
	return a.when < b.when || a.when == b.when && a.seq < b.seq
}

// A Heap holds nodes. The zero value is empty and ready for use. It is not
// safe for use by several goroutines.
type Heap[T any] struct {
	entries []entry[T]
	seq     uint64
}

// Len returns the number of nodes.
func (h *Heap[T]) Len() int { return len(h.entries) }

// Push adds n, due at when. It panics when n is in a heap already.
func (h *Heap[T]) Push(n *Node[T], when int64) {
	if n.pos != 0 {
		panic("heap: Push of a node that is queued")
	}
	if len(h.entries) == cap(h.entries) {
		// append would grow by a quarter, and so allocate and copy five times
		// what is held in the end: many timers made at once kept the garbage
		// collector busy more than the heap.
		h.resize(max(minimum, 2*len(h.entries)))
	}
	h.seq++
	h.entries = append(h.entries, entry[T]{when, h.seq, n})
	h.up(len(h.entries) - 1)
}

// First returns the time of the earliest node, and false when there is none.
func (h *Heap[T]) First() (when int64, ok bool) {
	if len(h.entries) == 0 {
		return 0, false
	}
	return h.entries[0].when, true
}

// When returns the time of n, and false when it is not in the heap.
func (h *Heap[T]) When(n *Node[T]) (when int64, ok bool) {
	if n.pos == 0 {
		return 0, false
	}
	return h.entries[n.pos-1].when, true
}

// Pop removes and returns the earliest node; nil when there is none.
func (h *Heap[T]) Pop() *Node[T] {
	if len(h.entries) == 0 {
		return nil
	}
	n := h.entries[0].node
	h.Remove(n)
	return n
}

// Remove takes n out, and reports whether it was in.
func (h *Heap[T]) Remove(n *Node[T]) bool {
	if n.pos == 0 {
		return false
	}
	i, last := n.pos-1, len(h.entries)-1
	moved := h.entries[last]
	h.entries[last] = entry[T]{}
	h.entries = h.entries[:last]
	n.pos = 0
	if i != last {
		h.entries[i] = moved
		moved.node.pos = i + 1
		h.down(i)
		if moved.node.pos == i+1 {
			h.up(i)
		}
	}
	return true
}

// Trim frees memory that a burst has left. It is not for Remove to do: that
// would allocate when very many end at once, again and again.
func (h *Heap[T]) Trim() {
	if c := cap(h.entries); c > 1024 && len(h.entries) < c/8 {
		h.resize(max(1024, 2*len(h.entries)))
	}
}

func (h *Heap[T]) resize(size int) {
	h.entries = append(make([]entry[T], 0, size), h.entries...)
}

func (h *Heap[T]) up(i int) {
	e := h.entries[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(&h.entries[parent]) {
			break
		}
		h.put(i, h.entries[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *Heap[T]) down(i int) {
	e := h.entries[i]
	for {
		first := 4*i + 1
		if first >= len(h.entries) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.entries)); c++ {
			if h.entries[c].before(&h.entries[least]) {
				least = c
			}
		}
		if !h.entries[least].before(&e) {
			break
		}
		h.put(i, h.entries[least])
		i = least
	}
	h.put(i, e)
}

func (h *Heap[T]) put(i int, e entry[T]) {
	h.entries[i] = e
	e.node.pos = i + 1
}
